"""Agents: as registered, and as members of rooms."""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, field, frozen

from moltnet_core.timestamps import now
from moltnet_core.types._fields import as_tuple, blank_to_none

__all__ = ["AgentRegistration", "AgentSummary"]


@frozen
class AgentSummary:
    """A member of rooms, registered or not.

    :param id: the member id as stored.
    :param network_id: of the id where it names one, else of its first room.
    :param rooms: ids of the rooms it is a member of, sorted.
    """

    id: str
    network_id: str
    fqid: str
    rooms: tuple[str, ...] = field(default=(), converter=as_tuple)


@frozen
class AgentRegistration:
    """An agent's durable identity.

    :param agent_id: a member id.
    :param credential_key: the secret that proves who may update the registration, at most 1 KiB. It is
        kept out of ``repr``, logs, errors and JSON.
    :param display_name: a name for people.
    :param actor_uid: default ``actor_`` and a random UUID.
    :param actor_uri: default ``molt://{network_id}/agents/{agent_id}``.
    """

    agent_id: str
    network_id: str
    credential_key: str = field(repr=False)
    display_name: str | None = field(default=None, converter=blank_to_none)
    actor_uid: str = ""
    actor_uri: str = ""
    created_at: datetime = field(default=Factory(now))
    updated_at: datetime = field(default=Factory(now))
