"""The rows of the memory tables: domain objects with their times as texts of every digit.

They are immutable, so that a copy of a table is a snapshot of it. The times are as they were stored: a backend that
reads what another program wrote keeps that program's spelling.
"""

from __future__ import annotations

import attrs
from attrs import frozen

from moltnet_core.derivation import artifacts_of
from moltnet_core.errors import CorruptRecordError
from moltnet_core.records import Record, RecordKind
from moltnet_core.serialization import copy_json
from moltnet_core.timestamps import NO_TIME_TEXT, time_key
from moltnet_core.types import AgentRegistration, Artifact, DirectConversation, Message, Room, Thread

__all__ = [
    "AgentRow",
    "CorruptRow",
    "DMRow",
    "MessageRow",
    "RoomRow",
    "Row",
    "StoredRow",
    "ThreadRow",
    "fresh",
    "row_of",
]


def fresh(message: Message) -> Message:
    """The message with a ``data`` of its own in each part."""
    if all(part.data is None for part in message.parts):
        return message
    parts = tuple(
        part if part.data is None else attrs.evolve(part, data=copy_json(part.data)) for part in message.parts
    )
    return attrs.evolve(message, parts=parts)


@frozen(eq=False)
class RoomRow:
    """A room; ``removed_at`` is set once it was removed."""

    room: Room
    created_at: str
    removed_at: str | None = None

    @property
    def value(self) -> Room:
        """What callers get."""
        return self.room

    def record(self) -> Record:
        """The row as a record."""
        times = {"created_at": self.created_at}
        if self.removed_at is not None:
            times["removed_at"] = self.removed_at
        return Record(RecordKind.ROOM, self.room, times)


@frozen(eq=False)
class AgentRow:
    """A registration."""

    registration: AgentRegistration
    created_at: str
    updated_at: str

    @property
    def value(self) -> AgentRegistration:
        """What callers get."""
        return self.registration

    def record(self) -> Record:
        """The row as a record."""
        times = {"created_at": self.created_at, "updated_at": self.updated_at}
        return Record(RecordKind.AGENT, self.registration, times)


@frozen(eq=False)
class ThreadRow:
    """A thread with its count."""

    thread: Thread
    last_message_at: str

    @property
    def value(self) -> Thread:
        """What callers get."""
        return self.thread

    def record(self) -> Record:
        """The row as a record."""
        return Record(RecordKind.THREAD, self.thread, {"last_message_at": self.last_message_at})


@frozen(eq=False)
class DMRow:
    """A direct conversation with its count and participants."""

    dm: DirectConversation
    last_message_at: str

    @property
    def value(self) -> DirectConversation:
        """What callers get."""
        return self.dm

    def record(self) -> Record:
        """The row as a record."""
        return Record(RecordKind.DM, self.dm, {"last_message_at": self.last_message_at})


@frozen(eq=False)
class MessageRow:
    """A message and what is derived from it."""

    message: Message
    created_at: str
    artifacts: tuple[Artifact, ...]

    @property
    def value(self) -> Message:
        """What callers get."""
        return fresh(self.message)

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands among messages: by time, then id."""
        return time_key(self.created_at), self.message.id

    @property
    def conversation(self) -> tuple[str, str | None]:
        """The conversation it belongs to: its kind and id."""
        return self.message.target.kind, self.message.target.conversation_id

    def record(self) -> Record:
        """The row as a record."""
        return Record(RecordKind.MESSAGE, self.value, {"created_at": self.created_at})


@frozen(eq=False)
class CorruptRow:
    """What is stored and cannot be decoded. It keeps its place in the listings, where its error stands for it.

    :param table: what holds it, in the backend's own words.
    :param record_id: its id.
    :param problem: what is wrong with it.
    :param conversation: of a message, the kind and id of its conversation; of a thread, ``room`` and its room's id;
        ``None`` where that is not known.
    :param created_at: of a message: its time, or the year 1.
    :param position: of a message in a list: its place there.
    """

    table: str
    record_id: str
    problem: str
    conversation: tuple[str, str | None] | None = None
    created_at: str = NO_TIME_TEXT
    position: int | None = None

    @property
    def value(self) -> CorruptRecordError:
        """What stands for it: a new error each time."""
        return CorruptRecordError(self.table, self.record_id, self.problem)

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands among messages."""
        return time_key(self.created_at), self.record_id

    def record(self) -> CorruptRecordError:
        """What stands for its record."""
        return self.value


StoredRow = RoomRow | AgentRow | ThreadRow | DMRow | MessageRow
Row = StoredRow | CorruptRow


def row_of(record: Record) -> StoredRow:
    """The row that :meth:`record` of it gives, counts and last times included.

    :raises ValueError: the record's value is not of its kind.
    """
    value, times = record.value, record.times
    match value:
        case Room():
            return RoomRow(value, times["created_at"], times.get("removed_at"))
        case AgentRegistration():
            return AgentRow(value, times["created_at"], times["updated_at"])
        case Thread():
            return ThreadRow(value, times["last_message_at"])
        case DirectConversation():
            return DMRow(value, times["last_message_at"])
        case Message():
            return MessageRow(value, times["created_at"], artifacts_of(value))
    raise ValueError(f"a {type(value).__name__} is not stored")
