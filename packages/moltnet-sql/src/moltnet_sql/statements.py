"""The SQL of appends and of pages of messages and artifacts, written once; made when a store is opened, never per call.

A page goes by the listing's sort key, and an index has to yield it in order. SQLite uses none for a comparison with the
whole key when that begins with an expression. There a page beside a cursor is two ranges, a statement each: what shares
the cursor's instant, and what is before or after that instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import fields, frozen

from moltnet_core.records import Counts
from moltnet_sql.dialect import Dialect
from moltnet_sql.schema import TABLES

__all__ = ["ARTIFACT_SCOPES", "MESSAGE_SCOPES", "PageQueries", "Statements", "make_statements"]

MESSAGE_SCOPES = {
    "room": "target_kind = 'room' AND room_id = {scope}",
    "thread": "target_kind = 'thread' AND thread_id = {scope}",
    "dm": "target_kind = 'dm' AND dm_id = {scope}",
}
"""Which rows a listing of messages is of, by the target's kind."""

ARTIFACT_SCOPES = {
    "room": "target_kind IN ('room', 'thread') AND room_id = {scope}",
    "thread": "target_kind = 'thread' AND thread_id = {scope}",
    "dm": "target_kind = 'dm' AND dm_id = {scope}",
    "all": "1 = 1",
}
"""Which rows a listing of artifacts is of."""


@frozen
class PageQueries:
    """The queries of one listing. Parameters by name: ``scope``, ``limit``, ``cursor``.

    A page is what its statements give one after the other, up to the limit; they have to see one state.

    :param newest: the last rows, newest first.
    :param oldest: the first rows.
    :param before: the rows just before the cursor, newest first; none when the cursor is not in the listing.
    :param after: the rows just after the cursor; none when the cursor is not in the listing.
    :param find: a row if the cursor is in the listing.
    """

    newest: tuple[str, ...]
    oldest: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    find: str


@frozen
class Statements:
    """All of them.

    :param messages: by the kind of conversation.
    :param artifacts: by the kind of conversation, or ``all``.
    :param insert_message: parameters by column.
    :param insert_artifact: parameters by column.
    :param look: touches the data, which settles the state that a transaction sees.
    :param live_room: a row if the room is there and was not removed, and stays so until the transaction ends.
    :param room_to_change: the same, and nobody else changes the room meanwhile.
    :param count_thread: creates a thread, or counts ``message_count`` more in it. Changes no row when the thread
        belongs to another room. Parameters by column.
    :param count_dm: creates a DM conversation, or counts ``message_count`` more and takes over network and full id.
    :param add_to_thread: counts ``message_count`` more in a thread that is there. Parameters by column.
    :param add_to_dm: the same for a DM conversation.
    :param counts: one row, in the order of :class:`moltnet_core.records.Counts`.
    """

    messages: Mapping[str, PageQueries]
    artifacts: Mapping[str, PageQueries]
    insert_message: str
    insert_artifact: str
    look: str
    live_room: str
    room_to_change: str
    thread_room: str
    dm_exists: str
    count_thread: str
    count_dm: str
    add_to_thread: str
    add_to_dm: str
    join_dm: str
    counts: str


def _page_queries(dialect: Dialect, table: str, scope: str, tie: Sequence[str]) -> PageQueries:
    """The queries of a listing ordered by (``created_at``, ``tie``…)."""
    scope = scope.format(scope=dialect.named.format("scope"))
    # For each value of a bare LIMIT parameter SQLite would plan the statement anew.
    limit, cursor = f"{dialect.named.format('limit')} + 0", dialect.named.format("cursor")
    columns, source = selected(dialect, table), from_table(dialect, table)
    key = dialect.time_key("created_at")
    ties = [dialect.by_code_point(column) if column.endswith("id") else column for column in tie]

    def order(direction: str, *first: str) -> str:
        return ", ".join(f"{expression} {direction}" for expression in (*first, *ties))

    def end(direction: str) -> tuple[str, ...]:
        return (f"SELECT {columns} FROM {source} WHERE {scope} ORDER BY {order(direction, key)} LIMIT {limit}",)

    def beside(compare: str, direction: str) -> tuple[str, ...]:
        own, its = ", ".join(ties), ", ".join(tie)
        place = f"SELECT {key} AS sort_key, {its} FROM {source} WHERE {scope} AND id = {cursor}"
        if not dialect.pages_by_range:
            its_key = ", ".join(f"(SELECT {column} FROM place)" for column in ("sort_key", *tie))
            return (
                f"""WITH place AS ({place}) SELECT {columns} FROM {source}
                    WHERE {scope} AND ({key}, {own}) {compare} ({its_key})
                    ORDER BY {order(direction, key)} LIMIT {limit}""",
            )
        own = f"({own})" if len(ties) > 1 else own
        rows, instant = f"SELECT {columns} FROM {source} WHERE {scope}", f"(SELECT sort_key FROM ({place}) AS place)"
        same_instant = f"{rows} AND {key} = {instant} AND {own} {compare} (SELECT {its} FROM ({place}) AS place)"
        return (
            f"{same_instant} ORDER BY {order(direction)} LIMIT {limit}",
            f"{rows} AND {key} {compare} {instant} ORDER BY {order(direction, key)} LIMIT {limit}",
        )

    return PageQueries(
        newest=end("DESC"),
        oldest=end("ASC"),
        before=beside("<", "DESC"),
        after=beside(">", "ASC"),
        find=f"SELECT 1 FROM {source} WHERE {scope} AND id = {cursor}",
    )


