"""Short ways to make records."""

from __future__ import annotations

from typing import Any

import attrs

from moltnet_conformance.building import at
from moltnet_core import (
    DirectConversation,
    Message,
    MessageOrigin,
    Record,
    Thread,
)

NOW = "2026-01-01T00:00:00.000000000Z"


def record(kind: str, value: Any, moment: str = NOW, **times: str) -> Record:
    """A record, with one text for all its times unless they are given."""
    if isinstance(value, Message) and value.origin is None:
        value = attrs.evolve(value, origin=MessageOrigin(value.network_id, value.id))
    names = {"agent": ("created_at", "updated_at"), "thread": ("last_message_at",), "dm": ("last_message_at",)}
    return Record(kind, value, {**dict.fromkeys(names.get(kind, ("created_at",)), moment), **times})


def dm_value(dm_id: str = "d1") -> Any:
    """A direct conversation as a record holds it."""
    return DirectConversation(dm_id, "net", f"molt://net/dms/{dm_id}", ("ann", "bob"), last_message_at=at(0))


def thread_value(thread_id: str = "t1", room_id: str = "general") -> Any:
    """A thread as a record holds it."""
    return Thread(thread_id, "net", f"molt://net/threads/{thread_id}", room_id, last_message_at=at(0))
