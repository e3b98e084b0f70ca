"""Many waiting writers, one commit: a queue of writes that one thread does together.

For a backend in which one writer at a time writes, and where making a write durable takes longer than the write. While
nobody waits, each caller writes by itself, in its own thread, and nothing here costs it anything.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from attrs import define

from moltnet_core._endings import ending
from moltnet_core._threads import until_gone
from moltnet_core.errors import MoltnetError, StorageIOError, StoreBusyError
from moltnet_core.forking import around_forks

__all__ = ["BY_ITSELF", "GroupCounts", "Groups"]

_MOST: Final = 256
_LINGER: Final = 0.005  # seconds that the thread waits for the next writers, where there have just been some
_PATIENCE: Final = 1.0  # seconds that closing waits for the thread to end

T = TypeVar("T")
W = TypeVar("W")

BY_ITSELF: Final = object()
"""The answer to a write that was left out of its group, without a trace: its caller does it in its own thread."""


@define
class GroupCounts:
    """What the groups of one store came to since it was opened.

    :ivar groups: how many commits were made for a group.
    :ivar writes: how many callers' writes they held.
    :ivar messages: how many messages those had.
    :ivar largest: the most writes in one group.
    """

    groups: int = 0
    writes: int = 0
    messages: int = 0
    largest: int = 0

    def stats(self) -> dict[str, float]:
        """Their share of :meth:`Driver.stats <moltnet_core.driver.Driver.stats>`."""
        return {
            "group.count": self.groups,
            "group.writes": self.writes,
            "group.messages": self.messages,
            "group.largest": self.largest,
        }

    def add(self, writes: int, messages: int) -> None:
        """Count one group."""
        self.groups += 1
        self.writes += writes
        self.messages += messages
        self.largest = max(self.largest, writes)


class _Waiting(Generic[W]):
    """One caller's write, until it is known what became of it."""

    __slots__ = ("_settled", "answer", "error", "is_begun", "is_settled", "size", "write")

    def __init__(self, write: W, size: int) -> None:
        self.write = write
        self.size = size
        self.answer: Any = BY_ITSELF
        self.error: MoltnetError | None = None
        self.is_begun = False
        self.is_settled = False
        self._settled = threading.Lock()
        self._settled.acquire()

    def settle(self, answer: Any, error: MoltnetError | None = None) -> None:
        """Let the caller go on."""
        self.answer, self.error = answer, error
        self.is_settled = True
        self._settled.release()

    def wait(self, timeout: float = -1) -> bool:
        """Wait until it is settled; false: it is not, after so many seconds."""
        return self.is_settled or self._settled.acquire(timeout=timeout)


