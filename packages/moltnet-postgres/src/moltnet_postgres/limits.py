"""What PostgreSQL cannot hold although the contract allows it: keys that do not fit into an index entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from moltnet_core.driver import LoadRecord
from moltnet_core.types import AgentRegistration, DirectConversation, Message, Room, Thread

__all__ = ["MAX_KEY", "refused"]

MAX_KEY: Final = 2600
"""Bytes that the texts of one index entry may have together: a third of a page, less what stands beside them."""

_ARTIFACT: Final = len("art__999999")


def refused(item: LoadRecord) -> str | None:
    """Why a record cannot be stored, if it cannot."""
    longest = max((sum(map(_bytes, texts)) for texts in _keys(item)), default=0)
    if longest <= MAX_KEY:
        return None
    return f"its ids take more than the {MAX_KEY} bytes that an index of PostgreSQL can hold"


def _keys(item: LoadRecord) -> Iterable[tuple[str | None, ...]]:
    """The texts that stand together in an index."""
    value = item.record.value
    if isinstance(value, Message):
        target = value.target
        return [(value.id, key, " " * _ARTIFACT) for key in (target.room_id, target.thread_id, target.dm_id)]
    if isinstance(value, Room):
        return [(value.id, ""), *((value.id, member) for member in value.members)]
    if isinstance(value, DirectConversation):
        return [(value.id, ""), *((value.id, each) for each in value.participant_ids)]
    if isinstance(value, Thread):
        return [(value.room_id, value.id)]
    assert isinstance(value, AgentRegistration)  # noqa: S101 - there are no more kinds
    return [(value.agent_id,), (value.credential_key,)]


def _bytes(text: str | None) -> int:
    return 0 if text is None else len(text) if text.isascii() else len(text.encode())
