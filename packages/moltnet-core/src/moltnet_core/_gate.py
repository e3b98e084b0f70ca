"""Counts the calls that are inside a store, so that closing it waits for them."""

from __future__ import annotations

import threading
import weakref

from moltnet_core.errors import StoreClosedError
from moltnet_core.forking import around_forks

__all__ = ["Gate"]


class Gate:
    """Entered by each call; once closed, nobody enters."""

    def __init__(self) -> None:
        self._forked()
        self._closed = False
        _gates.add(self)

    def __enter__(self) -> None:
        with self._lock:
            if self._closed:
                raise StoreClosedError
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._inside:  # not in the child of a fork, for who was inside before
                self._inside -= 1
            if self._closed and not self._inside:
                self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def close(self) -> bool:
        """Let nobody in any more and wait until everybody is out.

        :returns: whether this call closed it.
        """
        with self._condition:
            if self._closed:
                return False
            self._closed = True
            self._condition.wait_for(lambda: not self._inside)
            return True

    def _forked(self) -> None:
        # Threads that were inside, or held the lock, do not exist in the child.
        self._lock = threading.Lock()
        self._condition = threading.Condition(self._lock)  # every call takes the lock itself, which is quicker
        self._inside = 0


_gates: weakref.WeakSet[Gate] = weakref.WeakSet()

around_forks(_gates, after_in_child=Gate._forked)
