"""Connections to one database file: opened as they are needed, kept for the next call, owned by the store."""

from __future__ import annotations

import ctypes
import random
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import peewee

from moltnet_core.errors import StoreClosedError
from moltnet_core.feeds import Signal
from moltnet_core.forking import around_forks
from moltnet_sql import SqlDatabase
from moltnet_sqlite.engine import has_wal_reset_bug, sqlite3
from moltnet_sqlite.events import LOG_GROWN
from moltnet_sqlite.files import sidecar
from moltnet_sqlite.readonly import cover_old_tables
from moltnet_sqlite.writeturn import WriteTurn

__all__ = ["SQLiteDatabase", "SQLitePool"]

_IDLE_CONNECTIONS = 16
_WRITES_BETWEEN_LOOKS = 16
_WRITES_BETWEEN_TRIES = 64 * _WRITES_BETWEEN_LOOKS
_LARGE_LOG = 16 * 1024 * 1024
_HUGE_LOG = 256 * 1024 * 1024
_LOG_PATIENCE_MS = 50
_FORK_PATIENCE = 2.0  # seconds that a fork waits for other threads' calls
_SYNCHRONOUS = {"full": 2, "normal": 1, "extra": 3}


def _schema_version(connection: Any) -> int:
    """SQLite's counter of changes to the file's schema."""
    found: int = connection.execute("PRAGMA main.schema_version").fetchone()[0]
    return found