class Groups(Generic[W]):
    """The writes that wait in one store, and the thread that does them, which is there while some wait.

    :param name: of the thread.
    :param commit: does some writes as one and makes them durable. It is given a function that takes those that wait,
        which it calls when it may begin, and returns an answer for each of them, in order; :data:`BY_ITSELF` for one
        that cannot be done as it is. When it raises, nothing was written, unless the error's ``committed`` says that
        this is unknown.
    :param timeout: seconds that a write may wait until it is begun.
    """

    _lock: threading.Lock
    _changed: threading.Condition
    _resting: bool
    _thread: threading.Thread | None
    _queue: deque[_Waiting[W]]

    def __init__(
        self, name: str, commit: Callable[[Callable[[], Sequence[W]]], Sequence[Any]], timeout: float | None = None
    ) -> None:
        self.counts = GroupCounts()
        self._name = name
        self._commit = commit
        self._timeout = timeout
        self._closed = False
        self._forked()
        _all_groups.add(self)

    # -- the caller's side ---------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether there is a thread, so that whoever writes now is better off in its group."""
        return self._thread is not None

    def write(self, write: W, size: int, by_itself: Callable[[], T]) -> T:
        """Do a write together with those that wait. Whoever has nobody to wait for need not come here.

        An interrupt while it waits takes it back, if it was not begun. Else the caller goes on once it is settled, and
        a note on the interrupt says how it ended.

        :param write: what the group is told of it.
        :param size: how many messages it has.
        :param by_itself: does it in this thread, where it cannot be done in a group.
        :raises StoreBusyError: it was not begun in time, and nothing was written.
        """
        waiting = _Waiting(write, size)
        try:
            in_time = self._wait(waiting) if self._join(waiting) else True
        except BaseException as interrupt:
            self._break_off(waiting, interrupt)
            raise
        if not in_time:
            raise StoreBusyError(
                f"others wrote for longer than busy_timeout ({self._timeout:g} s); try again, "
                "or open with a longer ?busy_timeout=SECONDS"
            )
        if waiting.error is not None:
            raise waiting.error
        if waiting.answer is BY_ITSELF:
            return by_itself()
        answer: T = waiting.answer
        return answer

    def _join(self, waiting: _Waiting[W]) -> bool:
        """Wait in the queue, and see that there is a thread; false: there is none, and nothing waits."""
        with self._lock:
            if self._closed:
                return False
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name)
                try:
                    thread.start()  # it waits for this lock
                except RuntimeError:  # there are too many threads, or the interpreter ends
                    return False
                self._thread = thread
            self._queue.append(waiting)
            if self._resting:
                self._changed.notify()
        return True

    def _wait(self, waiting: _Waiting[W]) -> bool:
        if waiting.wait(-1 if self._timeout is None else self._timeout):
            return True
        if self._withdraw(waiting):
            return False
        return waiting.wait()  # it was begun

    def _withdraw(self, waiting: _Waiting[W]) -> bool:
        """Take a write back; false: it was begun."""
        with self._lock:
            if waiting not in self._queue:
                return False
            self._queue.remove(waiting)
            return True

    def _break_off(self, waiting: _Waiting[W], interrupt: BaseException) -> None:
        if self._withdraw(waiting) or not waiting.is_begun:
            return  # nobody will settle it
        story = "the store's call had begun, and whether it has written is not known"
        try:
            waiting.wait()
            was_left_out = waiting.error is None and waiting.answer is BY_ITSELF
            story = "" if was_left_out else ending(waiting.error)
        finally:  # or it is interrupted again
            if story:
                interrupt.add_note(story)

    # -- the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        with self._lock:
            if self._thread is not threading.current_thread():
                return  # whoever started it was interrupted meanwhile
        while True:
            written = self._do_some()
            with self._lock:
                if not self._queue and written > 1 and not self._closed:
                    # Their callers are likely to come back with their next writes.
                    self._resting = True
                    self._changed.wait(_LINGER)
                    if self._thread is not threading.current_thread():
                        return  # the process forks
                    self._resting = False
                if not self._queue:
                    self._thread = None
                    return

    def _do_some(self) -> int:
        """Do what waits, as far as it is one group, and settle it."""
        taken: list[_Waiting[W]] = []
        try:
            answers = self._commit(lambda: self._take(taken))
            settled = list(zip(taken, answers, strict=True))
        except BaseException as error:  # noqa: BLE001 - the callers raise it
            self._settle_failed(taken, error)
            return 0
        done = [waiting for waiting, answer in settled if answer is not BY_ITSELF]
        if done:
            self.counts.add(len(done), sum(waiting.size for waiting in done))
        for waiting, answer in settled:
            waiting.settle(answer)
        return len(taken)

    def _take(self, taken: list[_Waiting[W]]) -> list[W]:
        with self._lock:
            size = 0
            while self._queue and (not taken or size + self._queue[0].size <= _MOST):
                size += self._queue[0].size
                taken.append(self._queue.popleft())
                taken[-1].is_begun = True
        return [waiting.write for waiting in taken]

    def _settle_failed(self, taken: list[_Waiting[W]], error: BaseException) -> None:
        if not isinstance(error, MoltnetError):
            unknown = StorageIOError("the thread that writes failed", committed=None)
            unknown.__cause__, error = error, unknown
        if not taken:
            if isinstance(error, StoreBusyError) and self._timeout is not None:
                return  # each waits for as long as it was told to
            self._take(taken)
        for waiting in taken:
            if error.committed is False:
                waiting.settle(BY_ITSELF)
            else:
                waiting.settle(None, _copied(error))

    # -- life ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let what waits be done, and the thread end."""
        with self._lock:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(_PATIENCE)

    def before_fork(self) -> None:
        """End the thread if nothing waits: a process should not fork beside it, and the child has none."""
        with self._lock:
            if not self._resting or self._thread is None:
                return
            thread, self._thread, self._resting = self._thread, None, False
            self._changed.notify()
        until_gone([thread])

    def _forked(self) -> None:
        # Threads, and what they wanted written, do not exist in the child.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # of the queue, while the thread rests
        self._resting = False
        self._thread = None
        self._queue = deque()

    def after_fork_in_child(self) -> None:
        """Begin anew."""
        self._forked()


def _copied(error: MoltnetError) -> MoltnetError:
    """The same error for another thread to raise."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied


_all_groups: weakref.WeakSet[Groups[Any]] = weakref.WeakSet()

around_forks(_all_groups, before=Groups.before_fork, after_in_child=Groups.after_fork_in_child)
