"""Connections to one database file: opened as they are needed, kept for the next call, owned by the store."""

from __future__ import annotations

import ctypes
import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import peewee

from moltnet_core.errors import StoreBusyError, StoreClosedError
from moltnet_sql import Session, SqlDatabase
from moltnet_sqlite.engine import has_wal_reset_bug, sqlite3
from moltnet_sqlite.readonly import cover_old_tables

__all__ = ["SQLiteDatabase", "SQLitePool", "SQLiteSession"]

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


class SQLiteDatabase(SqlDatabase, peewee.SqliteDatabase):
    """peewee's side of a database."""


class _WriteTurn:
    """Held by the one thread of this process that writes: the others wait here, where nobody has to poll.

    :param timeout: seconds to wait for the turn.
    :param prepare: called by whoever has it.
    """

    def __init__(self, timeout: float, prepare: Callable[[], None]) -> None:
        self._timeout = timeout
        self._prepare = prepare
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._timeout):
            raise StoreBusyError(
                f"another thread wrote for longer than busy_timeout ({self._timeout:g} s); try again, "
                "or open with a longer ?busy_timeout=SECONDS"
            )
        try:
            self._prepare()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class SQLitePool:
    """Connections to one file, opened as they are needed and kept for the next call.

    They belong to the store: a call takes one and gives it back, so threads that come and go leave nothing behind, and
    readers run beside the writer.

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
        self._closed = False
        self._reset()
        _pools.add(self)

    def _reset(self) -> None:
        self._idle: list[Any] = []
        # All that are open, idle or not: what a fork inherits, also from threads that are not in the child.
        self._opened: set[Any] = set()
        self._lock = threading.Lock()
        self._is_wal = False
        self.writing = _WriteTurn(self._busy_timeout, self._use_wal)

    def take(self) -> Any:
        """A connection that nobody else uses.

        :raises StoreClosedError: the store was closed.
        """
        with self._lock:
            if self._closed:
                raise StoreClosedError
            if self._idle:
                return self._idle.pop()
        return self._open()

    def give(self, connection: Any) -> None:
        """Give a connection back. One that is in a transaction is closed; one from before a fork is left alone."""
        with self._lock:
            if connection not in self._opened:
                return  # the parent's, see forked()
            # One that is still in a transaction could not be rolled back, and is of no more use.
            if not self._closed and len(self._idle) < _IDLE_CONNECTIONS and not connection.in_transaction:
                self._idle.append(connection)
                return
            self._opened.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close every connection that is not in use; those that are follow when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._opened.difference_update(idle)
        for connection in idle:
            connection.close()

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
        with self._lock:
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

    def _use_wal(self) -> None:
        """Put the file in WAL mode before the first write; SQLite does not wait for locks there, so this does."""
        if self._is_wal:
            return
        deadline = time.monotonic() + self._busy_timeout
        connection = self.take()
        try:
            while not self._try_wal(connection, deadline):
                time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - not for secrets
            self._is_wal = True
        finally:
            self.give(connection)

    @staticmethod
    def _try_wal(connection: Any, deadline: float) -> bool:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            if not busy or time.monotonic() > deadline:
                raise
            return False
        return True

    def forked(self) -> None:
        """In the child of a fork: begin anew. Closing what was inherited would drop the parent's locks."""
        for connection in self._opened:
            # Never to be freed, also not when the interpreter ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        self._reset()


_pools: weakref.WeakSet[SQLitePool] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pool in _pools:
        pool.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
