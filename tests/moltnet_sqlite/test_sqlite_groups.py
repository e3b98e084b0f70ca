"""Appends that wait share a commit; each is told of its own, as if it had been alone."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.children import WAIT, Child, listen, tell, wait_until
from tests.moltnet_sqlite.support import (
    a_message,
    a_room,
    all_messages,
    dm_message,
    integrity,
    make_store,
    query,
    raw_connection,
    thread_message,
    url_of,
)

from moltnet_core import (
    DuplicateMessageError,
    Message,
    MoltnetError,
    RoomNotFoundError,
    StorageFullError,
    Store,
    StoreBusyError,
    StoreClosedError,
    ThreadRoomMismatchError,
    hookimpl,
    open_store,
)
from moltnet_core.grouping import GroupCounts
from moltnet_core.timestamps import now
from moltnet_sql import transaction

Start = Callable[..., Child]
Call = Callable[[], Any]


def groups_of(store: Store) -> Any:
    driver: Any = store.driver
    return driver._groups


def counts_of(store: Store) -> GroupCounts:
    found: GroupCounts = groups_of(store).counts
    return found


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "moltnet-sqlite-writer"]


class Crowd:
    """Calls of threads that wait, in this order, and what each is told: its result or its error."""

    def __init__(self, store: Store, calls: Sequence[Call]) -> None:
        self.told: list[Any] = [None] * len(calls)
        self._threads = []
        for number, call in enumerate(calls):
            self._threads.append(threading.Thread(target=self._run, args=(number, call)))
            self._threads[-1].start()
            wait_until(lambda: len(groups_of(store)._queue) == len(self._threads), "it waits")

    def _run(self, number: int, call: Call) -> None:
        try:
            self.told[number] = call()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.told[number] = error

    def end(self) -> list[Any]:
        for thread in self._threads:
            thread.join(WAIT)
            assert not thread.is_alive()
        return self.told


@contextmanager
def writing(store: Store, work: Callable[[Any], object] = lambda _: None) -> Iterator[None]:
    """Another thread is in a transaction that writes, until the block ends."""
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction(store) as database:
            work(database)
            inside.set()
            assert leave.wait(WAIT)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(WAIT)
    try:
        yield
    finally:
        leave.set()
        holder.join(WAIT)


def appends(store: Store, *messages: Message) -> list[Call]:
    return [partial(store.append_message, message) for message in messages]


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    make_store(path, messages=1)
    with open_store(url_of(path, busy_timeout=WAIT)) as found:
        yield found


def test_a_lone_writer_has_no_thread_and_no_group(store: Store) -> None:
    for number in range(5):
        store.append_message(a_message(f"n{number}"))
        assert writers() == []
    assert counts_of(store) == GroupCounts()


def test_those_that_wait_share_a_commit(path: Path, store: Store) -> None:
    kinds = (a_message, thread_message, dm_message)
    with writing(store):
        crowd = Crowd(store, appends(store, *(kinds[number % 3](f"n{number}") for number in range(9))))
        assert len(writers()) == 1
    results = crowd.end()
    assert counts_of(store) == GroupCounts(groups=1, writes=9, messages=9, largest=9)
    assert {"group.count": 1, "group.writes": 9, "group.largest": 9}.items() <= store.stats().driver.items()
    assert [result.message.id for result in results] == [f"n{number}" for number in range(9)]
    assert sum(result.thread_created is not None for result in results) == 1
    assert sum(result.dm_created is not None for result in results) == 1
    assert store.counts().messages == 10
    assert query(path, "SELECT message_count FROM threads UNION ALL SELECT message_count FROM dm_conversations") == [
        (3,),
        (3,),
    ]
    wait_until(lambda: not writers(), "the thread ends when nobody waits")
    assert integrity(path) == []


def test_each_is_told_of_its_own(path: Path, store: Store) -> None:
    """Every second one is wrong, in each of the ways there are."""
    store.create_room(a_room("other"))
    store.append_message(thread_message("t", "topic"))
    stored = store.get_message("m0")
    assert stored is not None
    calls: list[Call] = [
        lambda: store.append_message(a_message("good-0")),
        lambda: store.append_message(a_message("m0", "another text")),
        lambda: store.append_message(a_message("good-1")),
        lambda: store.append_message(a_message("bad-1", room_id="nowhere")),
        lambda: store.append_messages([a_message("good-2"), thread_message("good-3", "topic")]),
        lambda: store.append_message(thread_message("bad-2", "topic", room_id="other")),
        lambda: store.append_message(dm_message("good-4")),
        lambda: store.append_messages([a_message("bad-3"), a_message("bad-4", room_id="nowhere")]),
        lambda: store.append_message(a_message("twice")),
        lambda: store.append_message(a_message("twice", "another text")),
        partial(store.append_message, stored, retry=True),
        lambda: store.append_message(a_message("good-5"), retry=True),
    ]
    with writing(store):
        crowd = Crowd(store, calls)
    told = crowd.end()
    assert [type(each) for each in told[1:10:2]] == [
        DuplicateMessageError,
        RoomNotFoundError,
        ThreadRoomMismatchError,
        RoomNotFoundError,
        DuplicateMessageError,
    ]
    assert [each.committed for each in told[1:10:2]] == [False] * 5
    assert not any(isinstance(each, Exception) for each in (*told[0:10:2], *told[10:]))
    assert (told[10].replayed, told[11].replayed) == (True, False)
    found = {row[0] for row in query(path, "SELECT id FROM messages")}
    assert found == {"m0", "t", "twice", *(f"good-{number}" for number in range(6))}
    assert query(path, "SELECT message_count FROM threads WHERE id = 'topic'") == [(2,)]
    counts = counts_of(store)
    assert (counts.groups, counts.writes, counts.messages) == (1, 6, 7)
    assert integrity(path) == []


def test_observers_are_told_in_the_caller_s_thread_after_the_commit(path: Path) -> None:
    told: dict[str, tuple[int, bool]] = {}

    class Observer:
        @hookimpl
        def moltnet_message_appended(self, store: Store, result: Any) -> None:
            there = query(path, "SELECT id FROM messages WHERE id = ?", result.message.id)
            told[result.message.id] = threading.get_ident(), bool(there)

    make_store(path)
    with open_store(url_of(path, busy_timeout=WAIT), plugins=[Observer()]) as store:

        def append(name: str) -> int:
            store.append_message(a_message(name))
            return threading.get_ident()

        with writing(store):
            crowd = Crowd(store, [partial(append, name) for name in "abc"])
        threads = crowd.end()
    assert told == {name: (thread, True) for name, thread in zip("abc", threads, strict=True)}


def test_an_append_within_a_transaction_of_its_own_is_part_of_that(store: Store) -> None:
    with transaction(store):
        crowd = Crowd(store, appends(store, a_message("other-0"), a_message("other-1")))
        store.append_message(a_message("mine"))
        assert store.get_message("mine") is not None
        assert store.get_message("other-0") is None
    assert not any(isinstance(each, Exception) for each in crowd.end())
    assert counts_of(store).writes == 2


# -- waiting -------------------------------------------------------------------------------------------


def test_whoever_waits_longer_than_busy_timeout_gives_up_and_nothing_is_left(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path, busy_timeout=0.3)) as store:
        with writing(store):
            crowd = Crowd(store, appends(store, a_message("a"), a_message("b"), a_message("c")))
            told = crowd.end()
        assert [type(each) for each in told] == [StoreBusyError] * 3
        assert all(each.committed is False and "busy_timeout" in str(each) for each in told)
        store.append_message(a_message("d"))
        assert all_messages(store) == ["d"]
        wait_until(lambda: not writers(), "the thread ends")


def hold_the_write_lock(path: str) -> None:
    with raw_connection(Path(path), timeout=WAIT) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tell("held")
        listen()
        connection.execute("ROLLBACK")


def test_another_process_that_writes_is_waited_for_no_longer_than_told(path: Path, start: Start) -> None:
    make_store(path)
    holder = start(hold_the_write_lock, path)
    assert holder.hear() == "held"
    with open_store(url_of(path, busy_timeout=0.5)) as store:
        told: list[Any] = []

        def append(name: str) -> None:
            with pytest.raises(StoreBusyError, match="busy_timeout") as caught:
                store.append_message(a_message(name))
            told.append(caught.value.committed)

        threads = [threading.Thread(target=append, args=(name,)) for name in "abcd"]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert time.monotonic() - began < 10
        assert told == [False] * 4
        holder.say()
        holder.end()
        store.append_message(a_message("e"))
        assert all_messages(store) == ["e"]


# -- closing -------------------------------------------------------------------------------------------


def test_closing_waits_for_those_that_wait(path: Path) -> None:
    make_store(path)
    store = open_store(url_of(path, busy_timeout=WAIT))
    with writing(store):
        crowd = Crowd(store, appends(store, a_message("a"), a_message("b")))
        closer = threading.Thread(target=store.close)
        closer.start()
        wait_until(lambda: "closed" in repr(store), "the store is closing")
    assert [result.message.id for result in crowd.end()] == ["a", "b"]
    closer.join(WAIT)
    assert not closer.is_alive()
    assert writers() == []
    assert query(path, "SELECT id FROM messages ORDER BY id") == [("a",), ("b",)]


def test_a_driver_that_is_closed_beneath_them_lets_nobody_hang(store: Store) -> None:
    with writing(store):
        crowd = Crowd(store, appends(store, a_message("a"), a_message("b")))
        closer = threading.Thread(target=store.driver.close)
        closer.start()
        wait_until(lambda: groups_of(store)._closed, "the driver is closing")
    assert [type(each) for each in crowd.end()] == [StoreClosedError] * 2
    closer.join(WAIT)


# -- what fails ----------------------------------------------------------------------------------------


def test_one_that_does_not_fit_fails_alone(path: Path, store: Store) -> None:
    """The limit is the connection's, which whoever writes next has."""

    def limit(database: Any) -> None:
        (pages,) = database.execute_sql("PRAGMA page_count").fetchone()
        database.execute_sql(f"PRAGMA max_page_count = {pages + 12}")

    with writing(store, limit):
        large = a_message("large", "x" * 200_000)
        crowd = Crowd(store, appends(store, a_message("a"), large, a_message("b")))
    told = crowd.end()
    assert isinstance(told[1], StorageFullError)
    assert told[1].committed is False
    assert [told[0].message.id, told[2].message.id] == ["a", "b"]
    assert all_messages(store) == ["m0", "a", "b"]
    assert integrity(path) == []


