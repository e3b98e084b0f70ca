"""After this project has upgraded a database and written to it, its schema is the server's own version 8."""

from __future__ import annotations

from pathlib import Path

from moltnet_core import open_store

from . import raw
from .sqlite_case import SQLiteCase, url_of
from .writing import write_everything

NAMES = [
    (1, "initial_schema"),
    (2, "message_origin"),
    (3, "global_paging_indexes"),
    (4, "thread_room_index_backfill"),
    (5, "agent_registry"),
    (6, "agent_credential_index"),
    (7, "soft_removed_rooms"),
    (8, "room_access_policy"),
]


def test_the_versions_recorded_are_the_servers(case: SQLiteCase | None, database: Path) -> None:
    with open_store(url_of(database)) as store:
        write_everything(store, case.known if case else None)
    assert raw.rows(database, "SELECT version, name FROM schema_migrations ORDER BY version") == NAMES
    # Those that the server recorded keep its times.
    if case is not None:
        before = raw.dump(case.database(database.parent / "before"))["schema_migrations"]
        after = raw.dump(database)["schema_migrations"]
        assert {key: after[key] for key in before} == before


def test_what_is_ours_is_named_so_and_is_harmless(database: Path) -> None:
    tables = {name for name, (kind, _, _) in raw.schema(database).items() if kind == "table"}
    own = raw.rows(database, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name LIKE 'moltnet_ext_%'")
    assert {name for kind, name, _, _ in own if kind == "table"} == {"moltnet_ext_migrations"}
    indexes = [(table, sql) for kind, _, table, sql in own if kind == "index" and sql]
    assert len(indexes) >= 7
    assert {table for table, _ in indexes} <= tables
    assert not any(sql.upper().startswith("CREATE UNIQUE") for _, sql in indexes)
    assert raw.rows(database, "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')") == []
    assert raw.rows(database, "PRAGMA foreign_key_list('moltnet_ext_migrations')") == []
    assert raw.rows(database, "PRAGMA journal_mode") == [("wal",)]
