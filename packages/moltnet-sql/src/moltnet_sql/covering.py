"""Reading a database of an older version as it is: what a table lacks is supplied by a query that takes its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from moltnet_core.errors import CorruptStoreError
from moltnet_sql.dialect import Dialect
from moltnet_sql.schema import LATER_COLUMNS, LATER_TABLES, TABLES, column_type

__all__ = ["covering_queries"]


def covering_queries(
    dialect: Dialect, found: Mapping[str, Collection[str]], version: int, *, is_new: bool
) -> dict[str, str]:
    """Queries that stand for the tables which lack something, by table; none for a database of the newest version.

    :param found: the names of the columns by table.
    :param version: the database's; it has to explain what is missing.
    :param is_new: nothing was ever created in it, as a failed first migration may leave it.
    :raises CorruptStoreError: a table or column is missing that a database of this version has.
    """
    queries = {}
    for table, columns in TABLES.items():
        has = found.get(table, ())
        missing = [column for column in columns if column not in has]
        if not missing:
            continue
        if is_new or (not has and version < LATER_TABLES.get(table, 0)):
            selected = ", ".join(
                f"CAST(NULL AS {column_type(dialect.time_type, column)}) AS {column}" for column in columns
            )
            queries[table] = f"SELECT {selected} WHERE 1 = 0"
            continue
        defaults = {column: LATER_COLUMNS.get((table, column), (0, "")) for column in missing}
        unexplained = [column for column, (since, _) in defaults.items() if version >= since]
        if unexplained:
            what = f"the column {table}.{unexplained[0]}" if has else f"the table {table}"
            raise CorruptStoreError(
                f"{what} is missing, which a Moltnet database of version {version} has; it was left as it is"
            )
        selected = ", ".join(
            f"CAST({defaults[column][1]} AS {column_type(dialect.time_type, column)}) AS {column}"
            if column in defaults
            else column
            for column in columns
        )
        queries[table] = f"SELECT {selected} FROM {dialect.whole_table(table)}"
    return queries
