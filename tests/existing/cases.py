"""The table of existing stores, of every backend that has fixtures, and where each backend makes a new store.

Another backend joins by a subclass of ``Case`` in a module of its own and a line in each table; its fixtures then go
through the same tests. What only SQLite has (a schema, raw bytes, a ``-wal``) is tested with ``DATABASES``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.postgres.shared import new_location

from .case import Case
from .json_case import SNAPSHOTS
from .postgres_case import POSTGRES
from .sqlite_case import DATABASES, fresh, url_of

__all__ = ["CASES", "EDGE", "NEW_STORES"]

CASES: list[Case] = [*DATABASES, *SNAPSHOTS, *POSTGRES]
EDGE = [case for case in CASES if case.is_edge]
NEW_STORES: dict[str, Callable[[Path], str]] = {
    "memory": lambda folder: "memory://",
    "sqlite": lambda folder: url_of(fresh(folder)),
    "json": lambda folder: f"json:///{folder}/fresh.json",
    "postgres": lambda folder: new_location(),
}
