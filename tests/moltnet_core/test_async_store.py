"""What is particular to ``AsyncStore``: the loop, threads, closing and forking. What a store does, clauses judge."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from tests.backends import BACKENDS, LOCATIONS

from moltnet_conformance.building import dm, fill, message, room
from moltnet_core import (
    AsyncStore,
    BackendNotFoundError,
    DuplicateMessageError,
    InvalidCursorError,
    MigrationRequiredError,
    Store,
    StoreBusyError,
    StoreClosedError,
    UnsupportedCapabilityError,
    ValidationError,
    hookimpl,
    open_async_store,
    open_store,
)
from moltnet_core._async_items import AsyncItems


def threads_of_stores() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("moltnet-")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    assert threads_of_stores() == []
    yield
    assert threads_of_stores() == []


class Watcher:
    """Counts the hundredths of a second in which the loop was free."""

    def __init__(self) -> None:
        self.ticks = 0

    async def __aenter__(self) -> Watcher:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            self.ticks += 1


class Heard:
    """Notes in which threads, and with which context, observers are called."""

    def __init__(self) -> None:
        self.appended: list[tuple[threading.Thread, str]] = []
        self.others: list[threading.Thread] = []
        self.gate: threading.Event | None = None

    @hookimpl
    def moltnet_store_opened(self) -> None:
        self.others.append(threading.current_thread())

    @hookimpl
    def moltnet_store_closing(self, store: Store) -> None:
        store.ping()
        self.others.append(threading.current_thread())

    @hookimpl
    def moltnet_message_appended(self) -> None:
        if self.gate is not None:
            assert self.gate.wait(30)
        self.appended.append((threading.current_thread(), WHO.get()))


WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


# -- the loop ----------------------------------------------------------------------------------------


def test_the_loop_goes_on_while_a_call_waits_for_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def main() -> None:
        async with open_async_store(f"sqlite:///{path}", environ={}) as store, Watcher() as watcher:
            await store.create_room(room())
            with locked(path):
                waiting = asyncio.create_task(store.append_message(message("late")))
                await asyncio.sleep(1)
                assert not waiting.done()
                assert watcher.ticks > 30  # of a hundred, were the machine idle
                assert (await store.counts()).messages == 0  # readers go on too
            await waiting
            assert (await store.counts()).messages == 1

    asyncio.run(main())


class locked:  # noqa: N801 - reads as a function
    """Another program's write lock."""

    def __init__(self, path: Path) -> None:
        import pysqlite3

        self._connection = pysqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


def test_calls_and_observers_run_in_threads_with_the_caller_s_context() -> None:
    heard = Heard()

    async def main() -> None:
        async with open_async_store("memory://", plugins=[heard], environ={}) as store:
            await store.create_room(room())

            async def append(who: str) -> None:
                WHO.set(who)
                await store.append_message(message(who))

            await asyncio.gather(append("bob"), append("eve"), append("zoe"))
            WHO.set("ann")
            await store.append_message(message("ann"))
            found = await store.run_sync(lambda beneath, given: (beneath.counts().messages, WHO.get(), given), 7)
            assert found == (4, "ann", 7)

    asyncio.run(main())
    assert sorted(who for _, who in heard.appended) == ["ann", "bob", "eve", "zoe"]
    assert len(heard.others) == 2
    assert threading.main_thread() not in [*heard.others, *(thread for thread, _ in heard.appended)]


def test_two_loops_in_turn_and_two_at_once() -> None:
    async def opened() -> AsyncStore:
        store = await open_async_store("memory://", environ={})
        await store.create_room(room())
        return store

    async def append(store: AsyncStore, who: str) -> None:
        await asyncio.gather(*(store.append_message(message(f"{who}{number}")) for number in range(50)))

    store = asyncio.run(opened())
    asyncio.run(append(store, "a"))
    loops = [threading.Thread(target=lambda who=who: asyncio.run(append(store, who))) for who in "bc"]
    for each in loops:
        each.start()
    for each in loops:
        each.join()
    assert asyncio.run(store.counts()).messages == 150
    asyncio.run(store.close())


def test_without_a_loop_nothing_is_begun() -> None:
    async def main() -> AsyncStore:
        return await open_async_store("memory://", environ={})

    store = asyncio.run(main())
    call = store.create_room(room())
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)
    assert asyncio.run(store.get_room("general")) is None
    asyncio.run(store.close())


