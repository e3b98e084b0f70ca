"""Ends calls that a server does not answer.

psycopg2 waits inside libpq, where neither a signal nor a time-out of Python's reaches it. So one thread a pool looks
after the calls that are under way, and shuts down the socket of one that is past its deadline: libpq then finds the
connection closed and returns.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

from moltnet_postgres.events import UNWATCHED

__all__ = ["Watchdog", "Watched"]

_REST_PATIENCE = 1.0  # seconds; a call that begins meanwhile keeps the thread alive

_LOOK = 0.0001  # seconds between two looks whether the system's thread has ended


class Watched(Protocol):
    """A connection in a call."""

    def cut(self) -> None:
        """Shut down its socket, and no other. The call, in its own thread, then fails."""
        ...


class Watchdog:
    """Watches calls; its thread lives only while there are some."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """In the child of a fork: begin anew."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._deadlines: dict[Watched, float] = {}
        self._thread: threading.Thread | None = None  # the last one, which may be about to end
        self._is_watching = False
        self._wakes_at = 0.0

    def begin(self, connection: Watched, seconds: float) -> None:
        """A call begins, which may take so long."""
        deadline = time.monotonic() + seconds
        with self._lock:
            self._deadlines[connection] = deadline
            if not self._is_watching:
                self._start(deadline)
            elif deadline < self._wakes_at:
                self._changed.notify_all()

    def _start(self, deadline: float) -> None:
        thread = threading.Thread(target=self._watch, name="moltnet-postgres-watchdog", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is about to end, or the system has no thread left. The server's own limits remain.
            UNWATCHED.log("no thread can be started to watch over calls: one that is not answered may last for ever")
            return
        self._thread, self._is_watching, self._wakes_at = thread, True, deadline

    def end(self, connection: Watched) -> bool:
        """The call is over; whether it was cut short."""
        with self._lock:
            return self._deadlines.pop(connection, None) is None

    def rest(self) -> None:
        """End the thread, if nothing is under way: a process should not fork beside one."""
        with self._lock:
            thread = self._thread
            if thread is None or self._deadlines:
                return
            self._changed.notify_all()
        until = time.monotonic() + _REST_PATIENCE
        thread.join(_REST_PATIENCE)
        # Python is done with it a moment before the system is, and warns of a fork by what the system says.
        while Path(f"/proc/self/task/{thread.native_id}").exists() and time.monotonic() < until:
            time.sleep(_LOOK)
        with self._lock:
            if self._thread is thread and not thread.is_alive():
                self._thread = None

    def _watch(self) -> None:
        with self._lock:
            while True:
                now = time.monotonic()
                for connection in [each for each, deadline in self._deadlines.items() if deadline <= now]:
                    del self._deadlines[connection]
                    connection.cut()
                # Calls end long before their deadlines, so it seldom wakes; once it finds no call, it ends.
                if not self._deadlines:
                    self._is_watching = False
                    return
                self._wakes_at = min(self._deadlines.values())
                self._changed.wait(self._wakes_at - now)
