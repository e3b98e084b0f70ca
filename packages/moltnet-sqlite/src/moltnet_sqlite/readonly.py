"""Reading a database of an older version as it is: temporary views supply the columns that it lacks."""

from __future__ import annotations

from typing import Any

from moltnet_core.errors import CorruptStoreError
from moltnet_sql.schema import ABSENT_COLUMNS, LATER_TABLES, TABLES

__all__ = ["cover_old_tables"]


def cover_old_tables(connection: Any) -> None:
    """Create the views on one connection, where a table lacks a column or a later table is absent.

    :raises CorruptStoreError: a column is missing that every version has.
    """
    for table, columns in TABLES.items():
        found = {row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")}
        missing = [column for column in columns if column not in found]
        if not missing:
            continue
        if not found and table in LATER_TABLES:
            selected = ", ".join(f"'' AS {column}" for column in columns)
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {selected} WHERE 0")
            continue
        if any((table, column) not in ABSENT_COLUMNS for column in missing):
            what = f"its column {missing[0]!r}" if found else "as a whole"
            raise CorruptStoreError(f"the table {table!r} is missing {what}: this is not a Moltnet database")
        selected = ", ".join(
            f"{ABSENT_COLUMNS[table, column]} AS {column}" if column in missing else column for column in columns
        )
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {selected} FROM main.{table}")
