"""One call's work on the database: a connection from the pool, usually a transaction, and what becomes of errors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, Protocol

from moltnet_core.errors import MoltnetError, StoreClosedError
from moltnet_sql.dialect import Dialect
from moltnet_sql.errors import raise_translated

__all__ = ["Pool", "Unit"]


class Pool(Protocol):
    """Where a backend keeps its connections."""

    def take(self) -> Any:
        """A connection that nobody else uses.

        :raises StoreClosedError: the pool is closed.
        """
        ...

    def give(self, connection: Any) -> None:
        """Give a connection back. One that is in a transaction is closed; one from before a fork is left alone."""
        ...

    def stats(self) -> Mapping[str, float]:
        """See :meth:`Driver.stats <moltnet_core.driver.Driver.stats>`."""
        ...

    @property
    def writing(self) -> AbstractContextManager[None]:
        """Held around a writing transaction, where the engine is better off with one at a time."""
        ...


class Unit:
    """A context in which a connection is used; it gives the connection.

    It commits when it is left and rolls back when it is left by an error. An error of the engine becomes the
    contract's, and the first error is the one that is raised: a rollback that fails too does not take its place.

    It is a plain class, and not put together of smaller contexts, because every call pays for it.

    :param begin: SQL that begins the transaction; ``None`` leaves every statement on its own.
    :param write: whether it writes; without ``begin`` it may do so with one statement.
    """

    __slots__ = ("_begin", "_connection", "_dialect", "_held", "_pool", "_process")

    def __init__(self, pool: Pool, dialect: Dialect, begin: str | None, *, write: bool = False) -> None:
        self._pool = pool
        self._dialect = dialect
        self._begin = begin
        self._held = pool.writing if write else None
        self._process = os.getpid()

    def __enter__(self) -> Any:
        try:
            if self._held is not None:
                self._held.__enter__()
            try:
                self._connection = self._pool.take()
                try:
                    if self._begin is not None:
                        self._connection.cursor().execute(self._begin)
                except BaseException:
                    self._pool.give(self._connection)
                    raise
            except BaseException:
                self._release()
                raise
        except Exception as error:
            raise_translated(self._dialect, error)
            raise
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if os.getpid() != self._process:
            if isinstance(error, MoltnetError):
                return
            raise StoreClosedError("what was going on ends where the process forks; call again here") from None
        try:
            if self._begin is not None and error is None:
                self._connection.cursor().execute("COMMIT")
        except BaseException as failure:
            self._roll_back()
            raise_translated(self._dialect, failure, committing=self._held is not None)
            raise
        else:
            if error is not None:
                self._roll_back()
        finally:
            try:
                self._pool.give(self._connection)
            finally:
                self._release()
        if error is not None:
            # A write without a transaction around it is one statement, which the engine commits by itself.
            raise_translated(self._dialect, error, committing=self._begin is None and self._held is not None)

    def _roll_back(self) -> None:
        if self._begin is not None:
            with suppress(Exception):
                self._connection.cursor().execute("ROLLBACK")

    def _release(self) -> None:
        if self._held is not None:
            self._held.__exit__(None, None, None)
