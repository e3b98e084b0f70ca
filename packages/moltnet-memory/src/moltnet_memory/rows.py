"""The rows of the memory tables: domain objects with their times as texts of every digit.

They are immutable, so that a copy of a table is a snapshot of it.
"""

from __future__ import annotations

import attrs
from attrs import frozen

from moltnet_core.derivation import artifacts_of
from moltnet_core.records import Record, RecordKind
from moltnet_core.serialization import copy_json
from moltnet_core.types import AgentRegistration, Artifact, DirectConversation, Message, Room, Thread

__all__ = ["AgentRow", "DMRow", "MessageRow", "RoomRow", "Row", "ThreadRow", "fresh", "row_of"]


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

    def record(self) -> Record:
        """The row as a record."""
        times = {"created_at": self.created_at, "updated_at": self.updated_at}
        return Record(RecordKind.AGENT, self.registration, times)


@frozen(eq=False)
class ThreadRow:
    """A thread with its count."""

    thread: Thread
    last_message_at: str

    def record(self) -> Record:
        """The row as a record."""
        return Record(RecordKind.THREAD, self.thread, {"last_message_at": self.last_message_at})


@frozen(eq=False)
class DMRow:
    """A direct conversation with its count and participants."""

    dm: DirectConversation
    last_message_at: str

    def record(self) -> Record:
        """The row as a record."""
        return Record(RecordKind.DM, self.dm, {"last_message_at": self.last_message_at})


@frozen(eq=False)
class MessageRow:
    """A message and what is derived from it."""

    message: Message
    created_at: str
    artifacts: tuple[Artifact, ...]

    def record(self) -> Record:
        """The row as a record."""
        return Record(RecordKind.MESSAGE, fresh(self.message), {"created_at": self.created_at})


Row = RoomRow | AgentRow | ThreadRow | DMRow | MessageRow


def row_of(record: Record) -> Row:
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
