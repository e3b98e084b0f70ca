"""Waits for new messages: told by ``NOTIFY`` where that is to be had, and by looking now and then besides.

The connection that listens is none of the pool's, as nothing of a session may be left there. A pooler that gives every
transaction another session has none to listen with, a standby cannot listen, and a store that is opened read-only does
not ask to be told: these look, by a connection of the pool.

Nobody is told of each message. Whoever has waited in vain for a moment asks to be told of the next one, and looks again
until all who were writing at that moment are done; they may not have seen that somebody asked.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg2

from moltnet_postgres.connections import Connection, PostgresSession
from moltnet_postgres.feed_reading import FeedQueries, Look
from moltnet_postgres.feed_schema import WAITING, FeedNames
from moltnet_sql.dialect import Dialect
from moltnet_sql.errors import translated

__all__ = ["Listening"]

_FIRST_PAUSE: Final = 0.005  # seconds between two looks, which become longer while nothing comes
_BEFORE_ASKING: Final = 0.04
_WITHOUT_BEING_TOLD: Final = 0.25
_WHEN_TOLD: Final = 2.0  # who asked may have been forgotten: by a writer whose transaction was rolled back
_HELD_BACK: Final = 10.0  # seconds after which it is said why nothing comes

_log = logging.getLogger("moltnet_postgres")


class Listening:
    """Waits for a store's watches.

    :param connect: opens the connection that listens.
    :param look: looks by a connection of the pool.
    :param may_ask: whether asking to be told, which writes to a sequence, is allowed.
    :param place: the database, for people.
    :ivar last_look: what the last look found.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        look: Callable[[], Look],
        queries: FeedQueries,
        names: FeedNames,
        dialect: Dialect,
        place: str,
        *,
        may_ask: bool,
    ) -> None:
        self._connect = connect
        self._look_by_pool = look
        self._queries = queries
        self._names = names
        self._dialect = dialect
        self._place = place
        self._may_ask = may_ask
        self._lock = threading.Lock()
        self._is_woken = False
        self._alarm: tuple[socket.socket, socket.socket] | None = None
        self._connection: Connection | None = None
        self.last_look: Look | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._is_ready = False
        self._asked_at: int | None = None  # the first transaction that began after it
        self._pause = _FIRST_PAUSE
        self._due = 0.0
        self._held_since: float | None = None

    # -- waiting -------------------------------------------------------------------------------------

    def wait(self, timeout: float) -> bool:
        """See :meth:`moltnet_core.feeds.Feed.wait`."""
        until = time.monotonic() + timeout
        try:
            with translated(self._dialect):
                return self._wait(until)
        except BaseException:
            self._disconnect()
            self._begin_anew()
            raise

    def _wait(self, until: float) -> bool:
        if self._alarm is None:
            alarm = socket.socketpair()
            with self._lock:
                self._alarm = alarm
        if not self._is_ready:
            if self._may_ask and self._connection is None:
                self._listen()
            self.last_look = self._look()
            self._is_ready = True
            return True
        while not self._take_alarm():
            now = time.monotonic()
            if now >= self._due:
                if self._has_moved():
                    return True
                continue
            if now >= until:
                break
            if self._sleep(min(self._due, until) - now):
                self._asked_at, self._pause, self._due = None, _FIRST_PAUSE, 0.0
        return False

    def _has_moved(self) -> bool:
        """Look whether there is something new; if not, decide when to look again."""
        before, look = self.last_look, self._look()
        self.last_look = look
        if before is None or look.tip != before.tip or look.gaps != before.gaps:
            self._pause, self._due, self._held_since = _FIRST_PAUSE, 0.0, None
            return True
        if not look.is_armed:
            self._asked_at = None
        longest = _WITHOUT_BEING_TOLD
        if self._connection is not None:
            if self._asked_at is None and self._pause >= _BEFORE_ASKING:
                self._ask()
            elif self._asked_at is not None and look.xid >= self._asked_at and look.unsettled is None:
                longest = self._pause = _WHEN_TOLD
        self._due = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, longest)
        self._say_if_held_back(look)
        return False

    def _say_if_held_back(self, look: Look) -> None:
        now = time.monotonic()
        if look.unsettled is None:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = now
        elif now >= self._held_since + _HELD_BACK:
            self._held_since = float("inf")
            _log.warning(
                "new messages in %s are held back by a transaction that has been writing since before them; see "
                "pg_stat_activity (backend_xid) and pg_prepared_xacts",
                self._place,
            )

    def _look(self) -> Look:
        connection = self._connection
        return self._look_by_pool() if connection is None else self._queries.look(PostgresSession(connection))

    # -- being told ----------------------------------------------------------------------------------

    def _listen(self) -> None:
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_backend_pid(), pg_is_in_recovery(), has_sequence_privilege(%s, 'UPDATE'), %s::regclass::oid",
                (self._names.waiting, self._names.messages),
            )
            ((backend, is_standby, may_ask, table),) = cursor.fetchall()
            # A pooler does not tell its clients which session serves them at the moment.
            if backend == connection.info.backend_pid and may_ask and not is_standby:
                cursor.execute(f"LISTEN moltnet_ext_feed_{table}")
                self._connection = connection
        finally:
            if self._connection is None:
                connection.close()
                self._may_ask = False

    def _ask(self) -> None:
        assert self._connection is not None  # noqa: S101 - who asks listens
        self._connection.cursor().execute("SELECT setval(%s, %s)", (self._names.waiting, WAITING))
        self._asked_at = self._look().next_xid
        self._pause = _FIRST_PAUSE

    def _sleep(self, seconds: float) -> bool:
        """Whether somebody told of something; ends early for that and for an alarm."""
        assert self._alarm is not None  # noqa: S101 - made before
        connection = self._connection
        with selectors.DefaultSelector() as selector:
            selector.register(self._alarm[0], selectors.EVENT_READ)
            if connection is not None:
                selector.register(connection, selectors.EVENT_READ)
            found = [key.fileobj for key, _ in selector.select(seconds)]
        if connection is None or connection not in found:
            return False
        connection.poll()
        is_told = bool(connection.notifies)
        connection.notifies.clear()
        return is_told

    # -- ending --------------------------------------------------------------------------------------

    def wake(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.wake`."""
        with self._lock:
            if not self._is_woken:
                self._is_woken = True
                if self._alarm is not None:
                    self._alarm[1].send(b"\0")

    def _take_alarm(self) -> bool:
        with self._lock:
            is_woken, self._is_woken = self._is_woken, False
            if is_woken and self._alarm is not None:
                self._alarm[0].setblocking(False)
                with suppress(BlockingIOError):
                    self._alarm[0].recv(16)
            return is_woken

    def rest(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.rest`."""
        self._disconnect()
        with self._lock:
            alarm, self._alarm = self._alarm, None
        for end in alarm or ():
            end.close()
        self._begin_anew()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()
