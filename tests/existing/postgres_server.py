"""The Go server's writes to a PostgreSQL database, by a connection of its own; the same statements as for SQLite."""

from __future__ import annotations

from contextlib import closing
from types import TracebackType
from typing import Any, Self

import psycopg2
from tests.postgres.shared import shared_server

from .server import ServerError, Statement

__all__ = ["PostgresServer"]


class PostgresServer:
    """As :class:`~.server.Server`: one transaction at a time."""

    def __init__(self, database: str) -> None:
        self._connection = psycopg2.connect(shared_server().dsn(dbname=database))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def transaction(self, *statements: Statement) -> list[list[Any]]:
        """Execute statements in one transaction; returns the last one's rows.

        :raises ServerError: PostgreSQL refused one of them.
        """
        try:
            with self._connection, closing(self._connection.cursor()) as cursor:
                for sql, parameters in statements:
                    cursor.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
                return [list(row) for row in cursor.fetchall()] if cursor.description else []
        except psycopg2.Error as error:
            raise ServerError(error.diag.message_primary) from error

    def run(self, sql: str, *parameters: Any) -> list[list[Any]]:
        return self.transaction((sql, list(parameters)))

    def taken(self, table: str, *keys: str) -> str:
        """What it says of a key that is taken."""
        return f'duplicate key value violates unique constraint "{table}_pkey"'

    def problems(self) -> list[Any]:
        """What the engine finds wrong with the database: it lets nothing of the kind happen."""
        return self.run("SELECT conname FROM pg_constraint WHERE NOT convalidated")
