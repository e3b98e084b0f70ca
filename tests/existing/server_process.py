"""A second process that uses a database as the Go server does, with Python's own copy of SQLite.

It reads one JSON line after the other, each a list of statements (SQL and parameters; ``{"hex": …}`` is a BLOB) that
make one transaction, and answers each with a line: the rows of the last statement, or SQLite's error.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from typing import Any


def _value(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def _transaction(connection: sqlite3.Connection, statements: list[tuple[str, list[Any]]]) -> Any:
    rows: list[Any] = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, parameters in statements:
            rows = connection.execute(sql, [_value(value) for value in parameters]).fetchall()
    except sqlite3.Error as error:
        connection.execute("ROLLBACK")
        return {"error": str(error)}
    connection.execute("COMMIT")
    return {"rows": rows}


def main() -> None:
    """Serve until the input ends."""
    with closing(sqlite3.connect(sys.argv[1], isolation_level=None)) as connection:
        for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        for line in sys.stdin:
            print(json.dumps(_transaction(connection, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
