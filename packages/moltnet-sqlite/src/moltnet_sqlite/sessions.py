"""A connection in use, whatever texts it meets."""

from __future__ import annotations

from typing import Any, Final

from moltnet_sql import Session
from moltnet_sqlite.engine import sqlite3

__all__ = ["SQLiteSession"]

_ROWS_AT_ONCE: Final = 500


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
        self.connection.text_factory = bytes
        try:
            cursor = self.connection.execute(sql, parameters)  # which may fetch the first row already
        finally:
            self.connection.text_factory = str
        try:
            while True:
                self.connection.text_factory = bytes
                try:
                    rows = cursor.fetchmany(_ROWS_AT_ONCE)
                finally:
                    self.connection.text_factory = str
                if not rows:
                    return
                for row in rows:
                    yield [_text_or_bytes(cell) if isinstance(cell, bytes) else cell for cell in row]
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
