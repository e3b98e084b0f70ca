"""Reading a database of an older version as it is, also on a standby and through a pooler.

Neither can hold a view for one reader. So what a table lacks is put into the text of each query that names it.
"""

from __future__ import annotations

from moltnet_core.errors import CorruptStoreError
from moltnet_postgres.connections import Connection
from moltnet_sql.covering import covering_queries
from moltnet_sql.dialect import Dialect
from moltnet_sql.schema import TABLES, VERSION_TABLE

__all__ = ["Covers", "columns_of", "has_schema"]

_COLUMNS = """
    SELECT pg_class.relname, attname FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s AND relname = ANY(%s) AND relkind IN ('r', 'p', 'v', 'f') AND attnum > 0 AND NOT attisdropped"""


def columns_of(connection: Connection, schema: str | None) -> dict[str, set[str]]:
    """The columns of those tables of the store that are there."""
    found: dict[str, set[str]] = {}
    cursor = connection.cursor()
    cursor.execute(_COLUMNS, (schema, [*TABLES, VERSION_TABLE]))
    for table, column in cursor.fetchall():
        found.setdefault(table, set()).add(column)
    return found


def has_schema(connection: Connection, schema: str) -> bool:
    """Whether there is a schema of that name."""
    cursor = connection.cursor()
    cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
    return bool(cursor.fetchall())


class Covers:
    """What stands in place of which table; looked up anew until the database is found to lack nothing."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._is_complete = False

    def put_on(self, connection: Connection) -> None:
        """Make a connection's queries read what the tables lack.

        :raises CorruptStoreError: something is missing that the version does not explain.
        """
        if self._is_complete:
            connection.covers = None
            return
        found = columns_of(connection, self._dialect.schema)
        version = 0
        if VERSION_TABLE in found:
            cursor = connection.cursor()
            cursor.execute(f"SELECT max(version) FROM {self._dialect.table(VERSION_TABLE)}")
            version = cursor.fetchall()[0][0] or 0
            if type(version) is not int:
                raise CorruptStoreError(
                    f"the table {VERSION_TABLE} does not hold what it should; is this the database of another program?"
                )
        queries = covering_queries(self._dialect, found, version, is_new=not found)
        self._is_complete = not queries
        connection.covers = {self._dialect.table(table): f"({query})" for table, query in queries.items()}
