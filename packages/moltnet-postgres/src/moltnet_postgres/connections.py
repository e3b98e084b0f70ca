"""One connection to PostgreSQL: how its calls are led, limited and watched.

Nothing is held at session level, so that a pooler may give every transaction another server connection: each
transaction, and each statement that is one by itself, carries its own limits along, as ``SET LOCAL`` in the same trip.
"""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg2
from psycopg2.extensions import (
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
    connection,
    cursor,
)

from moltnet_postgres.watchdog import Watchdog
from moltnet_sql import Session

__all__ = ["BEGIN_READ", "BEGIN_WRITE", "DURABLE", "AbortedError", "Connection", "DeadlineError", "PostgresSession"]

BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Not READ WRITE, which a standby refuses in its own way, and which would override a server that is set to read-only.
BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"

# A write is durable when its call returns, whatever is good enough for others on this server. More than "on" stays.
DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit', true) = 'off'; "
)

_ROWS_AT_ONCE = 500
_BYTES_AT_ONCE = 8 * 2**20
_UNHURRIED = 24 * 3600.0  # seconds
_AT_ONCE = 250  # statements, or rows that are inserted
_INSERT: Final = re.compile(r"(INSERT INTO [^%]+ VALUES )(\(.+\))((?: ON CONFLICT \([^()]+\) DO NOTHING)?)", re.DOTALL)
"""An insertion of one row of parameters: what stands before the row, the row, and what stands behind it."""
_BYTES_AT_ONCE = 16 * 1024 * 1024  # a server takes less than 1 GiB at once


class DeadlineError(psycopg2.OperationalError):
    """The server did not answer in time, and the connection was closed."""


class AbortedError(psycopg2.InternalError):
    """A transaction was to be committed of which a statement had failed."""


class _Cursor(cursor):
    """Sends what has to go before a statement along with it, and watches over the call."""

    connection: Connection

    def execute(self, query: Any, vars: Any = None) -> None:
        owner = self.connection
        led = owner.led(query)
        if led is not None:
            owner.call(super().execute, led, vars)

    def executemany(self, query: Any, vars_list: Iterable[Any]) -> None:
        # Rows that are inserted go into one statement, for which the server has less to do than for many.
        insert = _INSERT.fullmatch(query)
        begin, each_time, end = insert.groups() if insert is not None else ("", query, "")
        between = b"," if insert is not None else b";"
        waiting: list[bytes] = []
        size = 0

        def send() -> None:
            self.execute(begin.encode() + between.join(waiting) + end.encode())

        for each in vars_list:
            part = self.mogrify(each_time, each)
            if waiting and (len(waiting) == _AT_ONCE or size + len(part) > _BYTES_AT_ONCE):
                send()
                waiting, size = [], 0
            waiting.append(part)
            size += len(part)
        if waiting:
            send()


