"""The queries of the feed, and the places in it.

What was stored before there was a feed comes first, by time; then the feed, as far as no transaction that still runs
can put anything before what is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve, frozen

from moltnet_core.feeds import Conversation
from moltnet_core.listings import DMMessages, RoomMessages
from moltnet_postgres.feed_schema import WAITING, FeedNames
from moltnet_sql.dialect import Dialect
from moltnet_sql.session import Session
from moltnet_sql.statements import MESSAGE_SCOPES, from_table, selected

__all__ = ["BEGINNING", "Before", "FeedQueries", "Found", "Key", "Look", "Place", "Within"]

_PASSES_OVER: Final = 5000
"""Of how many messages one read of one conversation looks at most whether they are of it."""

_LAST_EPOCH: Final = 2**31 - 1


@frozen
class Key:
    """A place among the feed's rows.

    :param xid: of the transaction, as it was counted from the cluster's beginning on.
    :param turn: within the transaction.
    """

    epoch: int
    xid: int
    turn: int


_FIRST: Final = Key(0, 0, -1)
_NOWHERE: Final = Key(_LAST_EPOCH, 0, 0)


@frozen
class Within:
    """Behind a row of the feed.

    :param after: everything up to it has been passed.
    :param snapshot: a state of the database. What was to be seen in it and is not behind ``floor`` is left out: it was
        stored when the watch began, though its place is where transactions were still running.
    """

    after: Key
    floor: Key | None = None
    snapshot: str | None = None

    def moved(self, after: Key, until: int | None) -> Within:
        """The place behind a later row.

        :param until: the transactions from this one on began after the snapshot.
        """
        if until is not None and self.floor is not None and after.epoch == self.after.epoch and after.xid < until:
            return evolve(self, after=after)
        return Within(after)


@frozen
class Before:
    """Among the messages that are not in the feed: behind one of them. Without a time, before the first."""

    created_at: str | None = None
    message_id: str = ""


Place = Before | Within

BEGINNING: Final = Before()


@frozen
class Look:
    """How the feed stands.

    :param epoch: the present one.
    :param xid: the oldest transaction that runs.
    :param next_xid: the first that had not begun.
    :param tip: the last row that has its final place, if there is one.
    :param unsettled: the last transaction whose rows have not, if there are any.
    :param began: the transaction since which the feed holds all messages, but for gaps.
    :param gaps: how often the trigger failed.
    :param mended: how many of those have been seen to.
    :param is_armed: whether the next message will be told of.
    """

    epoch: int
    xid: int
    next_xid: int
    tip: tuple[Any, ...] | None
    unsettled: int | None
    began: int
    gaps: int
    mended: int
    is_armed: bool

    @property
    def is_ahead(self) -> bool:
        """Whether rows of the present epoch come from transactions that this cluster has not had."""
        return self.unsettled is not None and self.unsettled >= self.next_xid


@frozen(eq=False)
class Found:
    """What a read of the feed found.

    :param rows: of messages.
    :param last: the message of the last row that was looked at; ``None`` where there was none.
    """

    rows: Sequence[Sequence[Any]] = ()
    last: str | None = None
    end: Within | None = None
    more: bool = False


class FeedQueries:
    """The queries in the names of one store.

    :param has_moved: SQL of whether the epoch ``latest`` is another cluster's.
    :param is_standby: whether the server is one: it does not know of running transactions by their ids.
    """

    def __init__(self, dialect: Dialect, names: FeedNames, has_moved: str, *, is_standby: bool) -> None:
        self._dialect = dialect
        self._names = names
        self._is_standby = is_standby
        self._messages = from_table(dialect, "messages")
        self._columns = selected(dialect, "messages")
        # A number of the same transaction's snapshot, so that a row below it is there to be seen.
        self._horizon = f"""
            present AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot),
            latest AS MATERIALIZED (SELECT * FROM {names.epochs} ORDER BY epoch DESC LIMIT 1),
            horizon AS MATERIALIZED (
                SELECT latest.epoch + ({has_moved})::int AS epoch, pg_snapshot_xmin(snapshot) AS xid
                FROM present, latest
            )"""
        self._settled = _against_horizon("<")

    # -- how it stands -------------------------------------------------------------------------------

    def look(self, session: Session) -> Look:
        """How the feed stands, in one trip, whatever it holds."""
        names = self._names
        latest = "ORDER BY epoch DESC, xid DESC, turn DESC LIMIT 1"
        ((epoch, xid, next_xid, *tip, unsettled, began, gaps, mended, is_armed),) = session.fetch(
            f"""WITH {self._horizon}
            SELECT horizon.epoch, horizon.xid::text, pg_snapshot_xmax(snapshot)::text,
                tip.epoch, tip.xid::text, tip.turn, unsettled.xid::text,
                latest.began::text, {names.gap_count}, latest.mended,
                (SELECT last_value = {WAITING} FROM {names.waiting})
            FROM horizon CROSS JOIN present CROSS JOIN latest
            LEFT JOIN LATERAL (SELECT epoch, xid, turn FROM {names.feed} WHERE {self._settled} {latest}) AS tip ON true
            LEFT JOIN LATERAL (SELECT xid FROM {names.feed} WHERE {_against_horizon(">=")} {latest}) AS unsettled
                ON true"""
        )
        return Look(
            epoch,
            int(xid),
            int(next_xid),
            None if tip[0] is None else tuple(tip),
            None if unsettled is None else int(unsettled),
            int(began),
            gaps,
            mended,
            is_armed,
        )

    # -- places --------------------------------------------------------------------------------------

    def end(self, session: Session) -> tuple[str | None, Within]:
        """The end as it is now: the last message that has its final place, if there is one, and the place."""
        ((epoch, xid, snapshot, last),) = session.fetch(
            f"""WITH {self._horizon}
            SELECT epoch, xid::text, snapshot::text, coalesce(
                (SELECT message_id FROM {self._names.feed} WHERE {self._settled}
                 ORDER BY epoch DESC, xid DESC, turn DESC LIMIT 1),
                (SELECT id FROM {self._messages} WHERE {self._is_not_in_feed} ORDER BY created_at DESC, id DESC LIMIT 1)
            )
            FROM horizon, present"""
        )
        return last, self._open_end(epoch, int(xid), _NOWHERE, snapshot)

    def place_of(self, session: Session, message_id: str) -> Place | None:
        """Behind a message, if there is one of that id."""
        found = session.fetch(
            f"""WITH {self._horizon}
            SELECT feed.epoch, feed.xid::text, turn, {_against_horizon("<", "feed.")},
                horizon.epoch, horizon.xid::text, snapshot::text
            FROM {self._names.feed} AS feed, horizon, present WHERE message_id = %(id)s""",
            {"id": message_id},
        )
        if found:
            ((epoch, xid, turn, is_settled, from_epoch, from_xid, snapshot),) = found
            key = Key(epoch, int(xid), turn)
            return Within(key) if is_settled else self._open_end(from_epoch, int(from_xid), key, snapshot)
        found = session.fetch(
            f"SELECT to_json(created_at) #>> '{{}}' FROM {self._messages} WHERE id = %(id)s", {"id": message_id}
        )
        return Before(found[0][0], message_id) if found else None

    def _open_end(self, epoch: int, xid: int, floor: Key, snapshot: str) -> Within:
        if self._is_standby:
            return Within(Key(epoch, xid, -1) if floor == _NOWHERE else floor)
        return Within(Key(epoch, xid, -1), floor, snapshot)

    # -- reading -------------------------------------------------------------------------------------

    @property
    def _is_not_in_feed(self) -> str:
        return f"NOT EXISTS (SELECT FROM {self._names.feed} AS feed WHERE feed.message_id = messages.id)"

    def before(
        self, session: Session, place: Before, conversation: Conversation | None, limit: int
    ) -> tuple[Sequence[Sequence[Any]], Place]:
        """Rows of messages that are not in the feed, by time, and the place behind what was looked at."""
        scope, parameters = _scope(conversation)
        after = ""
        if place.created_at is not None:
            after = "AND (created_at, id) > (%(time)s::timestamptz, %(after)s)"
            parameters |= {"time": place.created_at, "after": place.message_id}
        rows = session.fetch(
            f"""WITH scanned AS MATERIALIZED (
                SELECT {self._columns}, to_json(created_at) #>> '{{}}' AS moment,
                    {self._is_not_in_feed} AS is_wanted
                FROM {self._messages} WHERE {scope} {after} ORDER BY created_at, id LIMIT {limit}
            )
            SELECT * FROM scanned""",
            parameters,
        )
        wanted = [row[:-2] for row in rows if row[-1]]
        if len(rows) < limit:
            return wanted, Within(_FIRST)
        return wanted, Before(rows[-1][-2], rows[-1][0])

    def within(self, session: Session, place: Within, conversation: Conversation | None, limit: int) -> Found:
        """What the feed holds behind a place, as far as its order is final."""
        scope, parameters = _scope(conversation)
        scan = limit if conversation is None else max(limit, _PASSES_OVER)
        parameters |= _named("after", place.after)
        left_out = ""
        if place.floor is not None:
            left_out = (
                "AND ((epoch, xid, turn) > (%(floor_epoch)s, %(floor_xid)s::xid8, %(floor_turn)s) "
                "OR NOT pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot))"
            )
            parameters |= _named("floor", place.floor) | {"snapshot": place.snapshot}
        wanted = "true" if conversation is None else "conversation = %(scope)s"
        rows = session.fetch(
            f"""WITH {self._horizon}, scanned AS MATERIALIZED (
                SELECT epoch, xid, turn, message_id, conversation,
                    row_number() OVER (ORDER BY epoch, xid, turn) AS number
                FROM {self._names.feed}
                WHERE (epoch, xid, turn) > (%(after_epoch)s, %(after_xid)s::xid8, %(after_turn)s) AND {self._settled}
                    {left_out}
                ORDER BY epoch, xid, turn LIMIT {scan}
            ), whole AS MATERIALIZED (SELECT max(number) AS count FROM scanned)
            SELECT number, count, epoch, xid::text, turn, message_id, id IS NOT NULL, {self._columns}
            FROM (
                SELECT * FROM scanned CROSS JOIN whole WHERE {wanted} OR number = count
                ORDER BY number LIMIT {limit + 1}
            ) AS chosen LEFT JOIN LATERAL (
                -- The limit has the server look up each, whatever it believes of the conversation's size.
                SELECT * FROM {self._messages} WHERE id = chosen.message_id LIMIT 1
            ) AS messages ON {scope}
            ORDER BY number""",
            parameters,
        )
        if not rows:
            return Found()
        rows = rows[:limit]
        number, count, epoch, xid, turn, last = rows[-1][:6]
        until = None if place.snapshot is None else int(place.snapshot.split(":")[1])
        end = place.moved(Key(epoch, int(xid), turn), until)
        return Found([row[7:] for row in rows if row[6]], last, end, more=number < count or count == scan)


def _against_horizon(compare: str, table: str = "") -> str:
    return f"({table}epoch, {table}xid) {compare} (SELECT epoch, xid FROM horizon)"


def _named(name: str, key: Key) -> dict[str, Any]:
    return {f"{name}_epoch": key.epoch, f"{name}_xid": str(key.xid), f"{name}_turn": key.turn}


def _scope(conversation: Conversation | None) -> tuple[str, dict[str, Any]]:
    if conversation is None:
        return "true", {}
    if isinstance(conversation, RoomMessages):
        kind, key = "room", conversation.room_id
    elif isinstance(conversation, DMMessages):
        kind, key = "dm", conversation.dm_id
    else:
        kind, key = "thread", conversation.thread_id
    return MESSAGE_SCOPES[kind].format(scope="%(scope)s"), {"scope": key}
