"""What every peewee database of this project has in common."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import peewee

from moltnet_core.forking import around_forks
from moltnet_sql.events import STATEMENT

__all__ = ["SqlDatabase"]

_OURS = "the transaction is committed when its block ends and rolled back when it raises; atomic() makes a savepoint"


class _Transaction:
    """Marks a transaction of ours on peewee's stack, so that ``atomic()`` within it makes a savepoint."""


class SqlDatabase(peewee.Database):
    """Mixed into peewee's database of an engine: works on connections of our pool, which it is lent.

    It logs statements without their parameters, which hold messages and credentials.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._borrowed = threading.local()
        options["autoconnect"] = False
        super().__init__(*arguments, **options)
        _databases.add(self)

    @contextmanager
    def lent(self, connection: Any) -> Iterator[None]:
        """This thread works on a connection, which is in a transaction, meanwhile."""
        self._borrowed.connection = connection
        self.connect()
        self.push_transaction(_Transaction())
        try:
            yield
        finally:
            if not self.is_closed():  # as it is in the child of a fork
                self.pop_transaction()  # type: ignore[no-untyped-call]
                self.close()
            self._borrowed.connection = None

    def forked(self) -> None:
        """In the child of a fork: no thread works on anything."""
        self._lock = threading.Lock()  # peewee's, which another thread may have held
        self._borrowed = threading.local()
        self.dispose()

    def begin(self, *_: Any, **__: Any) -> None:
        """Refused: see :meth:`commit`."""
        raise RuntimeError(_OURS)

    def commit(self) -> None:
        """Refused: the block that lent the connection commits when it ends; ``atomic()`` makes savepoints in it."""
        raise RuntimeError(_OURS)

    def rollback(self) -> None:
        """Refused: raise an error to roll back."""
        raise RuntimeError(_OURS)

    def _connect(self) -> Any:
        return self._borrowed.connection

    def _close(self, conn: Any) -> None:
        """It goes back to the pool by the way it came."""

    def _log_query(self, sql: str, params: Any) -> None:
        STATEMENT.log("%s", sql, sql=sql)


_databases: weakref.WeakSet[SqlDatabase] = weakref.WeakSet()

around_forks(_databases, after_in_child=SqlDatabase.forked)