def selected(dialect: Dialect, table: str) -> str:
    """The columns of a table in the order of :data:`moltnet_sql.schema.TABLES`, times as the dialect fetches them."""
    # No alias: an output name would hide the column from ORDER BY on engines where output names come first.
    return ", ".join(dialect.select_time(column) if column.endswith("_at") else column for column in TABLES[table])


def from_table(dialect: Dialect, table: str) -> str:
    """A table as ``FROM`` and ``INSERT INTO`` name it, known by its bare name in the rest of the statement."""
    return f"{dialect.table(table)} AS {table}"


def counting(dialect: Dialect, table: str, key: str, also: Sequence[str] = (), same: str = "") -> str:
    """What follows the insertion of a thread or DM where one is there already: it counts more messages.

    :param also: further columns that are taken over.
    :param same: a column that has to be the same, or nothing is done.
    """
    old, new = f"{table}.last_message_at", "excluded.last_message_at"
    taken = "".join(f", {column} = excluded.{column}" for column in also)
    condition = f" WHERE {table}.{same} = excluded.{same}" if same else ""
    return f"""ON CONFLICT ({key}) DO UPDATE SET
                message_count = {table}.message_count + excluded.message_count,
                last_message_at = CASE WHEN {dialect.time_key(new)} > {dialect.time_key(old)}
                    THEN {new} ELSE {old} END{taken}{condition}"""


def _counts(dialect: Dialect) -> str:
    rooms, live = from_table(dialect, "rooms"), "deleted_at IS NULL"
    counted = {
        "rooms": f"{rooms} WHERE {live}",
        "removed_rooms": f"{rooms} WHERE NOT {live}",
        "members": f"{from_table(dialect, 'room_members')} WHERE room_id IN (SELECT id FROM {rooms} WHERE {live})",
        "agents": from_table(dialect, "agents"),
        "threads": from_table(dialect, "threads"),
        "dms": from_table(dialect, "dm_conversations"),
        "messages": from_table(dialect, "messages"),
        "artifacts": from_table(dialect, "artifacts"),
    }
    return f"SELECT {', '.join(f'(SELECT count(*) FROM {counted[field.name]})' for field in fields(Counts))}"


def make_statements(dialect: Dialect) -> Statements:
    """All statements in one engine's spelling."""

    def insert(table: str) -> str:
        columns = TABLES[table]
        values = ", ".join(dialect.named.format(column) for column in columns)
        return f"INSERT INTO {from_table(dialect, table)} ({', '.join(columns)}) VALUES ({values})"

    def named(name: str) -> str:
        return dialect.named.format(name)

    def count(table: str, key: str, also: Sequence[str] = (), same: str = "") -> str:
        told = f" RETURNING {dialect.inserted}" if dialect.inserted else ""
        return f"{insert(table)} {counting(dialect, table, key, also, same)}{told}"

    def add(table: str, key: str) -> str:
        last = dialect.moment(named("last_message_at"))
        return f"""UPDATE {from_table(dialect, table)} SET message_count = message_count + {named("message_count")},
            last_message_at = CASE WHEN {dialect.time_key(last)} > {dialect.time_key("last_message_at")}
                THEN {last} ELSE last_message_at END
            WHERE {key} = {named(key)}"""

    rooms, threads = from_table(dialect, "rooms"), from_table(dialect, "threads")
    dms = from_table(dialect, "dm_conversations")
    return Statements(
        messages={kind: _page_queries(dialect, "messages", scope, ("id",)) for kind, scope in MESSAGE_SCOPES.items()},
        artifacts={
            kind: _page_queries(dialect, "artifacts", scope, ("message_id", "part_index"))
            for kind, scope in ARTIFACT_SCOPES.items()
        },
        insert_message=insert("messages"),
        insert_artifact=insert("artifacts"),
        look=f"SELECT 1 FROM {rooms} LIMIT 1",
        live_room=f"SELECT 1 FROM {rooms} WHERE id = {named('id')} AND deleted_at IS NULL{dialect.keep_row}",
        room_to_change=f"SELECT 1 FROM {rooms} WHERE id = {named('id')} AND deleted_at IS NULL{dialect.take_row}",
        thread_room=f"SELECT room_id FROM {threads} WHERE id = {named('id')}",
        dm_exists=f"SELECT 1 FROM {dms} WHERE dm_id = {named('id')}",
        count_thread=count("threads", "id", same="room_id"),
        count_dm=count("dm_conversations", "dm_id", also=("network_id", "fqid")),
        add_to_thread=add("threads", "id"),
        add_to_dm=add("dm_conversations", "dm_id"),
        join_dm=f"{insert('dm_participants')} ON CONFLICT (dm_id, participant_id) DO NOTHING",
        counts=_counts(dialect),
    )
