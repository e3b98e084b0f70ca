"""``AsyncWatch``: new messages one by one, without blocking the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from moltnet_core._bell import Bell
from moltnet_core._follower import Follower
from moltnet_core._workers import Workers, until_done
from moltnet_core.types import Message, Start

if TYPE_CHECKING:
    import asyncio

__all__ = ["AsyncWatch"]


class AsyncWatch(AsyncIterator[Message]):
    """New messages, in the order of their commits: ``async for message in store.watch(): …``.

    :meth:`AsyncStore.watch <moltnet_core.async_store.AsyncStore.watch>` makes one. It is as
    :class:`~moltnet_core.watch.Watch`, but that one task at a time waits for a message. While it waits it takes none of
    the store's threads, so there may be any number of watches. A task that is cancelled meanwhile loses nothing: the
    watch goes on where it was.

    Where to begin is looked up by a thread. ``async with`` waits for that, so that what is appended inside comes.
    """

    def __init__(self, workers: Workers, bell: Bell, begin: Callable[[], Follower], after: str | Start | None) -> None:
        self._after = after
        self._workers = workers
        self._bell = bell
        self._beginning = workers.submit(begin)
        self._reading: Future[float | None] | None = None
        self._is_awaited = False
        self._rung = False
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        self._closed = False
        bell.enter(self)

    @property
    def token(self) -> str | Start:
        """See :attr:`Watch.token <moltnet_core.watch.Watch.token>`.

        :raises RuntimeError: the watch is to begin at the end, and has not begun; ``async with`` waits for that.
        """
        if self._beginning.done():
            return self._beginning.result().token
        if self._after is None:
            raise RuntimeError("the watch has not begun yet, so nobody knows behind which message; use async with")
        return self._after

    async def __aenter__(self) -> AsyncWatch:
        await self._begun()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncWatch:
        return self

    async def __anext__(self) -> Message:
        """See :meth:`Watch.__next__ <moltnet_core.watch.Watch.__next__>`."""
        if self._is_awaited:
            raise RuntimeError("another task is waiting for the next message of this watch")
        self._is_awaited = True
        try:
            return await self._next()
        finally:
            self._is_awaited = False

    async def _begun(self) -> Follower:
        await until_done(self._beginning)
        return self._beginning.result()

    async def _next(self) -> Message:
        import asyncio

        follower = await self._begun()
        timeout = follower.options.timeout
        clock = asyncio.get_running_loop().time
        until = None if timeout is None else clock() + timeout
        while not self._closed:
            if self._reading is None:
                if follower.is_ready:
                    return follower.take()
                self._rung = False
                self._reading = self._workers.submit(follower.step)
            await until_done(self._reading)  # that of a task that was cancelled, perhaps
            reading, self._reading = self._reading, None
            pause = reading.result()
            if pause != 0:
                left = None if until is None else until - clock()
                if left is not None and left <= 0:
                    if follower.failure is not None:
                        raise follower.failure
                    break
                await self._wait(min((each for each in (pause, left) if each is not None), default=None))
        raise StopAsyncIteration

    async def _wait(self, seconds: float | None) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiter = loop, waiter
        alarm = None if seconds is None else loop.call_later(seconds, _wake, waiter)
        self._bell.listen()
        try:
            if not self._rung and not self._closed:
                await waiter
        finally:
            self._waiter = None
            if alarm is not None:
                alarm.cancel()

    def notify(self) -> None:
        """See :meth:`Watch.notify <moltnet_core.watch.Watch.notify>`."""
        self._rung = True
        waiting = self._waiter
        if waiting is not None:
            loop, waiter = waiting
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_wake, waiter)

    async def close(self) -> None:
        """See :meth:`Watch.close <moltnet_core.watch.Watch.close>`."""
        self._closed = True
        self.notify()
        self._bell.leave(self)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
