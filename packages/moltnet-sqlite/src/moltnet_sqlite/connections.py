"""Connections to one database file: opened as they are needed, kept for the next call, owned by the store."""

from __future__ import annotations

import ctypes
import os
import random
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import peewee

from moltnet_core.errors import StoreBusyError, StoreClosedError
from moltnet_sql import QuietLogMixin, Session
from moltnet_sqlite.engine import has_wal_reset_bug, sqlite3
from moltnet_sqlite.readonly import cover_old_tables

__all__ = ["SQLiteConnections", "SQLiteSession"]

_IDLE_CONNECTIONS = 8
_SYNCHRONOUS = {"full": 2, "normal": 1, "extra": 3}


class SQLiteSession(Session):
    """Reads text that is not UTF-8 too: such a value comes as ``bytes``, and its row alone is corrupt."""

    __slots__ = ()

    def fetch(self, sql: str, parameters: Any = ()) -> Any:
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
        self.connection.text_factory = _text_or_bytes
        try:
            return self.connection.execute(sql, parameters).fetchall()
        finally:
            self.connection.text_factory = str

    def execute(self, sql: str, parameters: Any = ()) -> int:
        return int(self.connection.execute(sql, parameters).rowcount)


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


class SQLiteConnections(QuietLogMixin, peewee.SqliteDatabase):
    """A peewee database that takes its connections from a pool.

    A thread has a connection for as long as it is in ``connection_context()``, and gives it back. So threads that come
    and go leave nothing behind, and readers run beside a writer. One writer at a time waits for SQLite's own lock; the
    others of this process wait for that one here, where nobody has to poll.

    :param path: the file; it must exist.
    :param read_only: open it so that SQLite changes neither the file nor its ``-wal``.
    :param immutable: nobody writes to it and no ``-shm`` can be made beside it.
    :param busy_timeout: seconds to wait for a lock.
    :param synchronous: ``full``, ``normal`` or ``extra``.
    """

    def __init__(self, path: Path, *, read_only: bool, immutable: bool, busy_timeout: float, synchronous: str) -> None:
        mode = "ro" if read_only else "rw"
        self._uri = f"file:{quote(str(path.absolute()))}?mode={mode}{'&immutable=1' if immutable else ''}"
        self._read_only = read_only
        self._busy_timeout = busy_timeout
        self._synchronous = _SYNCHRONOUS[synchronous]
        self._reset()
        super().__init__(str(path), autoconnect=False)
        _open_databases.add(self)

    def _reset(self) -> None:
        self._idle: list[Any] = []
        # All that are open, idle or not: what a fork inherits, also from threads that are not in the child.
        self._opened: set[Any] = set()
        self._idle_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._is_wal = False
        self._pool_closed = False

    # -- the pool ------------------------------------------------------------------------------------

    def _connect(self) -> Any:
        with self._idle_lock:
            if self._pool_closed:
                raise StoreClosedError
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _close(self, conn: Any) -> None:
        with self._idle_lock:
            if conn not in self._opened:
                return  # inherited by a fork that happened meanwhile: the parent's, see forked()
            # One that is still in a transaction could not be rolled back, and is of no more use.
            if not self._pool_closed and len(self._idle) < _IDLE_CONNECTIONS and not conn.in_transaction:
                self._idle.append(conn)
                return
            self._opened.discard(conn)
        conn.close()

    def close_pool(self) -> None:
        """Close every connection that is not in use; those that are follow when they are given back."""
        with self._idle_lock:
            self._pool_closed = True
            idle, self._idle = self._idle, []
            self._opened.difference_update(idle)
        for connection in idle:
            connection.close()

    @contextmanager
    def lease(self) -> Iterator[Any]:
        """A connection apart from this thread's own."""
        connection = self._connect()
        try:
            yield connection
        finally:
            self._close(connection)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Held by the one thread of this process that writes.

        :raises StoreBusyError: another thread held it for longer than ``busy_timeout``.
        """
        if not self._write_lock.acquire(timeout=self._busy_timeout):
            raise StoreBusyError(
                f"another thread wrote for longer than busy_timeout ({self._busy_timeout:g} s); try again"
            )
        try:
            if not self._is_wal:
                self._convert_to_wal()
            yield
        finally:
            self._write_lock.release()

    # -- one connection ------------------------------------------------------------------------------

    def _open(self) -> Any:
        connection = sqlite3.connect(
            self._uri,
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        with self._idle_lock:
            self._opened.add(connection)
        return connection

    def _prepare(self, connection: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        if has_wal_reset_bug():
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        if self._read_only:
            connection.execute("PRAGMA temp_store = MEMORY")
            cover_old_tables(connection)
            connection.execute("PRAGMA query_only = ON")
        found = connection.execute("PRAGMA synchronous").fetchone()[0]
        if found != self._synchronous:
            raise sqlite3.OperationalError("SQLite did not accept the synchronous setting")

    def _convert_to_wal(self) -> None:
        """Put the file in WAL mode, which SQLite does without waiting for locks: so this waits."""
        deadline = time.monotonic() + self._busy_timeout
        with self.lease() as connection:
            while True:
                try:
                    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
                    if mode != "wal":
                        connection.execute("PRAGMA journal_mode = WAL").fetchone()
                    self._is_wal = True
                    return
                except sqlite3.OperationalError as error:
                    busy = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
                    if not busy or time.monotonic() > deadline:
                        raise
                time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - not for secrets

    # -- fork ----------------------------------------------------------------------------------------

    def forked(self) -> None:
        """In the child of a fork: begin anew. Closing what was inherited would drop the parent's locks."""
        for connection in self._opened:
            # Never to be freed, also not when the interpreter ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        closed = self._pool_closed
        self._reset()
        self._pool_closed = closed
        self._lock = threading.Lock()  # peewee's, which another thread may have held
        self.dispose()


_open_databases: weakref.WeakSet[SQLiteConnections] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for database in _open_databases:
        with suppress(Exception):
            database.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
