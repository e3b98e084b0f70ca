"""The clock on a store's calls: how many there were, how long they took, how they ended."""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from functools import partial, wraps
from time import perf_counter
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from moltnet_core.events import CALL_SLOW
from moltnet_core.forking import around_forks
from moltnet_core.stats import LATENCY_BOUNDS, CallStats

__all__ = ["Around", "Calls", "counted"]

_AT_ONCE: Final = 512

P = ParamSpec("P")
T = TypeVar("T")


class Around(Protocol):
    """Makes a call, of a method's name, with something around it."""

    def __call__(self, name: str, call: Callable[[], T]) -> T:
        """:returns: what the call does."""
        ...


class _Tally:
    """The calls of one name, so far."""

    __slots__ = ("buckets", "errors", "longest", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(LATENCY_BOUNDS) + 1)
        self.seconds = 0.0
        self.longest = 0.0
        self.errors: Counter[str] = Counter()


class Calls:
    """Counts the calls of one store.

    A call only leaves a note that it has ended, which takes no lock. The notes are counted some hundred at a time, and
    when somebody asks.

    :param backend: its name, for the log.
    :param around: what plugins put around calls, if any do.
    :param slow: seconds after which a call is logged as slow.
    :ivar ended: the notes that are not counted yet: name, seconds and class of the error of each.
    """

    _lock: threading.RLock
    _is_counting: bool

    __slots__ = ("__weakref__", "_backend", "_is_counting", "_lock", "_tallies", "around", "ended", "slow")

    def __init__(self, backend: str, around: Around | None = None, slow: float | None = None) -> None:
        self._backend = backend
        self.around = around
        self.slow = float("inf") if slow is None else slow
        self.ended: deque[tuple[str, float, type[BaseException] | None]] = deque()
        self._tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
        self._forked()
        _all_calls.add(self)

    def count(self) -> None:
        """Count the notes that there are."""
        with self._lock:
            if self._is_counting:  # what this thread was doing when a signal came, whose handler uses the store
                return
            self._is_counting = True
            try:
                while self.ended:
                    name, seconds, failed = self.ended.popleft()
                    tally = self._tallies[name]
                    tally.buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
                    tally.seconds += seconds
                    tally.longest = max(tally.longest, seconds)
                    if failed is not None:
                        tally.errors[failed.__name__] += 1
            finally:
                self._is_counting = False

    def stats(self) -> dict[str, CallStats]:
        """All that were counted, by name."""
        with self._lock:
            self.count()
            return {
                name: CallStats(tuple(tally.buckets), tally.seconds, tally.longest, dict(tally.errors))
                for name, tally in self._tallies.items()
            }

    def tell_slow(self, name: str, seconds: float, failed: type[BaseException] | None) -> None:
        """Log a call that was slow."""
        CALL_SLOW.log(
            "%s took %.3g s (%s)",
            name,
            seconds,
            self._backend,
            backend=self._backend,
            call=name,
            seconds=seconds,
            error=None if failed is None else failed.__name__,
        )

    def _forked(self) -> None:
        self._lock = threading.RLock()  # anew, as a thread may have held it that the child does not have
        self._is_counting = False


class _Counting(Protocol):
    _calls: Calls


def counted(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Makes a method of a class with ``_calls`` one whose calls are counted, by its name."""
    name = method.__name__

    @wraps(method)
    def call(self: _Counting, /, *args: P.args, **options: P.kwargs) -> T:
        calls = self._calls
        failed: type[BaseException] | None = None
        begun = perf_counter()
        try:
            if calls.around is None:
                return method(self, *args, **options)
            return calls.around(name, partial(method, self, *args, **options))
        except BaseException as error:
            failed = type(error)
            raise
        finally:
            # As little as can be, because every call pays for it.
            seconds = perf_counter() - begun
            ended = calls.ended
            ended.append((name, seconds, failed))
            if len(ended) >= _AT_ONCE:
                calls.count()
            if seconds > calls.slow:
                calls.tell_slow(name, seconds, failed)

    return call


_all_calls: weakref.WeakSet[Calls] = weakref.WeakSet()

around_forks(_all_calls, after_in_child=Calls._forked)
