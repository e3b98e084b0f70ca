"""The application: its routes, and a store that is open as long as it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from moltnet_chat import events, messages, rooms
from moltnet_chat.failures import failed
from moltnet_chat.stopping import Streams, told_to_stop
from moltnet_core import MoltnetError, open_async_store

__all__ = ["app", "make_app"]


async def health(request: Request) -> Response:
    """200 while the store answers; else what :func:`failed` says."""
    await request.state.store.ping()
    return JSONResponse({"backend": request.state.store.backend.name})


def make_app(location: str | None = None) -> Starlette:
    """The service on the store that a URL names, or else the environment."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        """Opens the store before the first request, and closes it after the last."""
        streams = Streams()
        async with open_async_store(location) as store:
            with told_to_stop(streams.end):
                yield {"store": store, "streams": streams}

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/rooms", rooms.create_room, methods=["POST"]),
            Route("/rooms", rooms.list_rooms, methods=["GET"]),
            Route("/rooms/{room_id}/messages", messages.list_messages, methods=["GET"]),
            Route("/rooms/{room_id}/messages/{message_id}", messages.put_message, methods=["PUT"]),
            Route("/rooms/{room_id}/events", events.follow, methods=["GET"]),
        ],
        lifespan=lifespan,
        exception_handlers={MoltnetError: failed},
    )


app = make_app()
