"""Ids: the pattern they follow, member ids, and full ids (``molt://…``)."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "IDENTIFIER",
    "MEMBER_ID",
    "MOLT_SCHEME",
    "artifact_id",
    "full_id",
    "is_identifier",
    "is_member_id",
    "member_network",
    "scoped_member_id",
]

MOLT_SCHEME: Final = "molt://"
IDENTIFIER: Final = "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
MEMBER_ID: Final = f"{IDENTIFIER}, network:agent, or molt://network/agents/agent"

_identifier = re.compile(IDENTIFIER, re.ASCII)
_agent_uri = re.compile(rf"molt://([^/]+)/agents/({IDENTIFIER})", re.ASCII)


def is_identifier(text: str) -> bool:
    """Whether the whole text is an identifier: 1 to 128 characters of the pattern."""
    return _identifier.fullmatch(text) is not None


def is_member_id(text: str) -> bool:
    """Whether the text is an identifier, ``network:agent``, or ``molt://network/agents/agent``."""
    if text.startswith(MOLT_SCHEME):
        return _agent_uri.fullmatch(text) is not None
    network, colon, agent = text.partition(":")
    if not colon:
        return is_identifier(text)
    return is_identifier(network) and is_identifier(agent)


def member_network(member_id: str) -> tuple[str, str] | None:
    """The network and the agent that a scoped member id names, or ``None`` for a plain one."""
    match = _agent_uri.fullmatch(member_id)
    if match is not None:
        return match[1], match[2]
    network, colon, agent = member_id.partition(":")
    return (network, agent) if colon and network and agent and not agent.startswith("//") else None


def scoped_member_id(member_id: str, network_id: str, home_network_id: str) -> str:
    """A member id as it is written in another network: ``network:agent`` unless it is at home or scoped already."""
    if network_id == home_network_id or member_network(member_id) is not None:
        return member_id
    return f"{network_id}:{member_id}"


def full_id(network_id: str, collection: str, local_id: str) -> str:
    """The full id of something in a network.

    :param collection: ``rooms``, ``threads``, ``dms``, ``agents`` or ``artifacts``.
    """
    return f"{MOLT_SCHEME}{network_id}/{collection}/{local_id}"


def artifact_id(message_id: str, part_index: int) -> str:
    """The id of the artifact in a message's part."""
    return f"art_{message_id}_{part_index}"