# -- threads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thousand_appends_at_once_share_a_few_threads(tmp_path: Path, backend: str) -> None:
    async def main() -> None:
        async with open_async_store(LOCATIONS[backend](tmp_path / "store"), environ={}) as store:
            await store.create_room(room())
            count = 1000 if backend != "json" else 100  # each is a new file there
            results = await asyncio.gather(*(store.append_message(message(f"m{number}")) for number in range(count)))
            assert [each.message.id for each in results] == [f"m{number}" for number in range(count)]
            most = {"memory": 8, "postgres": 10}.get(backend, 16)
            assert 1 < len(threads_of_stores()) <= most + 1  # a watchdog too, or who writes for those that wait
            assert (await store.counts()).messages == count
            assert len([each async for each in store.room_messages("general")]) == count

    asyncio.run(main())


def test_how_many_threads_there_are_is_the_backend_s_to_say_or_the_caller_s(tmp_path: Path) -> None:
    async def main(location: str, expected: int, **options: Any) -> None:
        async with open_async_store(location, environ={}, **options) as store:
            together, at_once, most = threading.Barrier(expected), 0, 0

            def enter(_: Store) -> None:
                nonlocal at_once, most
                at_once += 1
                most = max(most, at_once)
                together.wait(30)  # as many as are expected, or it breaks
                at_once -= 1

            await asyncio.gather(*(store.run_sync(enter) for _ in range(3 * expected)))
            assert most == expected

    asyncio.run(main("memory://", 8))
    asyncio.run(main("memory://", 1, threads=1))
    asyncio.run(main("memory://", 20, threads=20))
    asyncio.run(main(LOCATIONS["postgres"](tmp_path) + "&pool_size=3", 3))


@pytest.mark.parametrize("threads", [0, -1, 1001, "5", 2.0, True])
def test_a_wrong_number_of_threads_is_refused_at_once(tmp_path: Path, threads: Any) -> None:
    with pytest.raises(ValidationError, match="threads"):
        open_async_store(f"sqlite:///{tmp_path}/x.db", threads=threads)
    with open_store("memory://", environ={}) as store, pytest.raises(ValidationError, match="threads"):
        AsyncStore(store, threads=threads)
    assert list(tmp_path.iterdir()) == []


# -- opening and closing -----------------------------------------------------------------------------


