"""The connections of a store: opened as they are needed, kept for the next call, never more than the pool's size."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from moltnet_core.errors import StoreBusyError, StoreClosedError
from moltnet_core.forking import around_forks
from moltnet_postgres.connections import Connection
from moltnet_postgres.events import CONNECTION_LOST, WRONG_SERVER
from moltnet_postgres.watchdog import Watchdog

__all__ = ["PostgresPool"]


class _Turn:
    """A call's place in the pool: waited for, then had, with a connection or with leave to open one (``None``)."""

    __slots__ = ("connection", "is_had", "refused", "served")

    def __init__(self) -> None:
        self.served: threading.Event | None = None
        self.connection: Connection | None = None
        self.is_had = False
        self.refused = False


class PostgresPool:
    """Connections that belong to the store, not to threads. Calls are served in the order in which they came.

    When one connection turns out to be dead, all that are older go as well: what killed it, a restart or a failover,
    has most likely killed them too.

    :param connect: opens a connection.
    :param place: where to, without a password, for the log.
    :param size: how many there are at most.
    :param timeout: seconds that a call waits for one.
    :param lifetime: seconds after which a connection is closed.
    :param check_after: seconds of idleness after which one is tried before it is used.
    :param check_patience: seconds that such a try may take.
    :ivar on_take: called with each connection that is taken.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        watchdog: Watchdog,
        *,
        place: str,
        size: int,
        timeout: float,
        lifetime: float,
        check_after: float,
        check_patience: float,
    ) -> None:
        self._connect = connect
        self._place = place
        self._watchdog = watchdog
        self._size = size
        self._timeout = timeout
        self._lifetime = lifetime
        self._check_after = check_after
        self._check_patience = check_patience
        self.on_take: Callable[[Connection], None] | None = None
        self._closed = False
        self._opened = self._replaced = 0
        self._forked()
        _pools.add(self)

    def _forked(self) -> None:
        # What a child of a fork has inherited stays the parent's: psycopg2 does not close what another process opened.
        self._lock = threading.Lock()
        self._idle: deque[Connection] = deque()
        # Weakly: one that an interrupted call lost is closed as it is freed, and its place is free again.
        self._leased: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._opening = 0
        self._waiting: deque[_Turn] = deque()
        self._generation = 0

    @property
    def writing(self) -> AbstractContextManager[None]:
        """PostgreSQL lets many write at once."""
        return nullcontext()

    def take(self) -> Connection:
        """A connection that nobody else uses.

        :raises StoreClosedError: the pool is closed.
        :raises StoreBusyError: none became free in time.
        """
        turn = _Turn()
        try:
            self._wait(turn)
            connection, turn.connection = turn.connection, None
            while connection is not None and not self._is_good(connection):
                self._retire(connection)
                with self._lock:
                    connection = self._idle.pop() if self._idle else None
            if connection is None:
                generation = self._generation
                connection = self._connect()
                connection.generation = generation
                with self._lock:
                    self._opened += 1
            with self._lock:
                self._leased.add(connection)
                self._leave(turn)
        except BaseException:
            with self._lock:
                self._leave(turn)
                self._serve()
            raise
        if self.on_take is not None:
            try:
                self.on_take(connection)
            except BaseException:
                self.give(connection)
                raise
        return connection

    def _wait(self, turn: _Turn) -> None:
        """Return with an idle connection, or with leave to open one; either way a place, counted in ``_opening``."""
        with self._lock:
            if self._closed:
                raise StoreClosedError
            if not self._waiting and (self._idle or self._has_room()):
                self._admit(turn)
                return
            served = turn.served = threading.Event()
            self._waiting.append(turn)
        if not served.wait(self._timeout):
            with self._lock:
                if not served.is_set():
                    raise StoreBusyError(
                        f"all {self._size} connections of the store were in use for longer than pool_timeout "
                        f"({self._timeout:g} s); try again, or open it with a larger ?pool_size="
                    )
        if turn.refused:
            raise StoreClosedError

    def _admit(self, turn: _Turn) -> None:
        """Give a call its place. The caller holds the lock."""
        self._opening += 1
        turn.is_had = True
        turn.connection = self._idle.pop() if self._idle else None

    def _leave(self, turn: _Turn) -> None:
        """A call needs its place, or its place in the queue, no more. The caller holds the lock."""
        if turn.is_had:
            self._opening -= 1
            turn.is_had = False
            if turn.connection is not None and not self._closed:  # it was not even looked at
                self._idle.append(turn.connection)
            turn.connection = None
        elif turn in self._waiting:
            self._waiting.remove(turn)

    def _has_room(self) -> bool:
        return len(self._leased) + len(self._idle) + self._opening < self._size

    def _serve(self) -> None:
        """Give the first who wait what there is. The caller holds the lock."""
        while self._waiting and (self._idle or self._has_room() or self._closed):
            turn = self._waiting.popleft()
            if self._closed:
                turn.refused = True
            else:
                self._admit(turn)
            if turn.served is not None:
                turn.served.set()

    def _is_stale(self, connection: Connection) -> bool:
        """Whether it is not to be used again, whatever its state."""
        too_old = time.monotonic() - connection.made_at > self._lifetime
        return connection.generation != self._generation or too_old

    def _is_good(self, connection: Connection) -> bool:
        if connection.closed or self._is_stale(connection):
            return False
        if not connection.has_news and time.monotonic() - connection.used_at <= self._check_after:
            return True
        try:
            connection.check(self._check_patience)
        except Exception:  # noqa: BLE001 - whatever it is, another one is opened
            self._bury(connection)
            return False
        return True

    def _bury(self, dead: Connection) -> None:
        """A connection is dead: those that are as old or older will not be used again."""
        with self._lock:
            is_first = dead.generation == self._generation
            if is_first:
                self._generation += 1
            idle = len(self._idle)
        if is_first and not self._closed:
            CONNECTION_LOST.log(
                "a connection to %s is dead; %d idle ones of its age go too",
                self._place,
                idle,
                server=self._place,
                idle=idle,
            )
        self._weed()

    def _weed(self) -> None:
        """Close idle connections that will not be used again, the longest idle first."""
        while True:
            with self._lock:
                if not self._idle or not self._is_stale(self._idle[0]):
                    return
                connection = self._idle.popleft()
            self._retire(connection)

    def give(self, connection: Connection) -> None:
        """Give a connection back. One that is dead or in a transaction is closed; one from before a fork left alone."""
        if connection not in self._leased:
            return  # the parent's
        is_dead, is_usable = bool(connection.closed), connection.is_usable
        if is_dead:
            self._bury(connection)
        with self._lock:
            keep = is_usable and not self._closed and not self._is_stale(connection)
            if keep:
                connection.used_at = time.monotonic()
                self._leased.discard(connection)
                self._idle.append(connection)
                self._serve()
        if not keep:
            self._retire(connection)
            with self._lock:
                self._leased.discard(connection)
                self._serve()
        self._weed()
        if self._closed and not self._leased:
            self._watchdog.rest()

    def retire_all(self) -> None:
        """Use no connection again that is open now: they lead to a server that is not the right one any more."""
        with self._lock:
            self._generation += 1
            idle = len(self._idle)
        WRONG_SERVER.log(
            "%s takes no writes any more; its connections, %d of them idle, are replaced",
            self._place,
            idle,
            server=self._place,
            idle=idle,
        )
        self._weed()

    def _retire(self, connection: Connection) -> None:
        if connection.closed or connection.generation != self._generation:
            with self._lock:
                self._replaced += 1
        with suppress(Exception):  # what it was used for has been said already
            connection.close()

    def close(self) -> None:
        """Close every connection that is not in use; those that are follow when they are given back."""
        with self._lock:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
            self._serve()
        for connection in idle:
            self._retire(connection)
        self._watchdog.rest()

    def stats(self) -> dict[str, float]:
        """See :meth:`Driver.stats <moltnet_core.driver.Driver.stats>`."""
        with self._lock:
            return {
                "pool.size": self._size,
                "pool.in_use": len(self._leased) + self._opening,
                "pool.idle": len(self._idle),
                "pool.waiting": len(self._waiting),
                "pool.opened": self._opened,
                "pool.replaced": self._replaced,
            }

    # -- fork ----------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Let no thread of ours be alive, if that can be had."""
        self._watchdog.rest()

    def after_fork_in_child(self) -> None:
        """Begin anew with connections of this process's own."""
        self._watchdog.forked()
        self._forked()


_pools: weakref.WeakSet[PostgresPool] = weakref.WeakSet()

around_forks(_pools, before=PostgresPool.before_fork, after_in_child=PostgresPool.after_fork_in_child)
