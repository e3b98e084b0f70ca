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
        self._holder: threading.Lock | None = None  # the ticket of whoever has the turn
        self._tickets: deque[threading.Lock] = deque()

    @property
    def is_held(self) -> bool:
        """Whether it is somebody's now."""
        return self._holder is not None

    def acquire(self, timeout: float = -1) -> bool:
        """Wait for the turn. Whoever is interrupted meanwhile does not have it.

        :param timeout: seconds to wait; -1 waits for ever.
        :returns: whether it is the caller's now.
        """
        ticket = threading.Lock()
        ticket.acquire()
        try:
            with self._lock:
                if self._holder is None:
                    self._holder = ticket
                else:
                    self._tickets.append(ticket)
            if self._holder is ticket or ticket.acquire(timeout=timeout):
                return True
            return not self._withdraw(ticket)
        except BaseException:
            self._leave(ticket)
            raise

    def _withdraw(self, ticket: threading.Lock) -> bool:
        """Stop waiting; false: the turn has come meanwhile."""
        with self._lock:
            if ticket not in self._tickets:
                return False
            self._tickets.remove(ticket)
            return True

    def release(self) -> None:
        """Hand the turn on."""
        ticket = self._holder
        try:
            self._leave(ticket)
        except BaseException:  # an interrupt, perhaps before it was done
            self._leave(ticket)
            raise

    def _leave(self, ticket: threading.Lock | None) -> None:
        """Have the turn no more, nor wait for it. What was done already is not done again."""
        with self._lock:
            if self._holder is not ticket:
                if ticket is not None and ticket in self._tickets:
                    self._tickets.remove(ticket)
            elif self._tickets:
                # No call stands between these, so an interrupt finds all of them done, or none.
                self._holder = following = self._tickets[0]
                del self._tickets[0]
                following.release()
            else:
                self._holder = None

    # The method itself, as an interrupt may come when a call of another one returns.
    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()
