"""The tables as migrations made them, against those that are there: types of columns, and foreign keys."""

from __future__ import annotations

from moltnet_core.checking import Check
from moltnet_sql.checking.looking import Looking
from moltnet_sql.schema import FOREIGN_KEYS, TABLES, column_type

__all__ = ["check_columns"]


def check_columns(look: Looking, check: Check) -> None:
    """Note columns of another type, and foreign keys that are missing."""
    types = {(table, column): type_ for table, column, type_ in look.session.fetch(*look.dialect.stored_columns())}
    for table, columns in TABLES.items():
        for column in columns:
            found, wanted = types.get((table, column)), column_type(look.dialect.time_type, column)
            if found not in (None, wanted):  # one that is missing is of a later version
                check.found.add("column-type", "schema", f"{table}.{column}", f"{found}, and not {wanted}")
    references = {tuple(row) for row in look.session.fetch(*look.dialect.stored_references())}
    for (table, column), other in FOREIGN_KEYS.items():
        if (table, column) in types and (table, column, other) not in references:
            check.found.add("foreign-key-missing", "schema", f"{table}.{column}", f"to {other}")
