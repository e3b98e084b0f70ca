"""Artifacts: the parts of messages that are more than text."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from moltnet_core.types._fields import blank_to_none
from moltnet_core.types.messages import Target

__all__ = ["Artifact", "ArtifactFilter"]


@frozen
class Artifact:
    """A part that is not ``text``, or has a ``url``, ``filename`` or ``media_type``.

    :param id: ``art_{message_id}_{part_index}``.
    :param part_index: the part's place in its message, from 0.
    :param created_at: the message's.
    """

    id: str
    network_id: str
    fqid: str
    message_id: str
    target: Target
    part_index: int
    kind: str
    media_type: str | None = field(default=None, converter=blank_to_none)
    filename: str | None = field(default=None, converter=blank_to_none)
    url: str | None = field(default=None, converter=blank_to_none)
    created_at: datetime = field(kw_only=True)


@frozen(kw_only=True)
class ArtifactFilter:
    """Which artifacts to list: of a room (its threads included), of a thread, of a DM, or all. At most one."""

    room_id: str | None = field(default=None, converter=blank_to_none)
    thread_id: str | None = field(default=None, converter=blank_to_none)
    dm_id: str | None = field(default=None, converter=blank_to_none)
