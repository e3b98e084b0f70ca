"""Many threads that write at once: their throughput, and how long the slowest of a hundred writes takes."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.measuring import Row, alternate, ratio_row

__all__ = ["THREADS", "Crowd", "crowd_rows"]

THREADS = 16


class Crowd:
    """Threads that each make a call of their own, so many times; calling it lets all of them do so once.

    :param calls: one for each thread.
    """

    def __init__(self, calls: Sequence[Callable[[], object]], times: int) -> None:
        self._calls = calls
        self._times = times
        self.size = len(calls) * times
        self.taken: list[float] = []

    def __call__(self) -> None:
        threads = [threading.Thread(target=self._run, args=(call,)) for call in self._calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run(self, call: Callable[[], object]) -> None:
        taken = []
        for _ in range(self._times):
            began = time.perf_counter()
            call()
            taken.append(time.perf_counter() - began)
        self.taken += taken

    def slowest(self) -> float:
        """The seconds that 99 of 100 calls did not take."""
        return statistics.quantiles(self.taken, n=100)[98]


def crowd_rows(work: str, against: str, ours: Crowd, floor: Crowd, goal: float) -> Iterator[Row]:
    """A row of throughput, as the time of one message, and one of the slowest calls."""
    of_ours, of_floor = alternate(ours, floor, 5)
    yield ratio_row(work, against, (of_ours / ours.size, of_floor / floor.size), goal)
    yield ratio_row(f"{work}: p99", against, (ours.slowest(), floor.slowest()), 1)
