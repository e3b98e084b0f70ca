"""Messages: post one, page through them."""

from __future__ import annotations

from attrs import evolve
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moltnet_chat.asking import asking_agent, may_write, readable_room
from moltnet_chat.bodies import json_body
from moltnet_core import (
    START,
    Actor,
    AppendResult,
    AsyncStore,
    DuplicateMessageError,
    Message,
    PageRequest,
    Target,
    ValidationError,
    from_json,
    to_json,
)

__all__ = ["list_messages", "put_message"]


async def put_message(request: Request) -> Response:
    """``PUT /rooms/{room_id}/messages/{message_id}`` with ``parts`` and perhaps ``mentions``.

    The client makes the id. So a request whose answer was lost can be sent again: 201 becomes 200, and the message is
    there once. Another message under the id is refused.
    """
    agent = await asking_agent(request)
    room = await readable_room(request, agent)
    if not may_write(room, agent):
        raise HTTPException(403, "this room does not take your messages")
    body = await json_body(request)
    given = {
        "id": request.path_params["message_id"],
        "network_id": room.network_id,
        "target": to_json(Target.room(room.id)),
        "from": to_json(Actor("agent", agent.agent_id, agent.display_name)),
        "parts": body.get("parts", []),
        "mentions": body.get("mentions", []),
    }
    result = await append_once(request.state.store, from_json(Message, given))
    return JSONResponse(to_json(result.message), 200 if result.replayed else 201)


async def append_once(store: AsyncStore, message: Message) -> AppendResult:
    """Append a message whose time is now, unless it is there already with the time of an earlier attempt.

    :raises DuplicateMessageError: another message has its id.
    """
    try:
        return await store.append_message(message)
    except DuplicateMessageError:
        stored = await store.get_message(message.id)
        if stored is None:
            raise
        return await store.append_message(evolve(message, created_at=stored.created_at), retry=True)


async def list_messages(request: Request) -> Response:
    """``GET /rooms/{room_id}/messages``: the newest, those ``before=ID``, or ``after=ID``; ``after=`` is the start."""
    agent = await asking_agent(request)
    room = await readable_room(request, agent)
    asked = request.query_params
    after = asked.get("after")
    page = PageRequest(
        before=asked.get("before"), after=START if after == "" else after, limit=_limit(asked.get("limit"))
    )
    return JSONResponse(to_json(await request.state.store.list_room_messages(room.id, page)))


def _limit(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        raise ValidationError("limit", "expected a number from 1 to 1000") from None
