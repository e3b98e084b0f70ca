"""Appending one message in one round trip: one statement that looks, counts and inserts, and commits itself.

It does nothing, and gives no row, where the room is not there or the thread is another room's. Who wants to know what
was wrong looks by the slower path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from moltnet_core.driver import Appended, NewMessage
from moltnet_core.timestamps import format_time
from moltnet_sql import Session
from moltnet_sql.dialect import Dialect
from moltnet_sql.rows import Rows
from moltnet_sql.schema import TABLES
from moltnet_sql.statements import counting, from_table

__all__ = ["AtOnce", "make_at_once"]


# As other writes have it: under a stricter one, which may be the server's default, two appends to one thread conflict.
_ISOLATION = "SET LOCAL transaction_isolation = 'read committed'; "


@frozen
class AtOnce:
    """The statements, by the kind of conversation, for messages without and with artifacts."""

    plain: Mapping[str, str]
    with_artifacts: Mapping[str, str]

    def append(self, session: Session, rows: Rows, new: NewMessage) -> Appended | None:
        """Append a message; ``None``: something stands against it, and nothing was done."""
        message = new.message
        moment = format_time(message.created_at)
        parameters = rows.message_row(message, moment)
        if new.thread is not None:
            parameters |= _prefixed("thread_", rows.thread_row(new.thread, 1, moment))
        elif new.dm is not None:
            parameters |= _prefixed("dm_", rows.dm_row(new.dm, 1, moment))
            parameters["participants"] = list(new.dm.participant_ids)
        statements = self.plain
        if new.artifacts:
            statements = self.with_artifacts
            columns = [rows.artifact_row(artifact, parameters) for artifact in new.artifacts]
            parameters |= {f"part_{name}": [row[name] for row in columns] for name in _OF_PART}
        lead = f"{_ISOLATION}{session.connection.durable}"
        found = session.fetch(f"{lead}{statements[message.target.kind]}", parameters)
        return Appended(created=bool(found[0][0])) if found else None


_OF_PART = {
    "id": "text",
    "fqid": "text",
    "part_index": "integer",
    "kind": "text",
    "media_type": "text",
    "filename": "text",
    "url": "text",
}
"""The columns of an artifact that are not its message's, with their types."""


def _prefixed(prefix: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in row.items()}


def make_at_once(dialect: Dialect) -> AtOnce:
    """The statements in the names of one store."""

    def values(columns: Sequence[str], prefix: str = "") -> str:
        named = (dialect.named.format(f"{prefix}{column}") for column in columns)
        return ", ".join(
            f"{value}::timestamptz" if column.endswith("_at") else value
            for value, column in zip(named, columns, strict=True)
        )

    def insert(table: str, selected: str) -> str:
        return f"INSERT INTO {from_table(dialect, table)} ({', '.join(TABLES[table])}) SELECT {selected}"

    room = (
        f"room AS (SELECT 1 FROM {from_table(dialect, 'rooms')} WHERE id = {dialect.named.format('room_id')} "
        "AND deleted_at IS NULL FOR SHARE)"
    )
    thread = (
        f"thread AS ({insert('threads', values(TABLES['threads'], 'thread_'))} FROM room "
        f"{counting(dialect, 'threads', 'id', same='room_id')} RETURNING {dialect.inserted} AS created)"
    )
    dm = (
        f"dm AS ({insert('dm_conversations', values(TABLES['dm_conversations'], 'dm_'))} "
        f"{counting(dialect, 'dm_conversations', 'dm_id', also=('network_id', 'fqid'))} "
        f"RETURNING {dialect.inserted} AS created)"
    )
    participants = (
        f"participants AS ({insert('dm_participants', '%(dm_id)s, unnest(%(participants)s::text[])')} "
        "ON CONFLICT (dm_id, participant_id) DO NOTHING)"
    )

    def message(source: str) -> str:
        return f"message AS ({insert('messages', values(TABLES['messages']))} FROM {source} RETURNING *)"

    own = ", ".join(f"part.{name}" if name in _OF_PART else _of_message(name) for name in TABLES["artifacts"])
    lists = ", ".join(f"%(part_{name})s::{kind}[]" for name, kind in _OF_PART.items())
    artifacts = (
        f"artifact AS ({insert('artifacts', own)} FROM message, unnest({lists}) AS part ({', '.join(_OF_PART)}))"
    )
    starts = {
        "room": ((room, message("room")), "SELECT false FROM message"),
        "thread": ((room, thread, message("thread")), "SELECT created FROM thread, message"),
        "dm": ((dm, participants, message("dm")), "SELECT created FROM dm, message"),
    }

    def made(*more: str) -> dict[str, str]:
        return {kind: f"WITH {', '.join((*parts, *more))} {end}" for kind, (parts, end) in starts.items()}

    return AtOnce(made(), made(artifacts))


def _of_message(column: str) -> str:
    return "message.id" if column == "message_id" else f"message.{column}"
