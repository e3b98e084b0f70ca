"""The connections of a store: opened as they are needed, kept for the next call, never more than the pool's size."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from moltnet_core.errors import StoreBusyError, StoreClosedError
from moltnet_postgres.connections import Connection
from moltnet_postgres.watchdog import Watchdog

__all__ = ["PostgresPool"]


class _Waiter:
    """A call that waits for its turn. It is handed a connection, or leave to open one (``None``)."""

    __slots__ = ("connection", "refused", "served")

    def __init__(self) -> None:
        self.served = threading.Event()
        self.connection: Connection | None = None
        self.refused = False


class PostgresPool:
    """Connections that belong to the store, not to threads. Calls are served in the order in which they came.

    When one connection turns out to be dead, all that are older go as well: what killed it, a restart or a failover,
    has most likely killed them too.

    :param connect: opens a connection.
    :param size: how many there are at most.
    :param timeout: seconds that a call waits for one.
    :param lifetime: seconds after which a connection is closed.
    :param check_after: seconds of idleness after which one is tried before it is used.
    :ivar on_take: called with each connection that is taken.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        watchdog: Watchdog,
        *,
        size: int,
        timeout: float,
        lifetime: float,
        check_after: float,
    ) -> None:
        self._connect = connect
        self._watchdog = watchdog
        self._size = size
        self._timeout = timeout
        self._lifetime = lifetime
        self._check_after = check_after
        self.on_take: Callable[[Connection], None] | None = None
        self._closed = False
        self._forked()
        _pools.add(self)

    def _forked(self) -> None:
        # What a child of a fork has inherited stays the parent's: psycopg2 does not close what another process opened.
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._leased: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[_Waiter] = deque()
        self._generation = 0

    @property
    def writing(self) -> AbstractContextManager[None]:
        """PostgreSQL lets many write at once."""
        return nullcontext()

    @property
    def in_use(self) -> int:
        """How many connections are in calls now."""
        return len(self._leased)

    def take(self) -> Connection:
        """A connection that nobody else uses.

        :raises StoreClosedError: the pool is closed.
        :raises StoreBusyError: none became free in time.
        """
        connection = self._leased_at_once()
        if connection is None:
            connection = self._made_or_awaited()
        if self.on_take is not None:
            try:
                self.on_take(connection)
            except BaseException:
                self.give(connection)
                raise
        return connection

    def _leased_at_once(self) -> Connection | None:
        """The connection that was used last, if nobody waits for one and it is good."""
        with self._lock:
            if self._closed:
                raise StoreClosedError
            if self._waiting or not self._idle:
                return None
            connection = self._idle.pop()
            self._leased.add(connection)
        if self._is_good(connection):
            return connection
        self._drop(connection)
        return None

    def _made_or_awaited(self) -> Connection:
        connection = self._turn()
        while connection is not None and not self._is_good(connection):
            self._retire(connection)
            with self._lock:
                connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                generation = self._generation
                connection = self._connect()
                connection.generation = generation
        except BaseException:
            with self._lock:
                self._opening -= 1
                self._serve()
            raise
        with self._lock:
            self._opening -= 1
            self._leased.add(connection)
        return connection

    def _drop(self, connection: Connection) -> None:
        """Let go of a leased connection that is of no use."""
        with self._lock:
            self._leased.discard(connection)
            self._serve()
        self._retire(connection)

    def _turn(self) -> Connection | None:
        """An idle connection, or ``None`` to open one; either way a place in the pool, counted in ``_opening``."""
        with self._lock:
            if self._closed:
                raise StoreClosedError
            if not self._waiting and (self._idle or self._has_room()):
                self._opening += 1
                return self._idle.pop() if self._idle else None
            waiter = _Waiter()
            self._waiting.append(waiter)
        if not waiter.served.wait(self._timeout):
            with self._lock:
                if not waiter.served.is_set():
                    self._waiting.remove(waiter)
                    raise StoreBusyError(
                        f"all {self._size} connections of the store were in use for longer than pool_timeout "
                        f"({self._timeout:g} s); try again, or open it with a larger ?pool_size="
                    )
        if waiter.refused:
            raise StoreClosedError
        return waiter.connection

    def _has_room(self) -> bool:
        return len(self._leased) + len(self._idle) + self._opening < self._size

    def _serve(self) -> None:
        """Give the first who wait what there is. The caller holds the lock."""
        while self._waiting and (self._idle or self._has_room() or self._closed):
            waiter = self._waiting.popleft()
            if self._closed:
                waiter.refused = True
            else:
                self._opening += 1
                waiter.connection = self._idle.pop() if self._idle else None
            waiter.served.set()

    def _is_good(self, connection: Connection) -> bool:
        now = time.monotonic()
        if connection.closed or connection.generation != self._generation or now - connection.made_at > self._lifetime:
            return False
        if not connection.has_news and now - connection.used_at <= self._check_after:
            return True
        try:
            connection.cursor().execute("SELECT 1")
        except Exception:  # noqa: BLE001 - whatever it is, another one is opened
            with self._lock:
                self._bury(connection)
            return False
        return True

    def _bury(self, dead: Connection) -> None:
        """A connection is dead: those that are as old or older will not be used again. The caller holds the lock."""
        if dead.generation == self._generation:
            self._generation += 1

    def give(self, connection: Connection) -> None:
        """Give a connection back. One that is dead or in a transaction is closed; one from before a fork left alone."""
        with self._lock:
            if connection not in self._leased:
                return  # the parent's
            self._leased.discard(connection)
            if connection.closed:
                self._bury(connection)
            keep = not self._closed and connection.is_usable and connection.generation == self._generation
            if keep:
                connection.used_at = time.monotonic()
                self._idle.append(connection)
            self._serve()
        if not keep:
            self._retire(connection)

    def retire_all(self) -> None:
        """Use no connection again that is open now: they lead to a server that is not the right one any more."""
        with self._lock:
            self._generation += 1

    @staticmethod
    def _retire(connection: Connection) -> None:
        with suppress(Exception):  # what it was used for has been said already
            connection.close()

    def close(self) -> None:
        """Close every connection that is not in use; those that are follow when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._serve()
        for connection in idle:
            self._retire(connection)
        self._watchdog.rest()

    # -- fork ----------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Let no thread of ours be alive, if that can be had."""
        self._watchdog.rest()

    def after_fork_in_child(self) -> None:
        """Begin anew with connections of this process's own."""
        self._watchdog.forked()
        self._forked()


_pools: weakref.WeakSet[PostgresPool] = weakref.WeakSet()


def _for_each_pool(act: Callable[[PostgresPool], Any]) -> Callable[[], None]:
    def hook() -> None:
        for pool in list(_pools):
            act(pool)

    return hook


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_for_each_pool(PostgresPool.before_fork),
        after_in_child=_for_each_pool(PostgresPool.after_fork_in_child),
    )
