"""Who is asking, and what they may see and write. The store keeps the rules; to apply them is the service's part."""

from __future__ import annotations

from hashlib import sha256

from starlette.exceptions import HTTPException
from starlette.requests import Request

from moltnet_core import AgentRegistration, Room, RoomNotFoundError

__all__ = ["asking_agent", "may_read", "may_write", "readable_room"]


async def asking_agent(request: Request) -> AgentRegistration:
    """The agent whose token the request carries, registered in the form that Moltnet's server uses too.

    :raises HTTPException: 401, there is no token, or nobody has it.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        key = f"agent-token:{sha256(token.strip().encode()).hexdigest()}"
        agent: AgentRegistration | None = await request.state.store.get_agent_by_credential(key)
        if agent is not None:
            return agent
    raise HTTPException(401, "expected the token of a registered agent", {"WWW-Authenticate": "Bearer"})


async def readable_room(request: Request, agent: AgentRegistration) -> Room:
    """The room that the path names.

    :raises RoomNotFoundError: there is none, or none that the agent may know of.
    """
    room_id = request.path_params["room_id"]
    room: Room | None = await request.state.store.get_room(room_id)
    if room is None or not may_read(room, agent):
        raise RoomNotFoundError(room_id)
    return room


def may_read(room: Room, agent: AgentRegistration) -> bool:
    """Members may, and everybody a public room."""
    return room.visibility == "public" or agent.agent_id in room.members


def may_write(room: Room, agent: AgentRegistration) -> bool:
    """Members may, unless only operators do; and every registered agent, where the room says so."""
    return room.write_policy == "registered_agents" or (
        room.write_policy == "members" and agent.agent_id in room.members
    )
