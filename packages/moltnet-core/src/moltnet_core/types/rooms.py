"""Rooms."""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, field, frozen

from moltnet_core.timestamps import now
from moltnet_core.types._fields import as_tuple

__all__ = ["VISIBILITIES", "WRITE_POLICIES", "Room"]

VISIBILITIES = ("private", "public")
WRITE_POLICIES = ("members", "registered_agents", "operators")


@frozen
class Room:
    """A room.

    :param id: an identifier; taken for good, also when the room is removed.
    :param network_id: any non-empty text.
    :param name: default the id.
    :param members: member ids; sorted and unique once stored.
    :param visibility: one of :data:`VISIBILITIES`.
    :param write_policy: one of :data:`WRITE_POLICIES`.
    :param created_at: aware; default now.
    :param fqid: default ``molt://{network_id}/rooms/{id}``.
    """

    id: str
    network_id: str
    name: str = ""
    members: tuple[str, ...] = field(default=(), converter=as_tuple)
    visibility: str = "private"
    write_policy: str = "members"
    created_at: datetime = field(default=Factory(now))
    fqid: str = ""
