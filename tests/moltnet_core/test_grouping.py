"""Writes that wait are done together, each caller told of its own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.children import WAIT, run_script, wait_until

from moltnet_core import RoomNotFoundError, StorageFullError, StorageIOError, StoreBusyError, StoreUnavailableError
from moltnet_core.grouping import BY_ITSELF, Groups
from moltnet_core.turns import Turn

Take = Callable[[], Sequence[str]]


class Backend:
    """Writes go into a list. A group waits until it is let go, and ends as it is told to."""

    def __init__(self, timeout: float | None = None) -> None:
        self.groups: Groups[str] = Groups("a-writer", self.commit, timeout)
        self.go, self.taken, self.finish = threading.Event(), threading.Event(), threading.Event()
        self.finish.set()
        self.done: list[tuple[str, ...]] = []
        self.alone: list[str] = []
        self.bad: BaseException | None = None
        self.unready: BaseException | None = None

    def commit(self, take: Take) -> Sequence[Any]:
        assert self.go.wait(WAIT)
        if self.unready is not None:
            raise self.unready
        writes = take()
        self.taken.set()
        assert self.finish.wait(WAIT)
        if self.bad is not None:
            raise self.bad
        self.done.append(tuple(write for write in writes if write != "odd"))
        return [BY_ITSELF if write == "odd" else f"{write} together" for write in writes]

    def by_itself(self, write: str) -> str:
        self.alone.append(write)
        if write == "odd":
            raise RoomNotFoundError("odd")
        return f"{write} alone"

    def write(self, write: str) -> str:
        return self.groups.write(write, 1, lambda: self.by_itself(write))

    def waiting(self) -> int:
        return len(self.groups._queue)


def start(backend: Backend, *writes: str) -> tuple[list[threading.Thread], dict[str, Any]]:
    """Threads that write, and wait in this order; and what they are told."""
    told: dict[str, Any] = {}

    def run(write: str) -> None:
        try:
            told[write] = backend.write(write)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            told[write] = error

    threads = []
    for write in writes:
        threads.append(threading.Thread(target=run, args=(write,)))
        threads[-1].start()
        wait_until(lambda: backend.waiting() == len(threads), f"{write} waits")
    return threads, told


def end(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "a-writer"]


def test_those_that_wait_are_one_group_in_their_order() -> None:
    backend = Backend()
    threads, told = start(backend, "a", "b", "c")
    backend.go.set()
    end(threads)
    assert backend.done == [("a", "b", "c")]
    assert told == {name: f"{name} together" for name in "abc"}
    counts = backend.groups.counts
    assert (counts.groups, counts.writes, counts.messages, counts.largest) == (1, 3, 3, 3)
    wait_until(lambda: not writers(), "the thread ends with its work")


def test_one_that_is_left_out_is_done_by_its_caller_and_fails_alone() -> None:
    backend = Backend()
    threads, told = start(backend, "a", "odd", "c")
    backend.go.set()
    end(threads)
    assert backend.alone == ["odd"]
    assert isinstance(told.pop("odd"), RoomNotFoundError)
    assert told == {"a": "a together", "c": "c together"}
    assert backend.groups.counts.writes == 2


def test_a_group_that_wrote_nothing_is_done_one_by_one() -> None:
    backend = Backend()
    backend.bad = StorageFullError("no space")
    threads, told = start(backend, "a", "b")
    backend.go.set()
    end(threads)
    assert told == {"a": "a alone", "b": "b alone"}
    assert backend.groups.counts.groups == 0


@pytest.mark.parametrize("bad", [StorageIOError("the disk failed", committed=None), MemoryError()])
def test_a_group_of_which_nothing_is_known_says_so_to_all(bad: BaseException) -> None:
    backend = Backend()
    backend.bad = bad
    threads, told = start(backend, "a", "b")
    backend.go.set()
    end(threads)
    assert backend.alone == []
    assert all(isinstance(error, StorageIOError) and error.committed is None for error in told.values())
    assert told["a"] is not told["b"]


def test_a_backend_that_leaves_one_without_an_answer_leaves_nobody_waiting() -> None:
    groups: Groups[str] = Groups("a-writer", lambda take: [*take(), "one too many"])
    with pytest.raises(StorageIOError) as caught:
        groups.write("a", 1, str)
    assert caught.value.committed is None


def test_a_writer_that_cannot_begin_lets_each_find_out_why() -> None:
    backend = Backend()
    backend.unready = StoreUnavailableError("it is gone")
    threads, told = start(backend, "a", "b")
    backend.go.set()
    end(threads)
    assert sorted(backend.alone) == ["a", "b"]
    assert told == {"a": "a alone", "b": "b alone"}


def test_whoever_is_not_begun_in_time_takes_its_write_back() -> None:
    backend = Backend(timeout=0.2)
    threads, told = start(backend, "a", "b")
    end(threads)
    assert all(isinstance(error, StoreBusyError) and error.committed is False for error in told.values())
    backend.go.set()
    wait_until(lambda: not writers(), "the thread ends")
    assert backend.done == [()]
    assert backend.alone == []


def test_whoever_was_begun_in_time_waits_for_its_end() -> None:
    backend = Backend(timeout=0.2)
    backend.finish.clear()
    threads, told = start(backend, "a")
    backend.go.set()
    assert backend.taken.wait(WAIT)
    threads[0].join(0.5)
    assert threads[0].is_alive()
    backend.finish.set()
    end(threads)
    assert told == {"a": "a together"}


def test_a_writer_that_is_kept_waiting_leaves_each_as_long_as_it_was_told_to_wait() -> None:
    backend = Backend(timeout=0.3)
    backend.unready = StoreBusyError("somebody else writes")
    backend.go.set()
    with pytest.raises(StoreBusyError, match="busy_timeout"):
        backend.write("a")
    wait_until(lambda: not writers(), "the thread ends")
    assert backend.alone == []


def test_a_large_group_is_several() -> None:
    backend = Backend()
    results: list[Any] = []

    def run() -> None:
        results.append(backend.groups.write("many", 200, lambda: "alone"))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: backend.waiting() == 3, "all wait")
    backend.go.set()
    end(threads)
    assert backend.done == [("many",)] * 3
    assert results == ["many together"] * 3


def test_without_a_thread_everybody_writes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    backend = Backend()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert backend.write("a") == "a alone"
    assert backend.waiting() == 0


def test_closing_lets_what_waits_be_done_and_ends_the_thread() -> None:
    backend = Backend()
    threads, told = start(backend, "a", "b")
    backend.go.set()
    backend.groups.close()
    end(threads)
    assert set(told) == {"a", "b"}
    wait_until(lambda: not writers(), "the thread ends")
    assert backend.write("c") == "c alone"


# -- interrupts --------------------------------------------------------------------------------------


def interrupted(backend: Backend, when: Callable[[], object], then: Callable[[], object]) -> BaseException:
    """What this thread's write ends with when it is interrupted at some moment.

    :param then: what another thread does after the interrupt.
    """
    main = threading.get_ident()

    def interrupt() -> None:
        when()
        signal.pthread_kill(main, signal.SIGINT)
        then()

    def answer(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, answer)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            backend.write("a")
    finally:
        signal.signal(signal.SIGINT, before)
        thread.join(WAIT)
    return caught.value


def test_an_interrupt_before_its_write_is_begun_takes_it_back() -> None:
    backend = Backend()
    error = interrupted(
        backend,
        lambda: wait_until(lambda: backend.waiting() == 1, "it waits"),
        lambda: wait_until(lambda: backend.waiting() == 0, "it left"),
    )
    assert getattr(error, "__notes__", []) == []
    backend.go.set()
    wait_until(lambda: not writers(), "the thread ends")
    assert backend.done == [()]


@pytest.mark.parametrize(
    ("bad", "note"),
    [
        (None, ["the store's call had begun: what it writes is written"]),
        (StorageFullError("no space"), []),
        (
            StorageIOError("the disk failed", committed=None),
            ["the store's call had begun: it failed, and whether it has written is not known (StorageIOError)"],
        ),
    ],
)
def test_an_interrupt_after_that_says_how_it_ended(bad: BaseException | None, note: list[str]) -> None:
    backend = Backend()
    backend.bad = bad
    backend.finish.clear()
    backend.go.set()
    error = interrupted(
        backend, lambda: backend.taken.wait(WAIT), lambda: threading.Timer(0.1, backend.finish.set).start()
    )
    assert getattr(error, "__notes__", []) == note
    assert backend.alone == []


def test_an_interrupt_while_the_thread_is_started_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend()
    started: list[threading.Thread] = []
    start_thread = threading.Thread.start

    def interrupted_start(thread: threading.Thread) -> None:
        start_thread(thread)
        if thread.name == "a-writer" and not started:
            started.append(thread)
            raise KeyboardInterrupt

    def run() -> None:
        with pytest.raises(KeyboardInterrupt) as caught:
            backend.write("a")
        told.append(getattr(caught.value, "__notes__", []))

    told: list[list[str]] = []
    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    end([thread])
    assert told == [[]]
    end(started)  # nobody knows of that thread, so it does nothing
    backend.go.set()
    assert backend.write("b") == "b together"
    assert backend.done == [("b",)]


def test_an_interrupt_when_a_write_was_taken_back_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend(timeout=0.01)
    withdraw = backend.groups._withdraw
    interrupts = [KeyboardInterrupt()]

    def interrupted_withdraw(waiting: Any) -> bool:
        is_withdrawn = withdraw(waiting)
        if interrupts:
            raise interrupts.pop()
        return is_withdrawn

    told: list[list[str]] = []

    def run() -> None:
        with pytest.raises(KeyboardInterrupt) as caught:
            backend.write("a")
        told.append(getattr(caught.value, "__notes__", []))

    monkeypatch.setattr(backend.groups, "_withdraw", interrupted_withdraw)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    end([thread])
    assert told == [[]]
    backend.go.set()
    wait_until(lambda: not writers(), "the thread ends")
    assert backend.done == [()]


# -- fork ----------------------------------------------------------------------------------------------

FORKING = """
import os, sys, threading
from pathlib import Path
from moltnet_core import grouping
from moltnet_core.grouping import Groups
grouping._LINGER = 60
groups = Groups("a-writer", lambda take: [each for each in take()])
def rest():
    threads = [threading.Thread(target=groups.write, args=(n, 1, int)) for n in range(4)]
    held = groups._lock
    with held:
        for thread in threads: thread.start()
    for thread in threads: thread.join()
