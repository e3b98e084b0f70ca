"""From an iterator that blocks to one that does not."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import TypeVar

from moltnet_core._workers import Workers, result

__all__ = ["AsyncItems"]

T = TypeVar("T")


class AsyncItems(AsyncIterator[T]):
    """The items of an iterator that threads read, some at once.

    Whoever is cancelled while waiting for some can go on afterwards: none is lost, and none comes twice. An error comes
    after the items that came before it.
    """

    def __init__(self, workers: Workers, items: Iterator[T], at_once: int) -> None:
        self._workers = workers
        self._items = items
        self._at_once = at_once
        self._ready: deque[T] = deque()
        self._reading: Future[None] | None = None
        self._is_awaited = False
        self._failure: Exception | None = None
        self._ended = False

    async def __anext__(self) -> T:
        while not self._ready:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._ended:
                raise StopAsyncIteration
            await self._more()
        return self._ready.popleft()

    async def _more(self) -> None:
        if self._is_awaited:
            raise RuntimeError("another task is waiting for the next item of this iteration")
        if self._reading is None or self._reading.done():  # else a task was cancelled while it waited for this
            self._reading = self._workers.submit(self._read)
        self._is_awaited = True
        try:
            await result(self._reading)
        finally:
            self._is_awaited = False

    def _read(self) -> None:
        count = 0
        try:
            for item in islice(self._items, self._at_once):
                self._ready.append(item)
                count += 1
        except Exception as error:  # noqa: BLE001 - raised by __anext__, once the items before it are taken
            self._failure = error
        self._ended = count < self._at_once