class Connection(connection):
    """A connection of a pool.

    :ivar limits: statements that set the limits of a transaction, each ended by a semicolon.
    :ivar durable: a statement, ended alike, that makes the commit of a writing transaction wait for the disk.
    :ivar patience: how long one call may take, in seconds.
    :ivar covers: what stands in place of tables of an old version: see :mod:`moltnet_postgres.readonly`.
    """

    limits: str = ""
    durable: str = ""
    patience: float = 30.0
    watchdog: Watchdog
    generation: int = 0
    covers: dict[str, str] | None = None
    _socket: int | None = None

    def __init__(self, dsn: str, *arguments: Any, **options: Any) -> None:
        super().__init__(dsn, *arguments, **options)
        self.autocommit = True
        self.cursor_factory = _Cursor
        self.made_at = self.used_at = time.monotonic()
        self._begin: str | None = None
        self._news: Any = None  # where the system has it, it is quicker, and takes every descriptor
        if hasattr(select, "poll"):
            self._news = select.poll()
            self._news.register(self, select.POLLIN)
        self._is_cut = False
        # A copy, as libpq may close its own descriptor at any moment, whose number is the next file's then.
        self._socket = os.dup(self.fileno())

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._forget_socket()

    def __del__(self) -> None:
        self._forget_socket()

    def _forget_socket(self) -> None:
        copy, self._socket = self._socket, None
        if copy is not None:
            os.close(copy)

    def cut(self) -> None:
        """Shut down the socket under a call of another thread."""
        if self._socket is not None:
            with suppress(OSError), socket.socket(fileno=os.dup(self._socket)) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)

    def check(self, patience: float) -> None:
        """Ask the server for a sign of life.

        :raises psycopg2.Error: there was none.
        """
        usual, self.patience = self.patience, min(self.patience, patience)
        try:
            self.cursor().execute("SELECT 1")
        finally:
            self.patience = usual

    def led(self, query: Any) -> Any:
        """What to send for a statement: it and what goes before it, in one trip. ``None``: nothing yet."""
        if query in (BEGIN_READ, BEGIN_WRITE):
            self._begin = query
            return None
        begin, self._begin = self._begin, None
        if begin is not None:
            if query in ("COMMIT", "ROLLBACK"):
                return None  # nothing was sent
            lead = f"{begin}; {self.limits}{self.durable if begin == BEGIN_WRITE else ''}"
        elif query in ("COMMIT", "ROLLBACK"):
            return self._ending(query)
        elif self.limits and self.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            lead = self.limits
        else:
            return query
        return lead.encode() + query if isinstance(query, bytes) else lead + query

    def _ending(self, query: str) -> str | None:
        """What to send to end a transaction that has begun."""
        status = self.get_transaction_status()
        if query == "COMMIT" and status == TRANSACTION_STATUS_INERROR:
            raise AbortedError  # the server would roll back, and call that a success
        return None if query == "ROLLBACK" and status == TRANSACTION_STATUS_IDLE else query

    def call(self, execute: Callable[[Any, Any], None], query: Any, parameters: Any) -> None:
        """Execute something, for as long as patience lasts.

        :raises DeadlineError: longer than that.
        """
        try:
            self.watchdog.begin(self, self.patience)
            execute(query, parameters)
        except psycopg2.Error as error:
            if self.watchdog.end(self):
                raise DeadlineError from error
            raise
        except BaseException:
            self.watchdog.end(self)
            raise
        self._is_cut = self.watchdog.end(self)  # answered at the very last moment

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, failed or not."""
        return self.get_transaction_status() in (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR)

    @property
    def is_usable(self) -> bool:
        """Whether it can be given to the next call, as far as can be told without asking the server."""
        if self.closed or self._is_cut or self._begin is not None:
            return False
        return self.get_transaction_status() == TRANSACTION_STATUS_IDLE

    @property
    def has_news(self) -> bool:
        """Whether the server has sent something to a connection that asked nothing: most often that it is gone."""
        if self._news is None:
            return bool(select.select([self], [], [], 0)[0])
        return bool(self._news.poll(0))


class PostgresSession(Session):
    """Executes many statements in few trips, and streams by a cursor of the server's."""

    __slots__ = ()

    def fetch(self, sql: str, parameters: Any = ()) -> list[Sequence[Any]]:
        return super().fetch(self._covered(sql), parameters)

    def stream(self, sql: str, parameters: Any = ()) -> Iterator[Sequence[Any]]:
        self.connection.cursor().execute(
            f"DECLARE moltnet_stream NO SCROLL CURSOR FOR {self._covered(sql)}", parameters or None
        )
        return self._streamed()

    def _streamed(self) -> Iterator[Sequence[Any]]:
        count = 1
        try:
            while rows := super().fetch(f"FETCH {count} FROM moltnet_stream"):
                yield from rows
                size = sum(len(cell) for row in rows for cell in row if isinstance(cell, str))
                count = max(1, min(2 * count, _ROWS_AT_ONCE, count * _BYTES_AT_ONCE // max(size, 1)))
        finally:
            if not self.connection.closed and self.connection.get_transaction_status() == TRANSACTION_STATUS_INTRANS:
                self.connection.cursor().execute("CLOSE moltnet_stream")

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        usual, self.connection.patience = self.connection.patience, _UNHURRIED
        try:
            self.connection.cursor().execute(f"SET LOCAL statement_timeout = {round(_UNHURRIED * 1000)}")
            yield
        finally:
            self.connection.patience = usual

    def _covered(self, sql: str) -> str:
        for table, query in (self.connection.covers or {}).items():
            sql = sql.replace(table, query)
        return sql