class SQLiteDatabase(SqlDatabase, peewee.SqliteDatabase):
    """peewee's side of a database."""


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
        self._made = 0
        self._log_file = sidecar(path, "-wal")
        status = path.stat()
        self._file = (status.st_dev, status.st_ino)
        self._reset()
        _pools.add(self)

    def _reset(self) -> None:
        self._idle: list[Any] = []
        # All that are open, idle or not: what a fork inherits, also from threads that are not in the child.
        self._opened: set[Any] = set()
        # What is in use, with the thread that took it: connections, and for each that is being opened a placeholder.
        self._leases: dict[Any, int] = {}
        self._seen_schemas: dict[Any, int] = {}
        self._seen_versions: dict[Any, int] = {}  # of what other connections committed, as each last saw it
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # of leases while a fork waits, and of the end of that wait
        self._forking = False
        self._is_wal = False
        self._writes = 0
        self._log_limit = _LARGE_LOG
        self._log_told = _HUGE_LOG
        self.wrote = Signal()
        self.writing = WriteTurn(self._busy_timeout, self._use_wal, self._after_write)

    def take(self) -> Any:
        """A connection that nobody else uses.

        :raises StoreClosedError: the store was closed, or cannot be used in this child of a fork.
        """
        return self._take(wait=True)

    def _take(self, *, wait: bool) -> Any:
        """The same; without ``wait`` it is ``None`` while the process forks.

        :raises StoreClosedError: the store was closed, or cannot be used in this child of a fork.
        """
        placeholder, thread = object(), threading.get_ident()
        with self._lock:
            while self._forking:
                if not wait:
                    return None
                self._changed.wait()
            if self._closed:
                raise StoreClosedError
            if self._file in _lost_files:
                raise StoreClosedError(_LOST)
            while self._idle:
                connection = self._idle.pop()
                if self._read_only and _schema_version(connection) != self._seen_schemas.get(connection):
                    # Its views cover a version that the file has no longer.
                    self._discard(connection)
                    continue
                self._leases[connection] = thread
                return connection
            self._leases[placeholder] = thread
        opened = None
        try:
            opened = self._open()
        finally:
            with self._lock:
                del self._leases[placeholder]
                if opened is not None:
                    self._made += 1
                    self._opened.add(opened)
                    self._leases[opened] = thread
                self._changed.notify_all()
        return opened

    def give(self, connection: Any) -> None:
        """Give a connection back. One that is in a transaction is closed; one from before a fork is left alone."""
        with self._lock:
            if connection not in self._opened:
                return  # the parent's, see forked()
            # One that is still in a transaction could not be rolled back, and is of no more use.
            del self._leases[connection]
            if self._closed or len(self._idle) >= _IDLE_CONNECTIONS or connection.in_transaction:
                self._discard(connection)
            else:
                self._idle.append(connection)
            if self._forking:
                self._changed.notify_all()

    def _discard(self, connection: Any) -> None:
        self._opened.discard(connection)
        self._seen_schemas.pop(connection, None)
        self._seen_versions.pop(connection, None)
        with suppress(sqlite3.Error):  # what it was used for has been said already
            connection.close()

    def close(self) -> None:
        """Close every connection that is not in use; those that are follow when they are given back."""
        with self._lock:
            self._closed = True
            self._close_idle()

    def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            self._discard(connection)

    def sees_change(self) -> bool:
        """Whether others may have committed since the last look: any connection but that of the look itself.

        What this pool's own connections commit is told by ``wrote``. While the process forks nothing is seen; what was
        missed is seen later.
        """
        connection = self._take(wait=False)
        if connection is None:
            return False
        try:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            seen = self._seen_versions.get(connection)
            self._seen_versions[connection] = version
        finally:
            self.give(connection)
        return bool(version != seen)

    def _after_write(self) -> None:
        self.wrote.give()
        self._bound_log()

    def stats(self) -> dict[str, float]:
        """See :meth:`Driver.stats <moltnet_core.driver.Driver.stats>`; there is no limit to them, and nobody waits."""
        with self._lock:
            return {"pool.in_use": len(self._leases), "pool.idle": len(self._idle), "pool.opened": self._made}

    def _bound_log(self) -> None:
        """Keep the write-ahead log from growing while readers overlap all the time.

        SQLite begins its log anew only at a moment without readers. Where that does not come by itself, this waits for
        it, but not long. A reader that stays for minutes keeps the log growing; that is told.
        """
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_LOOKS or has_wal_reset_bug():
            return
        try:
            size = self._log_file.stat().st_size
            # A try that is blocked costs time: the next one comes when the log has grown further, or after a while.
            again = size > _LARGE_LOG and self._writes % _WRITES_BETWEEN_TRIES == 0
            if size <= self._log_limit and not again:
                return
            if self._begin_log_anew():
                self._log_limit, self._log_told = _LARGE_LOG, _HUGE_LOG
            else:
                self._log_limit = size + _LARGE_LOG
                if size > self._log_told:
                    self._log_told = 2 * size
                    LOG_GROWN.log(
                        "the write-ahead log %s has grown to %d MiB, as somebody has been reading for a long time; "
                        "it shrinks when that ends",
                        self._log_file,
                        size >> 20,
                        path=str(self._log_file),
                        bytes=size,
                    )
        except (OSError, sqlite3.Error, StoreClosedError):
            return  # the write is done; whatever is wrong will be said by the next one

    def _begin_log_anew(self) -> bool:
        connection = self.take()
        try:
            connection.execute(f"PRAGMA busy_timeout = {_LOG_PATIENCE_MS}")
            blocked: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not blocked
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(self._busy_timeout * 1000)}")
            self.give(connection)

    # -- fork ----------------------------------------------------------------------------------------

    # SQLite keeps the locks that a process holds on a file in tables of the process, which a child inherits and
    # takes for its own: it would write without a lock. So nothing may be open when the process forks.

    def before_fork(self) -> None:
        """Wait for other threads to give back what they use, keep them from taking more, and close all."""
        thread = threading.get_ident()
        with self._lock:
            self._forking = True
            self._changed.wait_for(
                lambda: all(owner == thread for owner in self._leases.values()), timeout=_FORK_PATIENCE
            )
            self._close_idle()

    def after_fork_in_parent(self) -> None:
        """Let threads take connections again."""
        with self._lock:
            self._forking = False
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        """Begin anew. Where something was in use, this process can never open the file."""
        if self._leases:
            _lost_files.add(self._file)
        for connection in self._opened:
            # Never to be freed, also not when the interpreter ends: closing it would act on the parent's behalf.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
        self._reset()

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
        return connection

    def _prepare(self, connection: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        if has_wal_reset_bug():
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        if self._read_only:
            connection.execute("PRAGMA temp_store = MEMORY")
            self._seen_schemas[connection] = _schema_version(connection)
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


_pools: weakref.WeakSet[SQLitePool] = weakref.WeakSet()

_lost_files: set[tuple[int, int]] = set()
"""Files (device and inode) that were in use when this process was forked."""

_LOST = (
    "this process was forked while another thread or an open transaction or snapshot used the store; "
    "open it in a process that was spawned, or fork while it is not in use"
)

around_forks(
    _pools,
    before=SQLitePool.before_fork,
    after_in_parent=SQLitePool.after_fork_in_parent,
    after_in_child=SQLitePool.after_fork_in_child,
)
