"""A store for clauses, which are synchronous, before an asynchronous one: each call is made on a loop in a thread."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar, cast

from moltnet_conformance import Harness
from moltnet_core import AsyncStore, AsyncWatch, Message, MoltnetError, Store, open_async_store

_PATIENCE = 100  # seconds that a call may take

T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own. No callback may hold it up."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What a coroutine comes to."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)

    def close(self) -> None:
        """End it; nothing may be left to do."""
        assert self.run(_others()) == []
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _others() -> list[Any]:
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


class Bridge:
    """Has what an :class:`AsyncStore` has, name for name, and blocks."""

    def __init__(self, store: AsyncStore, loop: Loop) -> None:
        self._async = store
        self._loop = loop
        self.driver = store._store.driver  # clauses look at its class

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._async, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            made = found(*arguments, **options)
            return self._loop.run(made) if inspect.iscoroutine(made) else self._each(made)

        return call

    def __repr__(self) -> str:
        return repr(self._async)

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(items, None)

        while (item := self._loop.run(following())) is not None:
            yield item

    def watch(self, **options: Any) -> Any:
        watch = self._async.watch(**options)
        try:
            self._loop.run(watch.__aenter__())
        except MoltnetError:
            self._loop.run(watch.close())
            raise
        return BridgedWatch(self._loop, watch)

    @contextmanager
    def snapshot(self) -> Iterator[Any]:
        context = self._async.snapshot()

        async def enter() -> Any:
            return await context.__aenter__()

        async def leave() -> None:
            await context.__aexit__(None, None, None)

        inner = self._loop.run(enter())
        try:
            yield BridgedSnapshot(self, inner)
        finally:
            self._loop.run(leave())


class BridgedWatch:
    """A watch of a :class:`Bridge`."""

    def __init__(self, loop: Loop, watch: AsyncWatch) -> None:
        self._loop = loop
        self._watch = watch

    @property
    def token(self) -> Any:
        return self._watch.token

    def __enter__(self) -> BridgedWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> BridgedWatch:
        return self

    def __next__(self) -> Message:
        async def following() -> Message | None:
            return await anext(self._watch, None)

        found = self._loop.run(following())
        if found is None:
            raise StopIteration
        return found

    def close(self) -> None:
        self._loop.run(self._watch.close())


class BridgedSnapshot:
    """A snapshot of a :class:`Bridge`."""

    def __init__(self, bridge: Bridge, snapshot: Any) -> None:
        self._bridge = bridge
        self._snapshot = snapshot

    def scan(self, *arguments: Any, **options: Any) -> Any:
        return self._bridge._loop.run(self._snapshot.scan(*arguments, **options))

    def records(self, *arguments: Any, **options: Any) -> Any:
        return self._bridge._each(self._snapshot.records(*arguments, **options))


class AsyncHarness(Harness):
    """Opens bridged stores, on the loop that the tests' class keeps."""

    loop: ClassVar[Loop]

    def open(self, location: str, **options: Any) -> Store:
        async def opened() -> AsyncStore:
            return await open_async_store(location, **options)

        return cast("Store", Bridge(self.loop.run(opened()), self.loop))
