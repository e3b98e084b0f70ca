"""Files that are no store, or not one that this software may write to: a typed error, and every byte as it was."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.children import foreign_in_chain, tree
from tests.moltnet_sqlite.support import (
    a_room,
    dump,
    integrity,
    make_store,
    make_version,
    query,
    raw_connection,
    url_of,
)

from moltnet_core import (
    CorruptStoreError,
    MigrationDriftError,
    MoltnetError,
    SchemaTooNewError,
    open_store,
)
from moltnet_core.timestamps import format_time, now

MODES = ["rw", "ro"]


def refused(path: Path, error: type[MoltnetError], mode: str = "rw", **options: Any) -> MoltnetError:
    """The error that opening raises, after a look that nothing at all was changed."""
    before = tree(path.parent)
    with pytest.raises(error) as caught:
        open_store(url_of(path, mode=mode), **options)
    assert caught.value.committed is False
    assert foreign_in_chain(caught.value) == []
    after = tree(path.parent)
    if mode == "ro":
        # SQLite itself may leave these, empty of data (architecture, "Migrations").
        after.pop(f"{path.name}-shm", None)
        if (path.parent / f"{path.name}-wal").exists() and (path.parent / f"{path.name}-wal").stat().st_size == 0:
            after.pop(f"{path.name}-wal", None)
    assert after == before
    return caught.value


# -- no SQLite file ------------------------------------------------------------------------------------


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello " * 1000)


def write_truncated_header(path: Path) -> None:
    make_store(path)
    path.write_bytes(path.read_bytes()[:60])


def write_half_a_page(path: Path) -> None:
    make_store(path)
    path.write_bytes(path.read_bytes()[:1000])


def write_wrong_header(path: Path) -> None:
    make_store(path)
    path.write_bytes(b"SQLite format 4\0" + path.read_bytes()[16:])


NOT_DATABASES: dict[str, Callable[[Path], object]] = {
    "a word": lambda path: path.write_text("hello", encoding="utf-8"),
    "text": lambda path: path.write_text("This is a diary.\n" * 500, encoding="utf-8"),
    "JSON": lambda path: path.write_text('{"rooms": {}}', encoding="utf-8"),
    "a zip archive": write_zip,
    "an image": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40),
    "two bytes": lambda path: path.write_bytes(b"\0\0"),  # one byte is what SQLite itself takes for an empty file
    "zeros": lambda path: path.write_bytes(bytes(8192)),
    "ones": lambda path: path.write_bytes(b"\xff" * 8192),
    "a truncated header": write_truncated_header,
    "half a page": write_half_a_page,
    "another SQLite version": write_wrong_header,
    "a header and nothing else": lambda path: path.write_bytes(b"SQLite format 3\0"),
    "a header and zeros": lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(8192)),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", NOT_DATABASES)
def test_a_file_that_is_no_database(path: Path, kind: str, mode: str) -> None:
    NOT_DATABASES[kind](path)
    error = refused(path, CorruptStoreError, mode)
    assert "left as it is" in str(error) or "damaged" in str(error)


@pytest.mark.parametrize("migrate", [False, "later"])
def test_however_it_is_migrated(path: Path, migrate: Any) -> None:
    path.write_text("This is a diary.\n" * 500, encoding="utf-8")
    refused(path, CorruptStoreError, migrate=migrate)


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch(mode=0o640)
    with open_store(url_of(path)) as store:
        store.create_room(a_room())
    assert path.stat().st_mode & 0o777 == 0o640
    assert integrity(path) == []


def test_a_database_without_tables_is_a_new_one(path: Path) -> None:
    query(path, "PRAGMA user_version = 7")
    with open_store(url_of(path)) as store:
        store.create_room(a_room())
    assert query(path, "PRAGMA user_version") == [(7,)]


# -- the database of another program ---------------------------------------------------------------------


FOREIGN: dict[str, list[str]] = {
    "a shop": ["CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO products VALUES (1, 'a')"],
    "a hotel": ["CREATE TABLE rooms (number INTEGER, beds INTEGER)", "INSERT INTO rooms VALUES (1, 2)"],
    "an agency": ["CREATE TABLE agents (name TEXT)", "INSERT INTO agents VALUES ('Bond')"],
    "a mailer": [
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, subject TEXT)",
        "INSERT INTO messages VALUES (1, 'x')",
    ],
    "a forum": [
        "CREATE TABLE threads (id INTEGER PRIMARY KEY, title TEXT)",
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, thread_id INTEGER, body TEXT)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
    ],
    "Rails": [
        "CREATE TABLE schema_migrations (version VARCHAR NOT NULL PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('20240102030405')",
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
    ],
    "golang-migrate": [
        "CREATE TABLE schema_migrations (version UINT64, dirty BOOL)",
        "INSERT INTO schema_migrations VALUES (8, 0)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
    ],
    "names for versions": [
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, name TEXT)",
        "INSERT INTO schema_migrations VALUES ('0001_initial', 'initial')",
    ],
    "numbers as texts": [
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, name TEXT)",
        "INSERT INTO schema_migrations VALUES ('1', 'initial_schema')",
    ],
    "dates for versions": [
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT)",
        "INSERT INTO schema_migrations VALUES (20240102030405, 'create_users')",
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
    ],
    "its own version 1": [
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT)",
        "INSERT INTO schema_migrations VALUES (1, 'create_users')",
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
    ],
    "blobs for names": [
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name BLOB)",
        "INSERT INTO schema_migrations VALUES (1, x'00ff')",
    ],
    "an empty version table": [
        "CREATE TABLE schema_migrations (version VARCHAR NOT NULL PRIMARY KEY)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
    ],
}


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("program", FOREIGN)
def test_the_database_of_another_program(path: Path, program: str, journal: str) -> None:
    with raw_connection(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        for sql in FOREIGN[program]:
            connection.execute(sql)
    content = dump(path)
    for mode in MODES:
        refused(path, MoltnetError, mode)
    assert query(path, "PRAGMA journal_mode") == [(journal,)]
    assert dump(path) == content


# -- a schema that is not ours to write --------------------------------------------------------------------


def record(path: Path, version: int, name: str) -> None:
    query(path, "INSERT INTO schema_migrations VALUES (?, ?, ?)", (version, name, format_time(now())))


def too_new(path: Path) -> None:
    record(path, 9, "from_the_future")


def far_too_new(path: Path) -> None:
    for version in range(9, 40):
        record(path, version, f"future_{version}")


def gapped(path: Path) -> None:
    query(path, "DELETE FROM schema_migrations WHERE version = 5")


def without_the_first(path: Path) -> None:
    query(path, "DELETE FROM schema_migrations WHERE version = 1")


def gapped_above(path: Path) -> None:
    record(path, 10, "from_the_far_future")


def with_version_zero(path: Path) -> None:
    record(path, 0, "before_all")


def with_a_negative_version(path: Path) -> None:
    record(path, -1, "before_all")


def renamed(path: Path) -> None:
    query(path, "UPDATE schema_migrations SET name = 'agent_registri' WHERE version = 5")


def renamed_in_case(path: Path) -> None:
    query(path, "UPDATE schema_migrations SET name = 'Initial_Schema' WHERE version = 1")


def own_series_newer(path: Path) -> None:
    query(path, "INSERT INTO moltnet_ext_migrations VALUES ('sqlite', 2, 'later', 'x', ?)", (format_time(now()),))


def own_series_gapped(path: Path) -> None:
    query(path, "UPDATE moltnet_ext_migrations SET version = 3 WHERE series = 'sqlite'")


def own_series_renamed(path: Path) -> None:
    query(path, "UPDATE moltnet_ext_migrations SET name = 'others' WHERE series = 'sqlite'")


def own_series_changed(path: Path) -> None:
    query(path, "UPDATE moltnet_ext_migrations SET checksum = 'another' WHERE series = 'sqlite'")


NEWER = [too_new, far_too_new, own_series_newer]
DRIFTED = [
    gapped,
    without_the_first,
    gapped_above,
    with_version_zero,
    with_a_negative_version,
    renamed,
    renamed_in_case,
    own_series_gapped,
    own_series_renamed,
    own_series_changed,
]


@pytest.mark.parametrize("migrate", [True, False, "later"])
@pytest.mark.parametrize("change", NEWER)
def test_a_newer_schema(path: Path, change: Callable[[Path], None], migrate: Any) -> None:
    make_store(path, messages=2)
    change(path)
    error = refused(path, SchemaTooNewError, migrate=migrate)
    assert isinstance(error, SchemaTooNewError)
    assert error.found > error.known
    assert "mode=ro" in str(error)


@pytest.mark.parametrize("migrate", [True, False, "later"])
@pytest.mark.parametrize("change", DRIFTED)
def test_a_schema_that_drifted(path: Path, change: Callable[[Path], None], migrate: Any) -> None:
    make_store(path, messages=2)
    change(path)
    refused(path, MigrationDriftError, migrate=migrate)


@pytest.mark.parametrize("change", DRIFTED)
def test_a_schema_that_drifted_is_refused_read_only_too(path: Path, change: Callable[[Path], None]) -> None:
    make_store(path, messages=2)
    change(path)
    refused(path, MigrationDriftError, "ro")


@pytest.mark.parametrize("version", [3, 7])
def test_an_old_schema_with_a_gap_is_not_upgraded(path: Path, version: int) -> None:
    make_version(path, version)
    query(path, "DELETE FROM schema_migrations WHERE version = 2")
    refused(path, MigrationDriftError)
    assert query(path, "SELECT max(version) FROM schema_migrations") == [(version,)]


def test_a_newer_schema_beside_a_log_that_holds_data(path: Path) -> None:
    """Whoever opens a database recovers its log; what it holds is the same afterwards."""
    with raw_connection(path.with_name("source.db")) as holder:
        make_store(path.with_name("source.db"), messages=2)
        holder.execute("PRAGMA wal_autocheckpoint = 0")
        holder.execute("INSERT INTO schema_migrations VALUES (9, 'from_the_future', '2030-01-01T00:00:00Z')")
        source, wal = path.with_name("source.db").read_bytes(), path.with_name("source.db-wal").read_bytes()
        path.write_bytes(source)
        path.with_name("moltnet.db-wal").write_bytes(wal)
        content = dump(path.with_name("source.db"))
    for found in path.parent.glob("source*"):
        found.unlink()
    with pytest.raises(SchemaTooNewError):
        open_store(url_of(path))
    assert dump(path) == content
    assert query(path, "SELECT max(version) FROM schema_migrations") == [(9,)]


@pytest.mark.parametrize(
    "table", ["rooms", "room_members", "threads", "messages", "artifacts", "dm_participants", "agents"]
)
@pytest.mark.parametrize("mode", MODES)
def test_a_current_schema_without_one_of_its_tables(path: Path, table: str, mode: str) -> None:
    """Whatever is done with it is a typed error, and the table is not made anew."""
    make_store(path, messages=2)
    query(path, f"DROP TABLE {table}")
    content = dump(path)
    with pytest.raises(CorruptStoreError) as caught, open_store(url_of(path, mode=mode)) as store:
        store.counts()
    assert foreign_in_chain(caught.value) == []
    assert dump(path) == content