def test_opening_fails_as_it_does_without_a_loop(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(BackendNotFoundError):
            await open_async_store("nothing://", environ={})
        with pytest.raises(UnsupportedCapabilityError):
            async with open_async_store("memory://", read_only=True, environ={}):
                pass
        async with open_async_store(f"sqlite:///{tmp_path}/x.db", migrate="later", environ={}) as store:
            assert store.needs_migration
            with pytest.raises(MigrationRequiredError):
                await store.create_room(room())
            assert len(await store.migrate()) > 0
            await store.create_room(room())

    asyncio.run(main())


def test_closing_waits_for_calls_and_stops_later_ones() -> None:
    heard = Heard()
    heard.gate = threading.Event()

    async def main() -> None:
        store = await open_async_store("memory://", plugins=[heard], environ={})
        await store.create_room(room())
        begun = [asyncio.create_task(store.append_message(message(f"m{number}"))) for number in range(30)]
        await asyncio.sleep(0)  # each task has made its call
        closing = [asyncio.create_task(store.close()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(StoreClosedError) as caught:
            await store.append_message(message("late"))
        assert caught.value.committed is False
        with pytest.raises(StoreClosedError):
            await anext(store.rooms())
        closing[0].cancel()
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in [*closing, *begun])
        assert heard.gate is not None
        heard.gate.set()
        results = await asyncio.gather(*begun)
        assert [each.message.id for each in results] == [f"m{number}" for number in range(30)]
        await closing[1]
        assert threads_of_stores() == []
        with pytest.raises(asyncio.CancelledError):
            await closing[0]
        await store.close()
        assert "closed" in repr(store)
        assert store.capabilities == store.backend.capabilities

    asyncio.run(main())
    assert len(heard.appended) == 30


@pytest.mark.parametrize("backend", BACKENDS)
def test_closing_under_load(tmp_path: Path, backend: str) -> None:
    location = LOCATIONS[backend](tmp_path / "store")
    appended: list[str] = []

    async def main() -> None:
        store = await open_async_store(location, environ={})
        await store.create_room(room())
        enough = asyncio.Event()

        async def append(who: int) -> None:
            for number in range(100_000):
                result = await store.append_message(message(f"{who}-{number}"))
                appended.append(result.message.id)
                if len(appended) == 40:
                    enough.set()

        async def close() -> None:
            await enough.wait()
            await store.close()

        ends = await asyncio.gather(*(append(who) for who in range(20)), close(), return_exceptions=True)
        assert ends.pop() is None
        assert {type(each) for each in ends} == {StoreClosedError}

    asyncio.run(main())
    if backend != "memory":
        with open_store(location, environ={}) as store:
            assert sorted(each.id for each in store.room_messages("general")) == sorted(appended)


def test_a_snapshot_may_outlast_its_store_but_not_its_block(tmp_path: Path) -> None:
    async def main() -> None:
        store = await open_async_store(f"sqlite:///{tmp_path}/x.db", environ={})
        await store.run_sync(fill)
        async with store.snapshot() as snapshot:
            assert [each.id for each in await snapshot.scan("room")] == ["general", "gone", "other"]
            records = snapshot.records()
            assert [(await anext(records)).id for _ in range(4)] == ["general", "gone", "other", "ann"]
        for late in (snapshot.scan("room"), anext(snapshot.records())):
            with pytest.raises(StoreClosedError, match="block"):
                await late
        with pytest.raises(InvalidCursorError):
            async with store.snapshot() as snapshot:
                await snapshot.scan("message", after="nothing")
        async with store.snapshot() as snapshot:
            await store.close()
            with pytest.raises(StoreClosedError):
                await snapshot.scan("room")

    asyncio.run(main())


def test_iterating_goes_on_after_a_break_and_refuses_two_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_async_store("memory://", environ={}) as store:
            await store.create_room(room())
            await store.append_messages([message(f"m{number}", second=number) for number in range(9)])
            walk = store.room_messages("general", page_size=3)
            found = []
            async for each in walk:
                found.append(each.id)
                if len(found) == 4:
                    break
            found += [each.id async for each in walk]
            assert found == [f"m{number}" for number in range(9)]
            assert [each async for each in walk] == []
            back = [each.id async for each in store.room_messages("general", page_size=2, reverse=True)]
            assert back == found[::-1]
            gate = threading.Event()
            gated = AsyncItems(store._workers, (gate.wait(60) for _ in range(1)), 1)
            first = asyncio.ensure_future(anext(gated))
            await asyncio.sleep(0)  # it waits for the gate
            with pytest.raises(RuntimeError):
                await anext(gated)
            gate.set()
            assert await first is True

    asyncio.run(main())


# -- errors ------------------------------------------------------------------------------------------


def test_errors_are_the_store_s_own_with_their_traceback(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_async_store(f"sqlite:///{tmp_path}/x.db?busy_timeout=0.05", environ={}) as store:
            await store.create_room(room())
            await store.append_message(message("m1"))
            with pytest.raises(DuplicateMessageError) as duplicate:
                await store.append_message(message("m1"))
            assert duplicate.value.committed is False
            assert [each.identical for each in duplicate.value.duplicates] == [True]
            names = [frame.name for frame in traceback.extract_tb(duplicate.value.__traceback__)]
            assert "main" in names
            assert "resolve_duplicates" in names
            with locked(tmp_path / "x.db"), pytest.raises(StoreBusyError) as busy:
                await store.append_message(message("m2", dm()))
            assert busy.value.committed is False
            walk = store.room_messages("general", cursor="nothing")
            with pytest.raises(InvalidCursorError):
                await anext(walk)

    asyncio.run(main())


# -- forking -----------------------------------------------------------------------------------------

FORK = """
import asyncio, os, sys, threading
from moltnet_core import StoreBusyError, StoreClosedError, open_async_store
from moltnet_conformance.building import message, room

async def child(store):
    try:
        await store.append_message(message("from-child", second=9))
        await store.close()
    except (StoreBusyError, StoreClosedError):
        return 1
    return 0

async def main():
    async with open_async_store(sys.argv[1], environ={}) as store:
        await store.create_room(room())
        await asyncio.gather(*(store.append_message(message(f"m{number}")) for number in range(20)))
        process = os.fork()
        if not process:
            code = 9
            try:
                threads = len(os.listdir("/proc/self/task"))
                code = asyncio.run(child(store)) if threads == 1 else 8
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        await store.append_message(message("from-parent", second=10))
        there = await store.get_message("from-child") is not None
    assert there == (code == 0), (there, code)
    print(code)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.parametrize("backend", BACKENDS)
def test_after_a_fork_the_child_has_threads_of_its_own_or_is_told_so(tmp_path: Path, backend: str) -> None:
    command = [sys.executable, "-W", "error", "-c", FORK, LOCATIONS[backend](tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ("0" if backend in ("postgres", "sqlite") else "1")


def test_a_forgotten_store_does_not_keep_the_interpreter_from_ending() -> None:
    script = """
import asyncio
from moltnet_core import open_async_store

async def main():
    store = await open_async_store("memory://", environ={})
    await store.counts()

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], timeout=60, check=True)
