"""Threads and direct conversations: both are made by their first message."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from moltnet_core.types._fields import as_tuple, blank_to_none

__all__ = ["DirectConversation", "Thread"]


@frozen
class Thread:
    """A thread of a room.

    :param parent_message_id: the message it hangs on, if its first message named one.
    :param message_count: messages appended to it.
    :param last_message_at: the latest ``created_at`` among them.
    """

    id: str
    network_id: str
    fqid: str
    room_id: str
    parent_message_id: str | None = field(default=None, converter=blank_to_none)
    message_count: int = field(default=0, kw_only=True)
    last_message_at: datetime = field(kw_only=True)


@frozen
class DirectConversation:
    """A direct conversation.

    :param participant_ids: everybody who was named in its messages or sent one; sorted, unique.
    :param message_count: messages appended to it.
    :param last_message_at: the latest ``created_at`` among them.
    """

    id: str
    network_id: str
    fqid: str
    participant_ids: tuple[str, ...] = field(default=(), converter=as_tuple)
    message_count: int = field(default=0, kw_only=True)
    last_message_at: datetime = field(kw_only=True)
