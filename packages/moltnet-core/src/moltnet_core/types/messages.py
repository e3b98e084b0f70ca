"""Messages: who says what to which conversation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from attrs import Factory, field, frozen

from moltnet_core.timestamps import now
from moltnet_core.types._fields import as_tuple, blank_to_none, empty_to_none
from moltnet_core.types.conversations import DirectConversation, Thread

__all__ = [
    "PART_KINDS",
    "TARGET_KINDS",
    "Actor",
    "AppendResult",
    "Message",
    "MessageOrigin",
    "Part",
    "Target",
    "new_message_id",
]

TARGET_KINDS = ("room", "thread", "dm")
PART_KINDS = ("text", "url", "data", "file", "image", "audio")


def new_message_id() -> str:
    """A fresh message id: ``msg_`` and a random UUID."""
    return f"msg_{uuid4()}"


@frozen(cache_hash=True)
class Actor:
    """Who sent a message.

    :param type: what it is, such as ``"agent"`` or ``"human"``; any non-empty text.
    :param id: a member id (contract, section 1).
    :param name: a name for people.
    :param network_id: its network; on write the message's, where absent.
    :param fqid: its full id; on write made of network and id, where absent.
    """

    type: str
    id: str
    name: str | None = field(default=None, converter=blank_to_none)
    network_id: str | None = field(default=None, converter=blank_to_none)
    fqid: str | None = field(default=None, converter=blank_to_none)


@frozen
class MessageOrigin:
    """Where a message was first written; two empty texts where an old row does not say."""

    network_id: str
    message_id: str


@frozen(cache_hash=True)
class Target:
    """The conversation that a message belongs to.

    Make one with :meth:`room`, :meth:`thread` or :meth:`dm`: each kind has its own fields and no others.
    (A row written by another program may carry more; it is read as it is.)
    """

    kind: str
    room_id: str | None = field(default=None, converter=blank_to_none)
    thread_id: str | None = field(default=None, converter=blank_to_none)
    parent_message_id: str | None = field(default=None, converter=blank_to_none)
    dm_id: str | None = field(default=None, converter=blank_to_none)
    participant_ids: tuple[str, ...] = field(default=(), converter=as_tuple)

    @classmethod
    def room(cls, room_id: str) -> Target:
        """A room's main line."""
        return cls(kind="room", room_id=room_id)

    @classmethod
    def thread(cls, room_id: str, thread_id: str, parent_message_id: str | None = None) -> Target:
        """A thread of a room; the first message for a thread creates it."""
        return cls(kind="thread", room_id=room_id, thread_id=thread_id, parent_message_id=parent_message_id)

    @classmethod
    def dm(cls, dm_id: str, participant_ids: Iterable[str]) -> Target:
        """A direct conversation of at least two participants; the first message for it creates it."""
        return cls(kind="dm", dm_id=dm_id, participant_ids=as_tuple(participant_ids))

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation that the kind names."""
        if self.kind == "room":
            return self.room_id
        return self.thread_id if self.kind == "thread" else self.dm_id


@frozen(eq=True, unsafe_hash=False)
class Part:
    """One piece of a message's content.

    :param kind: one of :data:`PART_KINDS`.
    :param text: any Unicode text.
    :param media_type: such as ``"image/png"``.
    :param url: ``http``, ``https`` or ``molt``.
    :param filename: a name for people.
    :param data: a JSON object; every object that a store hands out has a fresh one.
    """

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    kind: str
    text: str | None = field(default=None, converter=blank_to_none)
    media_type: str | None = field(default=None, converter=blank_to_none)
    url: str | None = field(default=None, converter=blank_to_none)
    filename: str | None = field(default=None, converter=blank_to_none)
    data: dict[str, Any] | None = field(default=None, converter=empty_to_none)


@frozen(eq=True, unsafe_hash=False)
class Message:
    """A message.

    The id and the time are filled in when the object is made, so that appending the same object again with
    ``retry=True`` is safe. The rest of the defaults are filled in by the store.

    :param network_id: the network it is written in; any non-empty text.
    :param target: the conversation.
    :param sender: who says it (JSON ``from``).
    :param parts: at least one.
    :param mentions: whom it mentions, stored as given.
    :param id: an identifier (contract, section 1); default ``msg_`` and a random UUID.
    :param created_at: aware; default now. Kept to the microsecond.
    :param origin: where it was first written; default its own network and id.
    """

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    network_id: str
    target: Target
    sender: Actor
    parts: tuple[Part, ...] = field(converter=as_tuple)
    mentions: tuple[str, ...] = field(default=(), converter=as_tuple)
    id: str = field(default=Factory(new_message_id))
    created_at: datetime = field(default=Factory(now))
    origin: MessageOrigin | None = None


@frozen(eq=True, unsafe_hash=False)
class AppendResult:
    """What an append did.

    :param message: the message as stored.
    :param thread_created: the thread, if this append created it.
    :param dm_created: the direct conversation, if this append created it.
    :param replayed: the message was stored before, and ``retry=True`` took that as success.
    """

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    message: Message
    thread_created: Thread | None = None
    dm_created: DirectConversation | None = None
    replayed: bool = False
