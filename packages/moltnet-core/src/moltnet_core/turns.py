"""``Turn``: a lock that is handed on in the order in which it was asked for."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["Turn"]


class Turn:
    """Held by one thread at a time; whoever waits longest is next.

    A plain lock goes to whoever asks at the right moment, mostly the one who has just given it back, so that others may
    wait for as long as there is work.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._tickets: deque[threading.Lock] = deque()

    @property
    def is_held(self) -> bool:
        """Whether it is somebody's now."""
        return self._held

    def acquire(self, timeout: float = -1) -> bool:
        """Wait for the turn.

        :param timeout: seconds to wait; -1 waits for ever.
        :returns: whether it is the caller's now.
        """
        with self._lock:
            if not self._held:
                self._held = True
                return True
            ticket = threading.Lock()
            ticket.acquire()
            self._tickets.append(ticket)
        try:
            if ticket.acquire(timeout=timeout):
                return True
        except BaseException:
            if not self._withdraw(ticket):
                self.release()
            raise
        return not self._withdraw(ticket)

    def _withdraw(self, ticket: threading.Lock) -> bool:
        """Stop waiting; false: the turn has come meanwhile."""
        with self._lock:
            if ticket not in self._tickets:
                return False
            self._tickets.remove(ticket)
            return True

    def release(self) -> None:
        """Hand the turn on."""
        with self._lock:
            if self._tickets:
                self._tickets.popleft().release()
            else:
                self._held = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
