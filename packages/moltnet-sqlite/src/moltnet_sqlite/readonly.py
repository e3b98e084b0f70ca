"""Reading a database of an older version as it is: temporary views supply the columns that it lacks."""

from __future__ import annotations

from typing import Any

from moltnet_sql.covering import covering_queries
from moltnet_sql.schema import TABLES, VERSION_TABLE
from moltnet_sqlite.dialect import SQLiteDialect

__all__ = ["cover_old_tables"]


def cover_old_tables(connection: Any) -> None:
    """Create the views on one connection, where its version explains that a table or column is missing.

    :raises CorruptStoreError: one is missing that a database of this version has.
    """
    found = {
        table: {row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")}
        for table in (*TABLES, VERSION_TABLE)
    }
    is_new = connection.execute("SELECT 1 FROM main.sqlite_master LIMIT 1").fetchone() is None
    version = _version(connection) if found[VERSION_TABLE] else 0
    for table, query in covering_queries(SQLiteDialect(), found, version, is_new=is_new).items():
        connection.execute(f"CREATE TEMP VIEW {table} AS {query}")


def _version(connection: Any) -> int:
    found = connection.execute(f"SELECT max(version) FROM main.{VERSION_TABLE}").fetchone()[0]
    return found if type(found) is int else 0