while not groups._resting:
    rest()
pid = os.fork()
if not pid:
    assert not groups.is_running
    assert groups.write(7, 1, lambda: 8) == 7
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print(len(list(Path("/proc/self/task").iterdir())), groups._thread)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_does_not_fork_beside_a_thread_that_rests() -> None:
    """Python 3.12 and newer would warn, which is an error here."""
    assert run_script(FORKING).split() == ["1", "None"]


# -- the turn ------------------------------------------------------------------------------------------


def test_a_turn_goes_to_whoever_waits_longest() -> None:
    turn, order = Turn(), []
    assert turn.acquire()
    threads = []

    def run(name: int) -> None:
        with turn:
            order.append(name)

    for name in range(5):
        threads.append(threading.Thread(target=run, args=(name,)))
        threads[-1].start()
        wait_until(lambda: len(turn._tickets) == len(threads), "it waits")
    assert not turn.acquire(timeout=0.01)
    turn.release()
    assert turn.acquire(timeout=WAIT)  # behind all of them
    assert order == [0, 1, 2, 3, 4]
    turn.release()
    end(threads)
    assert not turn.is_held


def test_a_turn_is_not_lost_with_an_interrupt() -> None:
    turn = Turn()
    assert turn.acquire()
    main = threading.get_ident()

    def answer(*_: object) -> None:
        raise KeyboardInterrupt

    def interrupt() -> None:
        wait_until(lambda: turn._tickets, "it waits")
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, answer)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            turn.acquire(timeout=WAIT)
    finally:
        signal.signal(signal.SIGINT, before)
        thread.join(WAIT)
    turn.release()
    assert turn.acquire(timeout=0)


class InterruptedLock:
    """A lock after whose use an interrupt comes, at one use of several."""

    def __init__(self, at: int) -> None:
        self.left = at
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupt_as_a_turn_is_taken_or_handed_on_leaves_it_to_others(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = Turn()
    monkeypatch.setattr(turn, "_lock", InterruptedLock(at))
    with pytest.raises(KeyboardInterrupt), turn:
        pass
    assert not turn.is_held
    assert turn.acquire(timeout=0)


def test_an_interrupt_as_a_turn_is_handed_on_leaves_it_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    turn, had = Turn(), []

    def run(name: int) -> None:
        with turn:
            had.append(name)

    assert turn.acquire()
    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in range(2)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda number=number: len(turn._tickets) == number, "it waits")  # type: ignore[misc]
    monkeypatch.setattr(turn, "_lock", InterruptedLock(1))
    with pytest.raises(KeyboardInterrupt):
        turn.release()
    end(threads)
    assert had == [0, 1]
    assert not turn.is_held
