"""``Session``: one connection in use, as the readers and writers of this package see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import peewee

__all__ = ["Session"]

Parameters = Mapping[str, Any] | Sequence[Any]


class Session:
    """Executes statements on one DB-API connection. A driver's subclass may know how to fetch what others cannot.

    :param connection: leased for as long as the session lives.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def fetch(self, sql: str, parameters: Parameters = ()) -> list[Sequence[Any]]:
        """All rows of a query."""
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters)
        rows: list[Sequence[Any]] = cursor.fetchall()
        return rows

    def stream(self, sql: str, parameters: Parameters = ()) -> Any:
        """A cursor that yields the rows of a query without holding all of them."""
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters)
        return cursor

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Execute a statement that changes rows, and return how many."""
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters)
        changed: int = cursor.rowcount
        return changed

    def execute_many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Execute a statement once for each set of parameters."""
        self.connection.cursor().executemany(sql, parameters)

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Lets the statements of a transaction take as long as a look at everything needs."""
        yield

    # -- queries built with peewee -------------------------------------------------------------------

    def fetch_query(self, query: peewee.BaseQuery) -> list[Sequence[Any]]:
        """All rows of a query built with peewee, as plain tuples."""
        return self.fetch(*query.sql())

    def execute_query(self, query: peewee.BaseQuery) -> int:
        """Execute a statement built with peewee, and return how many rows it changed."""
        return self.execute(*query.sql())
