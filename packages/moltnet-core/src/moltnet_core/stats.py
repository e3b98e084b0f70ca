"""What a store has done since it was opened, in numbers that a service exports as metrics."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from attrs import field, frozen

__all__ = ["LATENCY_BOUNDS", "CallStats", "QueueStats", "Stats"]

# fmt: off
LATENCY_BOUNDS: Final = (
    0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005,
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
)
# fmt: on
"""The upper bounds of :attr:`CallStats.buckets`, in seconds, each inclusive: from 10 µs to 10 s."""


@frozen
class CallStats:
    """The calls of one name.

    :param buckets: how many took how long: one number for each of :data:`LATENCY_BOUNDS`, of the calls that took no
        longer than it and longer than the one before, and a last one for those that took longer than all.
    :param seconds: how long all took together.
    :param longest: how long the longest took, in seconds.
    :param errors: how many raised, by the error's class. What is the caller's mistake counts too, as a
        ``ValidationError``.
    """

    buckets: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS) + 1)
    seconds: float = 0.0
    longest: float = 0.0
    errors: Mapping[str, int] = field(factory=dict)

    @property
    def count(self) -> int:
        """How many calls have ended, those that raised among them."""
        return sum(self.buckets)

    @property
    def failed(self) -> int:
        """How many calls raised."""
        return sum(self.errors.values())

    def quantile(self, share: float) -> float:
        """A time, in seconds, that so large a share of the calls did not exceed: the upper bound of their bucket.

        :param share: 0 to 1; 0.99 is the 99th percentile.
        :returns: 0 if there were no calls.
        """
        wanted = share * self.count
        for bound, so_far in zip((*LATENCY_BOUNDS, self.longest), accumulate(self.buckets), strict=True):
            if so_far >= wanted:
                return min(bound, self.longest)
        return self.longest


@frozen
class QueueStats:
    """The threads of an asynchronous store, at this moment.

    :param limit: how many threads there are at most, and so calls at a time.
    :param threads: how many there are.
    :param running: calls that are being made.
    :param waiting: calls that wait for a thread.
    """

    limit: int
    threads: int
    running: int
    waiting: int


@frozen
class Stats:
    """What :meth:`Store.stats <moltnet_core.store.Store.stats>` gives.

    Counts and sums only grow, as long as the store is open: whoever wants what happened in a minute subtracts.

    :param calls: what was called, by the method's name; a name that was never called is not there. ``entries`` is a
        snapshot's.
    :param driver: the backend's own, see :meth:`Driver.stats <moltnet_core.driver.Driver.stats>`.
    :param queue: of an asynchronous store.
    """

    calls: Mapping[str, CallStats]
    driver: Mapping[str, float] = field(factory=dict)
    queue: QueueStats | None = None
