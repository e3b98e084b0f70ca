"""What ``store.stats()`` tells, and what plugins put around calls."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Self

import attrs
import pytest
from tests.postgres.shared import shared_server

from moltnet_core import (
    Actor,
    AsyncStore,
    Message,
    Part,
    Room,
    RoomNotFoundError,
    Store,
    StoreClosedError,
    Target,
    ValidationError,
    hookimpl,
    open_async_store,
    open_store,
)
from moltnet_core.stats import LATENCY_BOUNDS, CallStats, QueueStats, Stats

NAMES = {name for name in dir(Store) if not name.startswith("_")}


def hello(message_id: str = "m1", room_id: str = "general") -> Message:
    return Message("local", Target.room(room_id), Actor("agent", "a"), [Part("text", "hello")], id=message_id)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("memory://", environ={}) as store:
        store.create_room(Room("general", "local"))
        yield store


# -- calls -------------------------------------------------------------------------------------------------


def test_calls_are_counted_by_name_with_their_errors(store: Store) -> None:
    store.append_message(hello())
    for wrong in (hello("m2", "nowhere"), hello("m3", "nowhere"), "no message"):
        with pytest.raises((RoomNotFoundError, ValidationError)):
            store.append_message(wrong)  # type: ignore[arg-type]
    assert [message.id for message in store.room_messages("general")] == ["m1"]
    with store.snapshot() as snapshot:
        assert len(list(snapshot.records())) == 2
    calls = store.stats().calls
    assert {name: each.count for name, each in calls.items()} == {
        "create_room": 1,
        "append_message": 4,
        "list_room_messages": 1,
        "entries": 5,  # of each kind one page
    }
    assert calls["append_message"].errors == {"RoomNotFoundError": 2, "ValidationError": 1}
    assert calls["append_message"].failed == 3


def test_every_call_that_reads_or_writes_is_counted() -> None:
    """What is not is a property, opens or ends something, or is made of calls that are."""
    counted = {name for name in NAMES if hasattr(getattr(Store, name), "__wrapped__")} - {"snapshot"}
    walks = {name for name in vars(Store.__mro__[1]) if not name.startswith(("_", "list_"))}
    properties = {name for name in NAMES if isinstance(getattr(Store, name), property)}
    assert NAMES - counted - walks - properties <= {"close", "held", "snapshot", "stats", "watch"}


def test_a_call_is_as_long_as_it_took(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.25, 20.0, 20.001, 30.0, 130.0])
    monkeypatch.setattr("moltnet_core._calls.perf_counter", lambda: next(clock))
    for _ in range(3):
        store.ping()
    ping = store.stats().calls["ping"]
    assert ping.seconds == pytest.approx(100.251)
    assert ping.longest == 100.0
    assert sum(ping.buckets) == ping.count == 3
    assert ping.buckets[LATENCY_BOUNDS.index(0.001)] + ping.buckets[LATENCY_BOUNDS.index(0.002)] == 1
    assert ping.buckets[LATENCY_BOUNDS.index(0.5)] == 1
    assert ping.buckets[-1] == 1
    assert ping.quantile(0.5) == 0.5
    assert ping.quantile(1.0) == 100.0


def test_quantiles() -> None:
    assert CallStats().quantile(0.99) == 0.0
    buckets = [0] * (len(LATENCY_BOUNDS) + 1)
    buckets[3], buckets[5] = 98, 2
    calls = CallStats(tuple(buckets), 1.0, 0.0004)
    assert calls.quantile(0.5) == LATENCY_BOUNDS[3]
    assert calls.quantile(0.99) == 0.0004  # no more than the longest
    assert list(LATENCY_BOUNDS) == sorted(set(LATENCY_BOUNDS))


def test_no_call_is_lost_between_threads(store: Store) -> None:
    ready = threading.Barrier(8)

    def read() -> None:
        ready.wait()
        for _ in range(500):
            store.get_message("m1")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    seen = 0
    while any(thread.is_alive() for thread in threads):
        now = store.stats().calls.get("get_message", CallStats()).count
        assert now >= seen
        seen = now
    for thread in threads:
        thread.join()
    assert store.stats().calls["get_message"].count == 4000


def test_they_are_values_that_no_later_call_changes(store: Store) -> None:
    before = store.stats()
    store.ping()
    assert "ping" not in before.calls
    assert store.stats() != before
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.queue = None  # type: ignore[misc]
    assert json.loads(json.dumps(attrs.asdict(before)))["calls"]["create_room"]["seconds"] > 0


def test_a_closed_store_tells_how_things_stood() -> None:
    with open_store("memory://", environ={}) as store:
        store.ping()
    assert store.stats().calls["ping"].count == 1
    with pytest.raises(Exception, match="closed"):
        store.ping()
    assert store.stats().calls["ping"].errors == {"StoreClosedError": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it has threads is the point
def test_a_fork_while_a_thread_counts_blocks_nobody(store: Store) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with store._calls._lock:
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if not child:  # it has neither the thread nor its lock
        code = 1
        try:
            with suppress(StoreClosedError):  # of a memory store, which is its parent's
                store.ping()
            code = 42 if store.stats().calls["ping"].count == 1 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    release.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 42
    assert "ping" not in store.stats().calls


def test_counting_keeps_no_store_alive() -> None:
    class Around:
        @hookimpl
        def moltnet_call(self) -> None:
            return None

    gc.disable()
    try:
        for plugins in ([], [Around()]):
            store = open_store("memory://", environ={}, plugins=plugins)
            store.ping()
            store.close()
            gone = weakref.ref(store)
            del store
            assert gone() is None
    finally:
        gc.enable()


# -- the driver and the queue --------------------------------------------------------------------------------


def test_the_connections_of_sqlite(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/chat.db", environ={}) as store:
        with store.snapshot():
            inside = store.stats().driver
        after = store.stats().driver
    assert inside["pool.in_use"] == 1
    assert after["pool.in_use"] == 0
    assert after["pool.idle"] >= 1
    assert after["pool.opened"] >= 1
    assert store.stats().driver["pool.idle"] == 0


def test_the_connections_of_postgres() -> None:
    with open_store(shared_server().url(schema=shared_server().new_schema(), pool_size="3"), environ={}) as store:
        with store.snapshot():
            inside = store.stats().driver
        after = store.stats().driver
    assert (inside["pool.size"], inside["pool.in_use"], inside["pool.waiting"]) == (3, 1, 0)
    assert after["pool.in_use"] == 0
    assert after["pool.opened"] == after["pool.idle"]
    assert after["pool.replaced"] == 0
    assert store.stats().driver["pool.idle"] == 0


def test_an_asynchronous_store_tells_of_its_queue_also_when_all_threads_are_busy() -> None:
    go, begun = threading.Event(), threading.Semaphore(0)

    def busy(store: Store) -> None:
        begun.release()
        go.wait(30)

    async def main() -> tuple[QueueStats | None, Stats, AsyncStore]:
        async with open_async_store("memory://", environ={}, threads=2) as store:
            assert (await store.stats()).queue == QueueStats(limit=2, threads=0, running=0, waiting=0)
            tasks = [asyncio.create_task(store.run_sync(busy)) for _ in range(5)]
            await asyncio.to_thread(lambda: [begun.acquire(timeout=30) for _ in range(2)])
            full = (await store.stats()).queue
            assert store._store.stats().queue == full  # as plugins see it, which are given the synchronous store
            go.set()
            await asyncio.gather(*tasks)
            await store.ping()
        return full, await store.stats(), store

    full, closed, _ = asyncio.run(main())
    assert full == QueueStats(limit=2, threads=2, running=2, waiting=3)
    assert closed.queue is not None
    assert (closed.queue.threads, closed.queue.running, closed.queue.waiting) == (0, 0, 0)
    assert closed.calls["ping"].count == 1


# -- around calls --------------------------------------------------------------------------------------------


class Around:
    """Notes what it sees."""

    def __init__(self, name: str = "", *, suppresses: bool = False) -> None:
        self.name = name
        self.suppresses = suppresses
        self.seen: list[str] = []

    @hookimpl
    @contextmanager
    def moltnet_call(self, store: Store, name: str) -> Iterator[None]:
        self.seen.append(f"{self.name}>{name}")
        try:
            yield
        except Exception as error:
            self.seen.append(f"{self.name}!{type(error).__name__}")
            if not self.suppresses:
                raise
        else:
            self.seen.append(f"{self.name}<{name}")


def test_a_plugin_is_around_every_call() -> None:
    around = Around()
    with open_store("memory://", environ={}, plugins=[around]) as store:
        store.create_room(Room("general", "local"))
        assert store.append_message(hello()).message.id == "m1"
        with pytest.raises(RoomNotFoundError):
            store.append_message(hello("m2", "nowhere"))
    assert around.seen == [
        ">create_room",
        "<create_room",
        ">append_message",
        "<append_message",
        ">append_message",
        "!RoomNotFoundError",
    ]


def test_the_last_plugin_is_outermost_and_all_learn_of_an_error() -> None:
    seen: list[str] = []
    plugins = [Around("one"), Around("two")]
    for each in plugins:
        each.seen = seen
    with open_store("memory://", environ={}, plugins=plugins) as store:
        store.ping()
        with pytest.raises(ValidationError):
            store.create_room("no room")  # type: ignore[arg-type]
    assert seen[:4] == ["two>ping", "one>ping", "one<ping", "two<ping"]
    assert seen[4:] == ["two>create_room", "one>create_room", "one!ValidationError", "two!ValidationError"]


def test_an_error_cannot_be_suppressed_and_is_the_call_s_own() -> None:
    with open_store("memory://", environ={}, plugins=[Around(suppresses=True)]) as store:
        with pytest.raises(RoomNotFoundError) as caught:
            store.append_message(hello())
        assert caught.value.__context__ is None


def test_what_a_plugin_raises_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class AtOnce:
        @hookimpl
        def moltnet_call(self, name: str) -> None:
            raise LookupError("a secret")

    class Before:
        @hookimpl
        def moltnet_call(self) -> ExitStack:
            class Refuses(ExitStack):
                def __enter__(self) -> Self:
                    raise LookupError("a secret")

            return Refuses()

    class After:
        @hookimpl
        @contextmanager
        def moltnet_call(self) -> Iterator[None]:
            try:
                yield
            finally:
                raise LookupError("a secret")

    around = Around()
    with open_store("memory://", environ={}, plugins=[AtOnce(), around, Before(), After()]) as store:
        assert store.create_room(Room("general", "local")).id == "general"
        with pytest.raises(RoomNotFoundError) as caught:
            store.append_message(hello("m1", "nowhere"))
        assert caught.value.__context__ is None
    failed = [vars(record) for record in caplog.records if record.levelno >= logging.ERROR]
    assert [each["plugin"].rpartition(".")[2] for each in failed] == ["Before", "AtOnce", "After"] * 2
    assert "a secret" not in caplog.text
    assert around.seen == [">create_room", "<create_room", ">append_message", "!RoomNotFoundError"]


def test_a_plugin_may_have_nothing_to_put_around_a_call() -> None:
    class Some:
        @hookimpl
        def moltnet_call(self, name: str) -> nullcontext[None] | None:
            return nullcontext() if name == "ping" else None

    with open_store("memory://", environ={}, plugins=[Some()]) as store:
        store.ping()
        assert store.get_room("general") is None
        assert {"ping", "get_room"} <= set(store.stats().calls)


def test_it_sees_the_context_of_who_called_asynchronously() -> None:
    asked: ContextVar[str] = ContextVar("asked", default="nobody")
    seen: list[tuple[str, str]] = []

    class Who:
        @hookimpl
        def moltnet_call(self, name: str) -> None:
            seen.append((name, asked.get()))

    async def ask(store: AsyncStore, who: str) -> None:
        asked.set(who)
        await store.get_room(who)

    async def main() -> None:
        async with open_async_store("memory://", environ={}, plugins=[Who()]) as store:
            await asyncio.gather(*(ask(store, who) for who in ("ann", "bob")))

    asyncio.run(main())
    assert sorted(seen) == [("get_room", "ann"), ("get_room", "bob")]


def test_what_takes_long_around_a_call_counts_for_who_made_it() -> None:
    class Slow:
        @hookimpl
        def moltnet_call(self) -> None:
            time.sleep(0.01)

    with open_store("memory://", environ={}, plugins=[Slow()]) as store:
        store.ping()
        assert store.stats().calls["ping"].longest >= 0.01
