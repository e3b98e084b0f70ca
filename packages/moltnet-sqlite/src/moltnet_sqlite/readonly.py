"""Reading a database of an older version as it is: temporary views supply the columns that it lacks."""

from __future__ import annotations

from typing import Any

from moltnet_core.errors import CorruptStoreError
from moltnet_sql.schema import LATER_COLUMNS, LATER_TABLES, TABLES, VERSION_TABLE

__all__ = ["cover_old_tables"]


def cover_old_tables(connection: Any) -> None:
    """Create the views on one connection, where its version explains that a table or column is missing.

    :raises CorruptStoreError: one is missing that a database of this version has.
    """
    version = _version(connection)
    # A file in which nothing was ever created, as a failed first migration may leave one.
    is_new = connection.execute("SELECT 1 FROM main.sqlite_master LIMIT 1").fetchone() is None
    for table, columns in TABLES.items():
        found = {row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")}
        missing = [column for column in columns if column not in found]
        if not missing:
            continue
        if is_new or (not found and version < LATER_TABLES.get(table, 0)):
            selected = ", ".join(f"'' AS {column}" for column in columns)
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {selected} WHERE 0")
            continue
        defaults = {column: LATER_COLUMNS.get((table, column), (0, "")) for column in missing}
        unexplained = [column for column, (since, _) in defaults.items() if version >= since]
        if unexplained:
            what = f"the column {table}.{unexplained[0]}" if found else f"the table {table}"
            raise CorruptStoreError(
                f"{what} is missing, which a Moltnet database of version {version} has; it was left as it is"
            )
        selected = ", ".join(
            f"{defaults[column][1]} AS {column}" if column in defaults else column for column in columns
        )
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {selected} FROM main.{table}")


def _version(connection: Any) -> int:
    if not connection.execute(f"PRAGMA main.table_info({VERSION_TABLE})").fetchall():
        return 0
    found = connection.execute(f"SELECT max(version) FROM main.{VERSION_TABLE}").fetchone()[0]
    return found if type(found) is int else 0
