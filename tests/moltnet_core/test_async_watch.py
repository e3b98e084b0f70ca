"""Watches on an event loop: many at once, cancelled, closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest

from moltnet_core import (
    START,
    Actor,
    AsyncStore,
    InvalidCursorError,
    Message,
    Part,
    Room,
    StoreClosedError,
    StoreUnavailableError,
    Target,
    UnsupportedCapabilityError,
    open_async_store,
)
from moltnet_core.backend import Backend
from moltnet_core.feeds import FeedPage
from moltnet_core.plugins import hookimpl
from moltnet_memory.plugin import BACKEND

T = TypeVar("T")
PATIENCE = 30  # seconds that a test may take


def said(own_id: str) -> Message:
    return Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", own_id)], id=own_id)


@asynccontextmanager
async def opened(url: str = "memory://", **options: Any) -> AsyncIterator[AsyncStore]:
    async with open_async_store(url, environ={}, **options) as store:
        await store.create_room(Room("general", "local"))
        yield store


def on_loop(call: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        async with asyncio.timeout(PATIENCE):
            return await call()

    return asyncio.run(main())


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_a_hundred_watches_take_no_thread_of_the_store(backend: str, tmp_path: Path) -> None:
    url = "memory://" if backend == "memory" else f"sqlite:///{tmp_path}/chat.db"

    async def follow(store: AsyncStore, begun: asyncio.Semaphore) -> list[str]:
        found: list[str] = []
        async with store.watch() as watch:
            begun.release()
            async for message in watch:
                found.append(message.id)
                if len(found) == 3:
                    break
        return found

    async def main() -> None:
        async with opened(url, threads=2) as store:
            begun = asyncio.Semaphore(0)
            tasks = [asyncio.create_task(follow(store, begun)) for _ in range(100)]
            for _ in tasks:
                await begun.acquire()
            threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("moltnet-")]
            assert len(threads) <= 3
            for number in range(3):
                await store.append_message(said(f"m{number}"))  # would wait for ever, were the threads taken
            assert await asyncio.gather(*tasks) == [["m0", "m1", "m2"]] * 100

    on_loop(main)
    assert [thread for thread in threading.enumerate() if thread.name == "moltnet-watch"] == []


def test_a_task_that_is_cancelled_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, may_read = threading.Event(), threading.Event()

    async def main() -> None:
        async with opened() as store, store.watch() as watch:
            real = store._store._read_feed

            def read(*arguments: Any) -> FeedPage:
                page = real(*arguments)
                reads.set()
                assert may_read.wait(PATIENCE)
                return page

            begun = await watch._begun()
            monkeypatch.setattr(begun, "_read", read)
            await store.append_messages([said("m1"), said("m2")])
            waiting = asyncio.create_task(anext(watch))
            await asyncio.to_thread(reads.wait, PATIENCE)
            waiting.cancel()  # in the middle of the read that has them
            with pytest.raises(asyncio.CancelledError):
                await waiting
            may_read.set()
            assert (await anext(watch)).id == "m1"
            assert (await anext(watch)).id == "m2"
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.005):
                        await anext(watch)
            await store.append_message(said("m3"))
            assert (await anext(watch)).id == "m3"

    on_loop(main)


def test_one_task_at_a_time() -> None:
    async def main() -> None:
        async with opened() as store, store.watch() as watch:
            waiting = asyncio.create_task(anext(watch))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task"):
                await anext(watch)
            await store.append_message(said("m1"))
            assert (await waiting).id == "m1"

    on_loop(main)


def test_a_watch_and_a_store_that_are_closed_meanwhile() -> None:
    async def main() -> None:
        async with opened() as store:
            watch, other = store.watch(), store.watch()
            ended = asyncio.create_task(collected(watch))
            failed = asyncio.create_task(collected(other))
            await store.ping()  # by now they wait, most likely
            await watch.close()
            assert await ended == []
            await store.close()
            with pytest.raises(StoreClosedError):
                await failed
            with pytest.raises(StoreClosedError):
                await anext(store.watch())

    on_loop(main)


async def collected(watch: AsyncIterator[Message]) -> list[str]:
    return [message.id async for message in watch]


def test_from_now_on_is_from_the_block_on() -> None:
    async def main() -> None:
        async with opened() as store:
            await store.append_message(said("m1"))
            async with store.watch(timeout=0) as watch:
                assert watch.token == "m1"
                await store.append_message(said("m2"))
                assert await collected(watch) == ["m2"]
                await store.append_message(said("m3"))
                assert await collected(watch) == ["m3"]
            assert await collected(store.watch(after="m1", timeout=0.01)) == ["m2", "m3"]
            assert store.watch(after=START).token == START
            unbegun = store.watch(after="m2")
            assert unbegun.token == "m2"

    on_loop(main)


def test_what_is_wrong_with_where_it_begins_is_said_when_it_begins() -> None:
    async def main() -> None:
        async with opened() as store:
            watch = store.watch(after="nosuch")
            for _ in range(2):
                with pytest.raises(InvalidCursorError):
                    await anext(watch)

    on_loop(main)


class Unable:
    """Memory, without the power."""

    @hookimpl
    def moltnet_register_backend(self) -> Backend:
        return attrs.evolve(BACKEND, name="unable", powers=())


def test_a_backend_that_cannot_watch() -> None:
    async def main() -> None:
        async with opened("unable://", plugins=[Unable()]) as store:
            with pytest.raises(UnsupportedCapabilityError):
                async with store.watch():
                    pass

    on_loop(main)


def test_it_bears_with_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with opened() as store, store.watch(patience=5) as watch:
            begun = await watch._begun()
            real, left = begun._read, [3]

            def read(*arguments: Any) -> FeedPage:
                if left[0]:
                    left[0] -= 1
                    raise StoreUnavailableError("the server is gone")
                return real(*arguments)

            monkeypatch.setattr(begun, "_read", read)
            await store.append_message(said("m1"))
            assert (await anext(watch)).id == "m1"

    monkeypatch.setattr("moltnet_core._follower._PAUSES", (0.001, 0.002))
    on_loop(main)


def test_one_watch_in_several_loops() -> None:
    store = asyncio.run(_open())
    watch = store.watch(timeout=0.01)
    assert on_loop(lambda: collected(watch)) == []
    on_loop(lambda: store.append_message(said("m1")))
    assert on_loop(lambda: collected(watch)) == ["m1"]
    on_loop(store.close)


async def _open() -> AsyncStore:
    store = await open_async_store("memory://", environ={})
    await store.create_room(Room("general", "local"))
    return store
