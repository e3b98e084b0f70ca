"""Reading, within one transaction: single things, pages, counts, records in a row."""

from collections.abc import Sequence
from sys import maxsize
from typing import Any

from moltnet_core import START, ArtifactFilter, CorruptRecordError, Counts, InvalidCursorError, Record, RecordKind
from moltnet_core.derivation import member_summary
from moltnet_core.driver import Lookup
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
from moltnet_core.serialization import loads
from moltnet_core.types.paging import Start
from moltnet_lmdb.keys import COUNTS, LONG, SEPARATOR, artifact_tail, credential_part, key, part, prefix
from moltnet_lmdb.pages import Row, Txn, groups, tails
from moltnet_lmdb.records import decode, decode_artifact, value_of

__all__ = ["Reader"]

Cursor = str | Start | None


class Reader:
    """What is stored, as one transaction sees it.

    :param txn: a transaction, read or write.
    """

    def __init__(self, txn: Txn) -> None:
        self.txn = txn

    # -- single things --

    def get(self, lookup: Lookup, wanted: str) -> Any:
        """See :meth:`moltnet_core.driver.Driver.get`."""
        match lookup:
            case Lookup.ROOM:
                found = self.record(RecordKind.ROOM, wanted) if self.is_live(wanted) else None
            case Lookup.MEMBER:
                return self._member(wanted)
            case Lookup.CREDENTIAL:
                agents = self._ids(prefix("credential", credential_part(wanted)), None, START, 1) if wanted else ()
                found = self.record(RecordKind.AGENT, agents[0]) if agents else None
            case _:
                found = self.record(RecordKind(lookup.value), wanted)
        if isinstance(found, CorruptRecordError):
            raise found
        return found and found.value

    def is_live(self, room_id: str) -> bool:
        """Whether there is such a room, and it was not removed."""
        return self.txn.get(key("live", part(room_id))) is not None

    def record(self, kind: RecordKind, record_id: str) -> Record | CorruptRecordError | None:
        """The record of an id."""
        stored = self.txn.get(self.key_of(kind, record_id))
        return None if stored is None else decode(kind, record_id, stored)

    def key_of(self, kind: RecordKind, record_id: str) -> bytes:
        """The key of a record, stored or not."""
        if kind is RecordKind.MESSAGE:
            return key("message", self.place(record_id) or b"", part(record_id))
        return key(kind.value, part(record_id))

    def place(self, message_id: str) -> bytes | None:
        """The time of a message, as it stands in keys."""
        return self.txn.get(key("place", part(message_id)))

    def _member(self, member_id: str) -> Any:
        found = self._groups(prefix("member", part(member_id)), None, START, maxsize)
        rooms = [(room_id, network.decode()) for room_id, [(_, network)] in found]
        return member_summary(member_id, rooms) if rooms else None

    # -- pages --

    def read(self, listing: Listing, before: str | None, after: Cursor, limit: int) -> Sequence[Any]:
        """See :meth:`moltnet_core.driver.Driver.read`."""
        match listing:
            case RoomMessages(room_id):
                return self._messages("room", room_id, before, after, limit)
            case ThreadMessages(thread_id):
                return self._messages("thread", thread_id, before, after, limit)
            case DMMessages(dm_id):
                return self._messages("dm", dm_id, before, after, limit)
            case Artifacts(chosen):
                return self._artifacts(chosen, before, after, limit)
            case Rooms():
                return self._values(RecordKind.ROOM, prefix("live"), before, after, limit)
            case Threads(room_id):
                return self._values(RecordKind.THREAD, prefix("roomthread", part(room_id)), before, after, limit)
            case DirectConversations():
                return self._values(RecordKind.DM, prefix("dm"), before, after, limit)
            case Agents():
                return self._values(RecordKind.AGENT, prefix("agent"), before, after, limit)
            case Members():
                return self._members(before, after, limit)

    def _messages(self, kind: str, conversation: str, before: str | None, after: Cursor, limit: int) -> Sequence[Any]:
        line = prefix("line", kind.encode(), part(conversation))
        ends = tails(self.txn, line, self._message_tail(line, before), self._message_tail(line, after), limit)
        return [value_of(self._message(end)) for end in ends]

    def _message_tail(self, line: bytes, cursor: Cursor) -> bytes | None:
        if not isinstance(cursor, str):
            return cursor and b""
        end = SEPARATOR.join((self.place(cursor) or b"", part(cursor)))
        if self.txn.get(line + end) is None:
            raise InvalidCursorError(cursor)
        return end

    def _message(self, end: bytes) -> Record | CorruptRecordError:
        message_id = end.rpartition(SEPARATOR)[2].decode()
        return decode(RecordKind.MESSAGE, message_id, self.txn.get(key("message", end), b""))

    def _artifacts(self, chosen: ArtifactFilter, before: str | None, after: Cursor, limit: int) -> Sequence[Any]:
        line = prefix("artifact")
        for kind, wanted in (("room", chosen.room_id), ("thread", chosen.thread_id), ("dm", chosen.dm_id)):
            if wanted is not None:
                line = prefix("artifactline", kind.encode(), part(wanted))
        ends = tails(self.txn, line, self._artifact_tail(line, before), self._artifact_tail(line, after), limit)
        return [self._artifact(end) for end in ends]

    def _artifact_tail(self, line: bytes, cursor: Cursor) -> bytes | None:
        if not isinstance(cursor, str):
            return cursor and b""
        message_id, _, index = cursor.removeprefix("art_").rpartition("_")
        if index.isascii() and index.isdigit():
            end = artifact_tail(self.place(message_id) or b"", part(message_id), int(index))
            if cursor == _artifact_id(end) and self.txn.get(line + end) is not None:
                return end
        raise InvalidCursorError(cursor)

    def _artifact(self, end: bytes) -> Any:
        return decode_artifact(_artifact_id(end), self.txn.get(key("artifact", end), b""))

    def _values(self, kind: RecordKind, at: bytes, before: str | None, after: Cursor, limit: int) -> Sequence[Any]:
        stored = ((each, self.txn.get(self.key_of(kind, each), b"")) for each in self._ids(at, before, after, limit))
        return [value_of(decode(kind, each, value)) for each, value in stored]

    def _members(self, before: str | None, after: Cursor, limit: int) -> Sequence[Any]:
        found = self._groups(prefix("member"), before, after, limit)
        return [
            member_summary(each, sorted((self._id(tail.partition(SEPARATOR)[2]), net.decode()) for tail, net in rows))
            for each, rows in found
        ]

    def _ids(self, at: bytes, before: str | None, after: Cursor, limit: int) -> list[str]:
        return [each for each, _ in self._groups(at, before, after, limit)]

    def _groups(self, at: bytes, before: str | None, after: Cursor, limit: int) -> list[tuple[str, list[Row]]]:
        position = after if after is None or isinstance(after, str) else ""
        return groups(self.txn, at, before, position, limit, self._id)

    def _id(self, tail: bytes) -> str:
        """The id that a key's end begins with; a long one is stored beside its short form."""
        first = tail.partition(SEPARATOR)[0]
        whole = self.txn.get(key("long", first), first.partition(LONG)[0]) if LONG in first else first
        return whole.decode("utf-8", "surrogatepass")

    # -- everything --

    def counts(self) -> Counts:
        """How much is stored."""
        return Counts(**loads(self.txn.get(COUNTS, b"{}").decode()))

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> list[Record | CorruptRecordError]:
        """See :meth:`moltnet_core.driver.DriverSnapshot.scan`."""
        if kind is RecordKind.MESSAGE:
            at = prefix("message")
            end = b"" if after is None else self._message_tail(at, after)
            return [self._message(end) for end in tails(self.txn, at, None, end, limit)]
        found = self._ids(prefix(kind.value), None, START if after is None else after, limit)
        return [decode(kind, each, self.txn.get(self.key_of(kind, each), b"")) for each in found]


def _artifact_id(end: bytes) -> str:
    _, message, index = end.split(SEPARATOR)
    return f"art_{message.decode()}_{int(index)}"
