"""Following: new messages of a room as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from moltnet_chat.asking import asking_agent, readable_room
from moltnet_chat.stopping import Streams
from moltnet_core import START, AsyncWatch, to_json
from moltnet_core.serialization import dumps

__all__ = ["follow"]

QUIET: Final = 15.0
"""Seconds without a message after which a comment shows that the connection still stands."""


async def follow(request: Request) -> Response:
    """``GET /rooms/{room_id}/events``: what is appended from now on, or after the message that the client saw last.

    ``after=`` without an id begins with the first message. An event's id is its message's. A browser sends it along
    when it connects again, as ``Last-Event-ID``.
    """
    agent = await asking_agent(request)
    room = await readable_room(request, agent)
    after = request.headers.get("last-event-id") or request.query_params.get("after")
    watch = request.state.store.watch(room_id=room.id, after=START if after == "" else after, timeout=QUIET)
    await watch.__aenter__()  # an unknown id is refused before the answer begins
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # no proxy may hold events back
    return StreamingResponse(events(watch, request.state.streams), media_type="text/event-stream", headers=headers)


async def events(watch: AsyncWatch, streams: Streams) -> AsyncIterator[str]:
    """The messages as events, until the client is gone. JSON is one line, so an event needs no more than one."""
    async with watch:
        with streams.holding(watch):
            yield ": following\n\n"
            while not streams.ended:
                async for message in watch:
                    yield f"id: {message.id}\ndata: {dumps(to_json(message))}\n\n"
                yield ": quiet\n\n"
