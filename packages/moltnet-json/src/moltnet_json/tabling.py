"""From the values of a snapshot to the memory tables: what is stored, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from moltnet_core.derivation import participants_of
from moltnet_core.identifiers import full_id
from moltnet_core.records import RecordKind
from moltnet_core.serialization import object_of, text_of
from moltnet_core.timestamps import NO_TIME_TEXT, parse_time, time_key
from moltnet_core.types import DirectConversation, Thread
from moltnet_json.decoding import (
    agent_row,
    message_row,
    removal_time,
    removed_room_row,
    room_row,
    thread_row,
    unknown_room_row,
)
from moltnet_json.document import EXTENSION
from moltnet_json.ordering import ArrivalOrder
from moltnet_json.scanning import Undecodable
from moltnet_memory import CorruptRow, DMRow, MessageRow, Row, Tables, ThreadRow

__all__ = ["tables_of"]

_NOT_DECODABLE: Final = (ValueError, TypeError, LookupError, OverflowError)
_LISTS: Final = {"room": "room_messages", "thread": "thread_messages", "dm": "direct_messages"}

Values = Mapping[str, Any]


def tables_of(values: Values, order: ArrivalOrder) -> Tables:
    """The tables of everything that a snapshot holds.

    :param values: the decoded values of each of its keys.
    :param order: learns in which order its messages came.
    """
    return _Tabling(values).tables(order)


class _Tabling:
    def __init__(self, values: Values) -> None:
        self._values = values
        self._rows: dict[tuple[RecordKind, str], Row] = {}
        # The decodable messages of each list, in append order; of all lists, by id.
        self._lines: dict[tuple[str, str], list[MessageRow]] = {}
        self._messages: dict[str, MessageRow | CorruptRow] = {}
        self._networks: dict[str, str] = {}  # of rooms, by the first that names one

    def tables(self, order: ArrivalOrder) -> Tables:
        self._read_messages()
        self._read_records(RecordKind.THREAD, "threads", thread_row)
        self._derive_threads()
        self._read_dms()
        self._read_records(RecordKind.AGENT, "agents", agent_row)
        self._read_records(RecordKind.ROOM, "rooms", room_row)
        self._read_removed_rooms()
        tables = Tables()
        tables.apply(dict(sorted(self._rows.items())))
        # In the order of their places they are put in fastest.
        ordered = sorted(self._messages.items(), key=lambda item: item[1].place)
        tables.apply({(RecordKind.MESSAGE, key): row for key, row in ordered})
        order.learn(self._messages, self._of(EXTENSION).get("arrivals") or {})
        tables.find_arrivals(order.arrivals)
        return tables

    def _of(self, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._values.get(key) or {}
        return found

    # -- what is stored ------------------------------------------------------------------------------

    def _read_messages(self) -> None:
        for kind, table in _LISTS.items():
            for conversation_id, values in self._of(table).items():
                line = self._lines[kind, conversation_id] = []
                for index, value in enumerate(values):
                    row = self._message(kind, table, conversation_id, index, value)
                    if isinstance(row, MessageRow):
                        line.append(row)
                        self._messages[row.message.id] = row
                    else:
                        self._messages[row.record_id] = row

    def _message(self, kind: str, table: str, conversation_id: str, index: int, value: Any) -> MessageRow | CorruptRow:
        known = _known(value)
        own_id = known.get("id")
        try:
            row = message_row(value, kind, conversation_id)
            if row.message.id not in self._messages:
                return row
            problem = "its id is that of another message"
        except _NOT_DECODABLE as error:
            problem = _problem(error)
        if type(own_id) is not str or own_id in self._messages:
            own_id = f"{table}[{conversation_id}][{index}]"
            while own_id in self._messages:  # somebody called a message so
                own_id += "'"
        moment = known.get("created_at")
        if type(moment) is not str:
            moment = NO_TIME_TEXT
        return CorruptRow(table, own_id, problem, (kind, conversation_id), moment, index)

    def _read_records(self, kind: RecordKind, table: str, read: Callable[[Any, str], Row]) -> None:
        for key, value in self._of(table).items():
            try:
                self._rows[kind, key] = read(value, key)
            except _NOT_DECODABLE as error:
                room_id = _known(value).get("room_id") if kind is RecordKind.THREAD else None
                of_room = ("room", room_id) if type(room_id) is str else None
                self._rows[kind, key] = CorruptRow(table, key, _problem(error), of_room)

    # -- what follows --------------------------------------------------------------------------------

    def _derive_threads(self) -> None:
        """Threads that only their messages know."""
        for (kind, key), line in self._lines.items():
            if kind == "thread" and line and (RecordKind.THREAD, key) not in self._rows:
                first = line[0].message
                last = _last_time(line)
                network_id = first.network_id
                thread = Thread(
                    key,
                    network_id,
                    full_id(network_id, "threads", key),
                    first.target.room_id or "",
                    first.target.parent_message_id,
                    message_count=len(self._of("thread_messages")[key]),
                    last_message_at=parse_time(last),
                )
                self._rows[RecordKind.THREAD, key] = ThreadRow(thread, last)

    def _read_dms(self) -> None:
        for key, values in self._of("direct_messages").items():
            line = self._lines["dm", key]
            try:
                self._rows[RecordKind.DM, key] = self._dm(key, len(values), line)
            except _NOT_DECODABLE as error:
                self._rows[RecordKind.DM, key] = CorruptRow("direct_members", key, _problem(error))

    def _dm(self, key: str, count: int, line: Sequence[MessageRow]) -> DMRow:
        members = self._of("direct_members").get(key)
        if members is None:
            participants = sorted({each for row in line for each in participants_of(row.message)})
        else:
            participants = sorted(object_of(members, "its value"))
        network_id = line[-1].message.network_id if line else ""
        fqid = full_id(network_id, "dms", key) if line else ""
        own = (self._of(EXTENSION).get("dms") or {}).get(key)
        # What we noted holds for as long as nobody else has appended.
        if type(own) is dict and own.get("message_count") == count:
            network_id, fqid = text_of(own.get("network_id"), "network_id"), text_of(own.get("fqid"), "fqid")
        last = _last_time(line)
        dm = DirectConversation(
            key, network_id, fqid, tuple(participants), message_count=count, last_message_at=parse_time(last)
        )
        return DMRow(dm, last)

    def _read_removed_rooms(self) -> None:
        kept = self._of(EXTENSION).get("removed_rooms") or {}
        removed = {key: removal_time(value) for key, value in self._of("removed_rooms").items()}
        for key in (*removed, *self._mentioned_rooms()):
            if (RecordKind.ROOM, key) in self._rows:
                continue  # it is there, whatever else says that it was removed
            removed_at = removed.get(key, NO_TIME_TEXT)
            row = unknown_room_row(key, self._networks.get(key, ""), removed_at)
            if key in removed and key in kept:
                with suppress(*_NOT_DECODABLE):  # the room is known by its id all the same
                    row = removed_room_row(kept[key], key, removed_at)
            self._rows[RecordKind.ROOM, key] = row

    def _mentioned_rooms(self) -> dict[str, None]:
        """The rooms that messages and threads name, in an order of no meaning; notes their networks."""
        found: dict[str, None] = {}

        def note(room_id: str | None, network_id: str) -> None:
            found[room_id or ""] = None
            self._networks.setdefault(room_id or "", network_id)

        for (kind, key), line in self._lines.items():
            if kind == "room":
                found[key] = None
            if kind != "dm":
                for row in line:
                    note(row.message.target.room_id, row.message.network_id)
        for (kind, _), stored in self._rows.items():
            if kind is RecordKind.THREAD and isinstance(stored, ThreadRow):
                note(stored.thread.room_id, stored.thread.network_id)
        return found


def _last_time(line: Sequence[MessageRow]) -> str:
    return max((row.created_at for row in line), key=time_key, default=NO_TIME_TEXT)


def _known(value: Any) -> Mapping[str, Any]:
    """What is known of a record, also of one that cannot be decoded."""
    if isinstance(value, Undecodable):
        return value.known
    return value if type(value) is dict else {}


def _problem(error: BaseException) -> str:
    return str(error) if isinstance(error, ValueError) else "a value has the wrong type"
