"""``open_async_store``: as ``open_store``, without blocking the event loop."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Any, Literal

from moltnet_core._workers import alone
from moltnet_core.async_store import AsyncStore, check_threads
from moltnet_core.config import StorageConfig
from moltnet_core.opening import open_store
from moltnet_core.store import Store

__all__ = ["Opening", "open_async_store"]


def open_async_store(
    location: str | StorageConfig | None = None,
    *,
    migrate: bool | Literal["later"] = True,
    read_only: bool = False,
    plugins: Iterable[object] = (),
    config_file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    slow_call: float | None = None,
    threads: int | None = None,
) -> Opening:
    """Open a store for an event loop, which goes on meanwhile.

    .. code-block:: python

        async with open_async_store("sqlite:///chat.db") as store:
            ...

        store = await open_async_store("sqlite:///chat.db")  # to be closed: await store.close()

    Who is cancelled while the store opens leaves no store open.

    :param threads: how many calls are made at a time, 1 to 1000; further ones wait for their turn. Without it as many
        as the backend has a use for (``Driver.concurrency``): on PostgreSQL its ``pool_size``.
    :raises ValidationError: an argument is wrong.
    :raises: and all else as :func:`~moltnet_core.opening.open_store`, which explains the other arguments.
    """
    check_threads(threads)
    return Opening(
        partial(
            open_store,
            location,
            migrate=migrate,
            read_only=read_only,
            plugins=plugins,
            config_file=config_file,
            environ=environ,
            slow_call=slow_call,
        ),
        threads,
    )


class Opening(Awaitable[AsyncStore], AbstractAsyncContextManager[AsyncStore]):
    """What :func:`open_async_store` gives: to be awaited, or entered with ``async with``."""

    def __init__(self, call: Callable[[], Store], threads: int | None) -> None:
        self._call = call
        self._threads = threads
        self._opened: AsyncStore | None = None

    def __await__(self) -> Generator[Any, None, AsyncStore]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncStore:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def _open(self) -> AsyncStore:
        import asyncio

        made: list[Store] = []
        try:
            await alone("moltnet-opening", lambda: made.append(self._call()))
        except asyncio.CancelledError:
            if made:
                await alone("moltnet-closing", made[0].close)
            raise
        return AsyncStore(made[0], threads=self._threads)
