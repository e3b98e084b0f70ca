"""Cancelled calls: done or not, never half; the next call works, and no thread, lock or connection is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.backends import LOCATIONS

from moltnet_conformance.building import dm, message, room, thread
from moltnet_core import (
    AsyncStore,
    DuplicateMessageError,
    Message,
    Part,
    Record,
    Store,
    StoreBusyError,
    Target,
    hookimpl,
    open_async_store,
    open_store,
)

FILE = Part("file", filename="f")


class Held:
    """An observer that holds up calls after their commit, until it is told to let them go."""

    def __init__(self) -> None:
        self.committed = threading.Event()
        self.go = threading.Event()

    @hookimpl
    def moltnet_message_appended(self) -> None:
        self.committed.set()
        assert self.go.wait(30)


@asynccontextmanager
async def occupied(store: AsyncStore) -> AsyncIterator[None]:
    """The one thread of a store is busy."""
    entered, go = threading.Event(), threading.Event()

    def hold(_: Store) -> None:
        entered.set()
        assert go.wait(30)

    holding = asyncio.create_task(store.run_sync(hold))
    await asyncio.to_thread(entered.wait, 30)
    try:
        yield
    finally:
        go.set()
        await holding


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_an_append_that_is_cancelled_at_any_moment_is_there_or_not(tmp_path: Path, backend: str) -> None:
    location = LOCATIONS[backend](tmp_path / "store")
    location += ("&" if "?" in location else "?") + ("pool_size=2" if backend == "postgres" else "busy_timeout=30")
    chance = random.Random(20260101)
    targets = [Target.room("general"), thread("t1"), dm("d1")]

    async def main() -> None:
        cancelled = done = 0
        async with open_async_store(location, environ={}, threads=2) as store:
            await store.create_room(room())
            expected: dict[str, bool] = {}
            for number in range(200):
                name = f"m{number}"
                offered = message(name, targets[number % 3], number, parts=[FILE])
                task = asyncio.create_task(store.append_message(offered))
                beside = asyncio.create_task(store.append_message(message(f"b{number}", second=number)))
                asyncio.get_running_loop().call_later(chance.uniform(0, 0.003), task.cancel)
                try:
                    await task
                    expected[name] = True
                    done += 1
                except asyncio.CancelledError as error:
                    cancelled += 1
                    story = getattr(error, "__notes__", [])
                    assert story in ([], ["the store's call had begun: what it writes is written"])
                    expected[name] = bool(story)
                # It is settled: whoever looks now sees what will stay.
                assert (await store.get_message(name) is not None) is expected[name]
                await beside
            there = [each for each, is_there in expected.items() if is_there]
            print(f"{backend}: {done} done, {cancelled} cancelled, of which {len(there) - done} were committed")
            assert done > 0
            assert cancelled > 0
            counts = await store.counts()
            assert (counts.messages, counts.artifacts) == (200 + len(there), len(there))
            for kind, name in ((0, "general"), (1, "t1"), (2, "d1")):
                mine = [each for each in there if int(each[1:]) % 3 == kind]
                if kind == 1:
                    found = await store.get_thread(name)
                    assert found is None or found.message_count == len(mine)
                if kind == 2:
                    conversation = await store.get_dm(name)
                    assert conversation is None or conversation.message_count == len(mine)
            # Nothing is left in use: as many snapshots as there are connections can be had at once.
            async with store.snapshot() as one, store.snapshot() as other:
                assert len(await one.scan("room")) == len(await other.scan("room")) == 1
            replayed = await store.append_message(message("m0", parts=[FILE], second=0), retry=True)
            assert replayed.replayed is expected["m0"]

    asyncio.run(main())


def test_a_write_that_is_cancelled_after_its_commit_tells_so() -> None:
    held = Held()

    async def main() -> None:
        async with open_async_store("memory://", plugins=[held], environ={}) as store:
            await store.create_room(room())
            task = asyncio.create_task(store.append_message(message("m1")))
            await asyncio.to_thread(held.committed.wait, 30)
            for _ in range(3):  # however often
                task.cancel()
                await asyncio.sleep(0)
            assert not task.done()
            held.go.set()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.__notes__ == ["the store's call had begun: what it writes is written"]
            assert await store.get_message("m1") is not None
            assert (await store.append_message(message("m1"), retry=True)).replayed

    asyncio.run(main())


def test_a_write_that_fails_after_it_was_cancelled_tells_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_async_store("memory://", environ={}) as store:
            await store.create_room(room())
            await store.append_message(message("m1"))
            entered, go = threading.Event(), threading.Event()

            def append(beneath: Store) -> None:
                entered.set()
                assert go.wait(30)
                beneath.append_message(message("m1"))

            task = asyncio.create_task(store.run_sync(append))
            await asyncio.to_thread(entered.wait, 30)
            task.cancel()
            await asyncio.sleep(0)
            go.set()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.__notes__ == [
                "the store's call had begun: it failed and wrote nothing (DuplicateMessageError)"
            ]
            assert isinstance(caught.value.__cause__, DuplicateMessageError)

    asyncio.run(main())


def test_a_call_that_is_cancelled_before_it_begins_is_never_made() -> None:
    async def main() -> None:
        async with open_async_store("memory://", environ={}, threads=1) as store:
            await store.create_room(room())
            async with occupied(store):
                tasks = [asyncio.create_task(store.append_message(message(f"m{number}"))) for number in range(5)]
                reading = asyncio.create_task(store.counts())
                await asyncio.sleep(0)
                for each in [*tasks[1:4], reading]:
                    each.cancel()
                ends = await asyncio.gather(*tasks[1:4], reading, return_exceptions=True)
                assert {type(each) for each in ends} == {asyncio.CancelledError}
                assert not any(hasattr(each, "__notes__") for each in ends)
            await asyncio.gather(tasks[0], tasks[4])
            assert [each.id async for each in store.room_messages("general")] == ["m0", "m4"]

    asyncio.run(main())


def test_a_read_that_is_cancelled_is_left_at_once_and_an_iteration_goes_on() -> None:
    async def main() -> None:
        async with open_async_store("memory://", environ={}, threads=1) as store:
            await store.create_room(room())
            await store.append_messages([message(f"m{number}", second=number) for number in range(10)])
            walk = store.room_messages("general", page_size=2)
            found = [(await anext(walk)).id for _ in range(4)]
            async with occupied(store):
                for call in (store.counts(), anext(walk), anext(walk)):
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.02):
                            await call
            found += [each.id async for each in walk]
            assert found == [f"m{number}" for number in range(10)]

    asyncio.run(main())


def test_an_iteration_that_is_cancelled_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)

    async def main() -> None:
        async with open_async_store(f"sqlite:///{tmp_path}/x.db", environ={}) as store:
            await store.create_room(room())
            await store.append_messages([message(f"m{number:03}", second=number) for number in range(300)])
            async with store.snapshot() as snapshot:
                walk: AsyncIterator[Message | Record] = store.room_messages("general", page_size=7)
                for items in (walk, snapshot.records("message")):
                    found: list[str] = []
                    while len(found) < 300:
                        try:
                            async with asyncio.timeout(chance.uniform(0, 0.001)):
                                found.append((await anext(items)).id)
                        except TimeoutError:
                            pass
                    assert found == [f"m{number:03}" for number in range(300)]

    asyncio.run(main())


def test_a_time_out_around_a_write_ends_when_the_write_is_settled(tmp_path: Path) -> None:
    import pysqlite3

    async def main() -> None:
        async with open_async_store(f"sqlite:///{tmp_path}/x.db?busy_timeout=0.5", environ={}) as store:
            await store.create_room(room())
            other = pysqlite3.connect(tmp_path / "x.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.05):
                    await store.append_message(message("m1"))
            cancelled = caught.value.__context__  # the first releases of 3.11 do not make it the cause
            assert isinstance(cancelled, asyncio.CancelledError)
            assert isinstance(cancelled.__cause__, StoreBusyError)
            other.execute("ROLLBACK")
            other.close()
            await store.append_message(message("m2"))
            assert [each.id async for each in store.room_messages("general")] == ["m2"]

    asyncio.run(main())


def test_snapshots_that_are_cancelled_at_any_moment_are_all_left(tmp_path: Path) -> None:
    location = LOCATIONS["postgres"](tmp_path) + "&pool_size=2&pool_timeout=20"
    chance = random.Random(3)

    async def main() -> None:
        async with open_async_store(location, environ={}) as store:
            await store.create_room(room())

            async def scan() -> None:
                async with store.snapshot() as snapshot:
                    await snapshot.scan("room")
                    [each async for each in snapshot.records()]

            for _ in range(60):
                task = asyncio.create_task(scan())
                asyncio.get_running_loop().call_later(chance.uniform(0, 0.006), task.cancel)
                await asyncio.wait([task])
            async with store.snapshot() as one, store.snapshot() as other:
                assert await one.scan("room") == await other.scan("room")

    asyncio.run(main())


def test_a_snapshot_is_left_also_where_leaving_it_is_cancelled(tmp_path: Path) -> None:
    location = LOCATIONS["postgres"](tmp_path) + "&pool_size=1&pool_timeout=0.5"

    async def main() -> None:
        async with open_async_store(location, environ={}) as store:
            entered = asyncio.Event()
            leave = asyncio.Event()

            async def look() -> None:
                async with store.snapshot():
                    entered.set()
                    await leave.wait()

            task = asyncio.create_task(look())
            await entered.wait()
            async with occupied(store):
                leave.set()
                await asyncio.sleep(0)  # it waits for the thread, to leave the snapshot
                await asyncio.sleep(0)
                task.cancel()
                for _ in range(5):
                    await asyncio.sleep(0)
                assert not task.done()  # what the snapshot holds is given back first
            with pytest.raises(asyncio.CancelledError):
                await task
            await store.create_room(room())  # with the only connection

    asyncio.run(main())


def test_opening_that_is_cancelled_leaves_no_store_open(tmp_path: Path) -> None:
    opened, go = threading.Event(), threading.Event()
    closed: list[bool] = []

    class Slow:
        @hookimpl
        def moltnet_store_opened(self) -> None:
            opened.set()
            assert go.wait(30)

        @hookimpl
        def moltnet_store_closing(self) -> None:
            closed.append(True)

    async def main() -> None:
        async def use() -> None:
            async with open_async_store(f"json:///{tmp_path}/x.json", plugins=[Slow()], environ={}):
                raise AssertionError("it was cancelled before")

        task = asyncio.create_task(use())
        await asyncio.to_thread(opened.wait, 30)
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed == [True]

    asyncio.run(main())
    open_store(f"json:///{tmp_path}/x.json", environ={}).close()  # nobody holds the file's lock


INTERRUPTED = """
import asyncio, os, signal, sys
from moltnet_core import hookimpl, open_async_store
from moltnet_conformance.building import message, room

class Slow:
    @hookimpl
    def moltnet_message_appended(self, result):
        os.write(1, f"committed {result.message.id}\\n".encode())

async def main():
    async with open_async_store(sys.argv[1], plugins=[Slow()], environ={}) as store:
        await store.create_room(room())
        async def append(who):
            for number in range(100_000):
                await store.append_message(message(f"{who}-{number}"))
        await asyncio.gather(*(append(who) for who in range(4)))

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
try:
    asyncio.run(main())
except KeyboardInterrupt:
    os.write(1, b"interrupted\\n")
"""


def test_an_interrupt_of_a_program_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    location = f"sqlite:///{tmp_path}/x.db"
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED, location]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            told = [running.stdout.readline() for _ in range(50)]
            running.send_signal(signal.SIGINT)
            told += running.stdout.readlines()
            assert running.stderr is not None
            assert (running.stderr.read(), running.wait(60)) == ("", 0)
        finally:
            running.kill()
    assert told.pop() == "interrupted\n"
    with open_store(location, environ={}) as store:
        there = [f"committed {each.id}\n" for each in store.room_messages("general")]
    assert sorted(there) == sorted(told)
