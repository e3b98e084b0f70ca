"""A connection in use, whatever texts it meets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from moltnet_sql import Session
from moltnet_sqlite.engine import sqlite3

__all__ = ["SQLiteSession"]


class SQLiteSession(Session):
    """Reads text that is not UTF-8 too: such a value comes as ``bytes``, and its row alone is corrupt."""

    __slots__ = ()

    def fetch(self, sql: str, parameters: Any = ()) -> Any:
        """See :meth:`moltnet_sql.session.Session.fetch`."""
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

    def stream(self, sql: str, parameters: Any = ()) -> Any:
        """See :meth:`moltnet_sql.session.Session.stream`."""
        given = 0
        try:
            for row in self._rows(sql, parameters, str):
                yield row
                given += 1
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
        else:
            return
        # The row is lost to its cursor. In a transaction the same statement gives the same rows again.
        yield from islice(self._rows(sql, parameters, _text_or_bytes), given, None)

    def _rows(self, sql: str, parameters: Any, text_factory: Any) -> Iterator[Any]:
        """The rows of a query one by one, as one alone may be large."""
        connection = self.connection
        connection.text_factory = text_factory
        try:
            cursor = connection.execute(sql, parameters)  # which may fetch the first row already
        finally:
            connection.text_factory = str
        try:
            while True:
                connection.text_factory = text_factory
                try:
                    row = next(cursor, None)
                finally:
                    connection.text_factory = str
                if row is None:
                    return
                yield row
        finally:
            cursor.close()

    def execute(self, sql: str, parameters: Any = ()) -> int:
        """See :meth:`moltnet_sql.session.Session.execute`."""
        return int(self.connection.execute(sql, parameters).rowcount)


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
