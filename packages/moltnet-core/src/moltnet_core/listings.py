"""Listings: which items a page is of. A driver reads every one of them by ``read(listing, …)``."""

from __future__ import annotations

from attrs import field, frozen

from moltnet_core.types import ArtifactFilter

__all__ = [
    "Agents",
    "Artifacts",
    "DMMessages",
    "DirectConversations",
    "Listing",
    "Members",
    "RoomMessages",
    "Rooms",
    "ThreadMessages",
    "Threads",
]


@frozen
class RoomMessages:
    """Messages of a room's main line (their target's kind is ``room``), by (``created_at``, ``id``)."""

    room_id: str


@frozen
class ThreadMessages:
    """Messages of a thread (kind ``thread``), by (``created_at``, ``id``)."""

    thread_id: str


@frozen
class DMMessages:
    """Messages of a direct conversation (kind ``dm``), by (``created_at``, ``id``)."""

    dm_id: str


@frozen
class Artifacts:
    """Artifacts, by (``created_at``, ``message_id``, ``part_index``)."""

    filter: ArtifactFilter = field(factory=ArtifactFilter)


@frozen
class Rooms:
    """Rooms that were not removed, by ``id``."""


@frozen
class Threads:
    """Threads of a room, by ``id``."""

    room_id: str


@frozen
class DirectConversations:
    """Direct conversations, by ``id``."""


@frozen
class Agents:
    """Registered agents, by ``agent_id``."""


@frozen
class Members:
    """Members of rooms that were not removed, each once, by member id."""


Listing = (
    RoomMessages | ThreadMessages | DMMessages | Artifacts | Rooms | Threads | DirectConversations | Agents | Members
)
