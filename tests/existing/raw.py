"""A SQLite file beneath the packages: its rows, its schema and its bytes.

It is read with the copy of SQLite that the packages use: a second copy must not open a file in the same process.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from moltnet_sqlite.engine import sqlite3

from .expected import Json

__all__ = [
    "MESSAGE",
    "Dump",
    "changes",
    "connect",
    "digest",
    "dump",
    "messages",
    "messages_of",
    "rows",
    "schema",
    "structure",
]

Dump = dict[str, dict[tuple[bytes, ...], dict[str, Any]]]
"""By table and key, each column as its type and bytes."""
MESSAGE = ("id", "network_id", "target_json", "from_json", "parts_json", "mentions_json", "origin_json")
"""The columns that say what a message is."""


@contextmanager
def connect(path: Path) -> Iterator[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def rows(path: Path, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connect(path) as connection:
        found: list[tuple[Any, ...]] = connection.execute(sql, parameters).fetchall()
        return found


def messages(path: Path) -> list[Json]:
    """All stored messages, by nothing but the JSON in their columns."""
    return messages_of(rows(path, f"SELECT {', '.join(MESSAGE)}, created_at FROM messages"))


def messages_of(selected: Iterable[Sequence[Any]]) -> list[Json]:
    """The messages of rows of :data:`MESSAGE` and the time."""
    found = []
    for own_id, network, *texts, created_at in selected:
        target, sender, parts, mentions, origin = map(json.loads, texts)
        found.append(
            {"id": own_id, "network_id": network, "target": target, "from": sender, "parts": parts}
            | {"mentions": mentions, "origin": origin, "created_at": created_at}
        )
    return found


def dump(path: Path) -> Dump:
    """Every row of every table that is not ours, exactly."""
    with connect(path) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: _dump_table(connection, name) for name in names if not name.startswith("moltnet_ext_")}


def _dump_table(connection: Any, table: str) -> dict[tuple[bytes, ...], dict[str, Any]]:
    described = connection.execute(f"PRAGMA table_info({table})").fetchall()
    columns = [row[1] for row in described]
    places = [place for place, row in enumerate(described) if row[5]]
    selected = ", ".join(f"typeof({column}), CAST({column} AS BLOB)" for column in columns)
    found = {}
    for row in connection.execute(f"SELECT {selected} FROM {table}"):
        pairs = list(zip(row[::2], row[1::2], strict=True))
        found[tuple(pairs[place][1] for place in places)] = dict(zip(columns, pairs, strict=True))
    return found


def changes(before: Dump, after: Dump) -> dict[str, dict[str, set[str]]]:
    """What became of the rows of ``before``: by table and key the columns that differ, ``"gone"`` for the whole row."""
    found: dict[str, dict[str, set[str]]] = {}
    for table, old_rows in before.items():
        for key, old in old_rows.items():
            new = after[table].get(key)
            columns = {"gone"} if new is None else {name for name, value in old.items() if new[name] != value}
            if columns:
                found.setdefault(table, {})[b"/".join(key).decode()] = columns
    return found


def digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def schema(path: Path) -> dict[str, tuple[str, str, str | None]]:
    """``sqlite_master`` by name, white space folded, without what is ours and what SQLite makes by itself."""
    found = {}
    for kind, name, table, sql in rows(path, "SELECT type, name, tbl_name, sql FROM sqlite_master"):
        if not name.startswith(("moltnet_ext_", "sqlite_autoindex_moltnet_ext_")):
            found[name] = (kind, table, re.sub(r"\s+", " ", sql).strip() if sql else None)
    return found


def structure(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What SQLite itself says of tables, foreign keys and indexes that are not ours."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with connect(path) as connection:
        for name, (kind, _, _) in schema(path).items():
            pragmas = ("table_xinfo", "foreign_key_list") if kind == "table" else ("index_xinfo",)
            for pragma in pragmas:
                found[f"{name}: {pragma}"] = connection.execute(f"PRAGMA {pragma}('{name}')").fetchall()
            if kind == "table":
                indexes = connection.execute(f"PRAGMA index_list('{name}')").fetchall()
                # Their numbers depend on the order of creation.
                found[f"{name}: index_list"] = sorted(row[1:] for row in indexes if "moltnet_ext_" not in row[1])
    return found