def fill(path: str) -> None:
    """A commit that meets the limit for files: the process cannot know what the disk has."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    unlimited = resource.RLIM_INFINITY
    store = open_store(url_of(Path(path), busy_timeout=WAIT))
    names = ["a", "b", "c"]
    messages = [attrs.evolve(a_message(name, "x" * 30_000), created_at=now()) for name in names]
    store.append_message(a_message("before"))  # there is a log
    with writing(store):
        crowd = Crowd(store, appends(store, *messages))
        size = Path(f"{path}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, unlimited))
    told = crowd.end()
    resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
    there = [store.get_message(name) is not None for name in names]
    tell([[type(each).__name__, getattr(each, "committed", "?")] for each in told])
    tell(there)
    tell([store.append_message(message, retry=True).replayed for message in messages])
    store.close()


def test_a_commit_of_which_nothing_is_known_says_so_to_all(path: Path, start: Start) -> None:
    make_store(path)
    told, there, replayed = start(fill, path).rest()
    assert told == [["StorageFullError", None]] * 3
    assert there == replayed
    assert query(path, "SELECT count(*) FROM messages") == [(4,)]
    assert integrity(path) == []


# -- fork ----------------------------------------------------------------------------------------------


def fork_beside_a_crowd(path: str) -> None:
    """Threads wait in the queue, and another writes, when the process forks."""
    store = open_store(url_of(Path(path), busy_timeout=WAIT))
    with writing(store):
        crowd = Crowd(store, appends(store, a_message("a"), a_message("b")))
        pid = os.fork()
        if not pid:
            status = 1
            try:
                store.append_message(a_message("child"))
            except StoreClosedError:
                status = 0
            os._exit(status)
        tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    tell([result.message.id for result in crowd.end()])
    pid = os.fork()
    if not pid:
        store.append_message(a_message("child"))
        os._exit(0)
    tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_beside_those_that_wait(path: Path, start: Start) -> None:
    make_store(path)
    assert start(fork_beside_a_crowd, path).rest() == [0, ["a", "b"], 0]
    assert query(path, "SELECT id FROM messages ORDER BY id") == [("a",), ("b",), ("child",)]


def test_many_threads_are_served_and_nobody_is_left_behind(path: Path, store: Store) -> None:
    """A thread that makes rooms has its turn beside twelve that append."""
    each, threads = 20, 12
    errors: list[MoltnetError] = []

    def work(name: int) -> None:
        try:
            for number in range(each):
                store.append_message(thread_message(f"{name}-{number}", f"topic-{name % 3}"))
        except MoltnetError as error:
            errors.append(error)

    running = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for thread in running:
        thread.start()
    for number in range(10):
        store.create_room(a_room(f"room-{number}"))
    for thread in running:
        thread.join(WAIT)
    assert errors == []
    assert counts_of(store).largest > 1
    assert query(path, "SELECT sum(message_count) FROM threads") == [(each * threads,)]
    assert query(path, "SELECT count(*) FROM messages") == [(1 + each * threads,)]
    assert integrity(path) == []
