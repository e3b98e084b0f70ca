"""Reads tables as a driver does: listings, single things, snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moltnet_core.driver import Lookup
from moltnet_core.errors import CorruptRecordError, InvalidCursorError
from moltnet_core.listings import (
    Agents,
    Artifacts,
    DirectConversations,
    DMMessages,
    Listing,
    Members,
    RoomMessages,
    Rooms,
    ThreadMessages,
    Threads,
)
from moltnet_core.records import Record, RecordKind
from moltnet_core.types import START, Start
from moltnet_memory.index import Index
from moltnet_memory.rows import CorruptRow, MessageRow, Row
from moltnet_memory.tables import Tables

if TYPE_CHECKING:
    from moltnet_core.checking import Check

__all__ = ["TablesReader", "TablesSnapshot"]

_EMPTY = Index()


def _value(row: Row | None) -> Any:
    """What a caller gets of a row.

    :raises CorruptRecordError: it cannot be decoded.
    """
    value = row and row.value
    if isinstance(value, CorruptRecordError):
        raise value
    return value


class TablesReader:
    """Reads tables as a driver does; the caller holds the lock."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, lookup: Lookup, key: str) -> Any:
        """See :meth:`moltnet_core.driver.Driver.get`."""
        tables, rows = self._tables, self._tables.rows
        match lookup:
            case Lookup.ROOM:
                return _value(tables.live_room(key))
            case Lookup.MESSAGE:
                return _value(rows[RecordKind.MESSAGE].get(key))
            case Lookup.THREAD:
                return _value(rows[RecordKind.THREAD].get(key))
            case Lookup.DM:
                return _value(rows[RecordKind.DM].get(key))
            case Lookup.AGENT:
                return _value(rows[RecordKind.AGENT].get(key))
            case Lookup.CREDENTIAL:
                return tables.by_credential(key)
            case Lookup.MEMBER:
                return tables.member(key)

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> list[Any]:
        """See :meth:`moltnet_core.driver.Driver.read`."""
        tables, rows = self._tables, self._tables.rows
        match listing:
            case RoomMessages(room_id):
                return self._messages("room", room_id, before, after, limit)
            case ThreadMessages(thread_id):
                return self._messages("thread", thread_id, before, after, limit)
            case DMMessages(dm_id):
                return self._messages("dm", dm_id, before, after, limit)
            case Artifacts():
                return self._artifacts(listing, before, after, limit)
            case Rooms():
                found = tables.live_rooms.window(before, after, limit)
                return [rows[RecordKind.ROOM][key].value for key in found]
            case Threads(room_id):
                found = tables.threads_of.get(room_id, _EMPTY).window(before, after, limit)
                return [rows[RecordKind.THREAD][key].value for key in found]
            case DirectConversations():
                found = tables.ids[RecordKind.DM].window(before, after, limit)
                return [rows[RecordKind.DM][key].value for key in found]
            case Agents():
                found = tables.ids[RecordKind.AGENT].window(before, after, limit)
                return [rows[RecordKind.AGENT][key].value for key in found]
            case Members():
                return [tables.member(key) for key in tables.member_ids.window(before, after, limit)]

    def snapshot(self) -> TablesSnapshot:
        """What is stored now."""
        return TablesSnapshot(*self._tables.frozen_rows())

    def _messages(
        self, kind: str, conversation_id: str, before: str | None, after: str | Start | None, limit: int
    ) -> list[Any]:
        messages: Mapping[str, MessageRow | CorruptRow] = self._tables.rows[RecordKind.MESSAGE]

        def key_of(cursor: str | Start | None) -> Any:
            if cursor is None or isinstance(cursor, Start):
                return cursor
            row = messages.get(cursor)
            if row is None or row.conversation != (kind, conversation_id):
                raise InvalidCursorError(cursor)
            return row.place

        index = self._tables.messages_of.get((kind, conversation_id), _EMPTY)
        return [messages[message_id].value for _, message_id in index.window(key_of(before), key_of(after), limit)]

    def _artifacts(self, listing: Artifacts, before: str | None, after: str | Start | None, limit: int) -> list[Any]:
        chosen = listing.filter
        name, value = next(
            (
                (kind, conversation_id)
                for kind, conversation_id in (
                    ("room", chosen.room_id),
                    ("thread", chosen.thread_id),
                    ("dm", chosen.dm_id),
                )
                if conversation_id is not None
            ),
            ("all", None),
        )

        def key_of(cursor: str | Start | None) -> Any:
            if cursor is None or isinstance(cursor, Start):
                return cursor
            place, artifact = self._tables.artifacts.get(cursor, (None, None))
            if place is None or artifact is None:
                raise InvalidCursorError(cursor)
            target = artifact.target
            belongs = {
                "all": True,
                "room": target.kind != "dm" and target.room_id == value,
                "thread": target.kind == "thread" and target.thread_id == value,
                "dm": target.kind == "dm" and target.dm_id == value,
            }
            if not belongs[name]:
                raise InvalidCursorError(cursor)
            return place

        index = self._tables.artifacts_of.get((name, value), _EMPTY)
        return [self._tables.artifact_at[place] for place in index.window(key_of(before), key_of(after), limit)]


class TablesSnapshot:
    """The rows of tables as they were at one moment."""

    def __init__(self, rows: Mapping[RecordKind, Mapping[str, Row]], ids: Mapping[RecordKind, Index]) -> None:
        self._rows = rows
        self._ids = ids

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> Sequence[Record | CorruptRecordError]:
        """See :class:`moltnet_core.driver.DriverSnapshot`."""
        rows = self._rows[kind]
        by_time = kind is RecordKind.MESSAGE
        key: Any = START if after is None else after
        if by_time and after is not None:
            row = rows.get(after)
            if not isinstance(row, MessageRow | CorruptRow):
                raise InvalidCursorError(after)
            key = row.place
        found = self._ids[kind].window(None, key, limit)
        return [rows[place[1] if by_time else place].record() for place in found]

    def check_records(self, check: Check) -> None:
        """See :class:`moltnet_core.driver.SupportsRecordCheck`. Artifacts are not stored, and so never wrong."""
        from moltnet_core.checking import check_records

        check_records(check, self, self._conversation_of)

    def _conversation_of(self, entry: CorruptRecordError) -> tuple[str, str | None] | None:
        row = self._rows[RecordKind.MESSAGE].get(entry.record_id)
        return row.conversation if isinstance(row, CorruptRow) else None
