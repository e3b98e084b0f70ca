"""Rooms: create one, list those that the agent may see."""

from __future__ import annotations

import os

from attrs import evolve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moltnet_chat.asking import asking_agent, may_read
from moltnet_chat.bodies import json_body
from moltnet_core import Room, from_json, to_json

__all__ = ["create_room", "list_rooms"]


async def create_room(request: Request) -> Response:
    """``POST /rooms`` with ``id``, and what else a room has; whoever creates it is a member."""
    agent = await asking_agent(request)
    body = await json_body(request)
    wanted = {name: body[name] for name in ("id", "name", "members", "visibility", "write_policy") if name in body}
    network = os.environ.get("MOLTNET_NETWORK_ID", "local")
    room = from_json(Room, wanted | {"network_id": network})
    created = await request.state.store.create_room(evolve(room, members=[*room.members, agent.agent_id]))
    return JSONResponse(to_json(created), 201)


async def list_rooms(request: Request) -> Response:
    """``GET /rooms``: all of them, so for a network with thousands of rooms it should be paged too."""
    agent = await asking_agent(request)
    return JSONResponse([to_json(room) async for room in request.state.store.rooms() if may_read(room, agent)])
