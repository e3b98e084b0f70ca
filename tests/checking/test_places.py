"""What is wrong with the place of a store: its file, its engine, its configuration."""

from __future__ import annotations

import json
import random
import sqlite3 as python_sqlite
import subprocess
import sys
from pathlib import Path

import pytest
from tests.checking.places import JSONPlace, PostgresPlace, SQLitePlace, make
from tests.postgres.shared import shared_server

from moltnet_core import (
    CheckReport,
    CorruptStoreError,
    MigrationRequiredError,
    Progress,
    StoreUnavailableError,
    check_location,
    check_store,
    open_store,
)
from moltnet_core.errors import CancelledError
from moltnet_postgres.connections import PostgresSession
from moltnet_postgres.driver import PostgresDriver
from moltnet_sqlite.engine import has_wal_reset_bug, sqlite3


def _codes(report: CheckReport) -> list[tuple[str, str]]:
    return [(found.code, found.kind) for found in report.findings]


@pytest.fixture
def place(tmp_path: Path) -> SQLitePlace:
    found = SQLitePlace(tmp_path)
    make(found)
    return found


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
@pytest.mark.parametrize("kind", [SQLitePlace, JSONPlace])
def test_a_file_that_others_may_use(kind: type[SQLitePlace | JSONPlace], mode: int, tmp_path: Path) -> None:
    place = kind(tmp_path)
    make(place)
    place.path.chmod(mode)
    (found,) = check_location(place.url, environ={}).findings
    assert (found.code, found.items[0].id) == ("file-permissions", str(place.path))
    assert f"{mode:04o}" in found.items[0].detail


def test_a_log_that_was_left(place: SQLitePlace, tmp_path: Path) -> None:
    holder = sqlite3.connect(place.path, isolation_level=None)
    try:
        holder.execute("UPDATE rooms SET name = 'x'")
        holder.execute("UPDATE rooms SET name = 'y'")
        (found,) = check_location(place.url, environ={}).findings
        assert (found.code, str(found.severity)) == ("write-ahead-log", "note")
        assert found.items[0].id == f"{place.path}-wal"
    finally:
        holder.close()


def test_damaged_pages_are_found_by_the_engine(place: SQLitePlace) -> None:
    (page,) = place.rows("SELECT rootpage FROM sqlite_master WHERE name = 'idx_threads_room'")[0]
    (size,) = place.rows("PRAGMA page_size")[0]
    with place.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x0a" + b"\x00" * 7)  # a leaf of an index in which nothing is
    assert check_location(place.url, environ={}).findings == ()
    report = check_location(place.url, deep=True, environ={})
    assert ("damage", "file") in _codes(report)
    assert report.worst == "error"


def test_damage_in_the_way_is_a_finding(place: SQLitePlace) -> None:
    (page,) = place.rows("SELECT rootpage FROM sqlite_master WHERE name = 'messages'")[0]
    (size,) = place.rows("PRAGMA page_size")[0]
    with place.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    for deep in (False, True):
        report = check_location(place.url, deep=deep, environ={})
        assert {("damage", "store"), ("check-incomplete", "store")} <= set(_codes(report))


@pytest.mark.parametrize("kind", [SQLitePlace, JSONPlace])
def test_what_cannot_be_opened_is_a_finding(kind: type[SQLitePlace | JSONPlace], tmp_path: Path) -> None:
    place = kind(tmp_path)
    make(place)
    content = bytearray(place.path.read_bytes())
    content[:16] = b"this is no store"
    place.path.write_bytes(content)
    (found,) = check_location(place.url, environ={}).findings
    assert found.code == "unreadable-store"
    assert str(place.path) in found.items[0].detail
    assert place.path.read_bytes() == content


def test_a_gap_in_the_versions_is_a_finding(place: SQLitePlace) -> None:
    place.execute("DELETE FROM schema_migrations WHERE version = 3")
    assert _codes(check_location(place.url, environ={})) == [("unreadable-store", "store")]


def test_a_store_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        check_location(f"sqlite:///{tmp_path}/none.db", environ={})
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_others_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = PostgresPlace()
    make(place)
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "moltnet.json"
    dsn = shared_server().dsn()
    config.write_text(json.dumps({"storage": {"kind": "postgres", "postgres": {"dsn": dsn}}}))
    config.chmod(0o644)
    (found,) = check_location(environ={"MOLTNET_POSTGRES_SCHEMA": place.schema}).findings
    assert (found.code, found.items[0].id) == ("config-permissions", config.name)
    assert dsn not in json.dumps(found.to_json())
    config.chmod(0o600)
    assert check_location(environ={"MOLTNET_POSTGRES_SCHEMA": place.schema}).findings == ()


def test_a_configuration_without_a_secret_may_be_read(
    place: SQLitePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    config = Path("moltnet.json")
    config.write_text(json.dumps({"storage": {"kind": "sqlite", "sqlite": {"path": str(place.path)}}}))
    config.chmod(0o644)
    assert check_location(environ={}).findings == ()


@pytest.mark.skipif(
    not has_wal_reset_bug(python_sqlite.sqlite_version_info[:3]),
    reason="Python's own SQLite has not the bug here",
)
def test_an_engine_with_the_bug(place: SQLitePlace) -> None:
    script = (
        "import sys; sys.modules['pysqlite3'] = None\n"
        "from moltnet_core import check_location\n"
        "print([(f.code, f.items[0].id) for f in check_location(sys.argv[1], environ={}).findings])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, place.url], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == repr([("engine-bug", f"SQLite {python_sqlite.sqlite_version}")])


def test_an_old_store_that_is_open_to_write_is_to_be_migrated_first(place: SQLitePlace) -> None:
    place.execute("DELETE FROM moltnet_ext_migrations")
    with open_store(place.url, migrate="later", environ={}) as store, pytest.raises(MigrationRequiredError):
        check_store(store)


def test_progress_is_told_and_a_check_can_be_called_off(place: SQLitePlace) -> None:
    told: list[Progress] = []
    with open_store(place.url, environ={}, read_only=True) as store:
        report = check_store(store, on_progress=told.append)
        last = told[-1]
        assert last.phase == "check"
        assert last.done == last.total == sum(report.checked.values())
        with pytest.raises(CancelledError):
            check_store(store, cancelled=lambda: True)
        assert check_store(store).findings == ()


def test_writers_go_on_meanwhile_and_are_not_seen(place: SQLitePlace) -> None:
    def write(progress: Progress) -> None:
        if progress.phase == "check" and progress.done:
            place.execute("DELETE FROM artifacts", "UPDATE threads SET message_count = 99")

    with open_store(place.url, environ={}, read_only=True) as store:
        assert check_store(store, on_progress=write).findings == ()
        assert {found.code for found in check_store(store).findings} >= {"artifact-missing", "counter-drift"}


def test_no_credential_and_no_content_is_shown(place: SQLitePlace) -> None:
    place.execute(
        "UPDATE agents SET created_at = 'token:secret'",
        'UPDATE messages SET parts_json = \'[{"kind": "text", "text": "private words"\' WHERE id = \'m1\'',
    )
    report = check_location(place.url, environ={})
    shown = json.dumps([found.to_json() for found in report.findings])
    assert report.of("undecodable")
    assert "token:secret" not in shown
    assert "private" not in shown


def test_the_number_of_ids_is_bounded(place: SQLitePlace) -> None:
    place.execute(
        """WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 500)
           INSERT INTO dm_participants SELECT 'd1', 'p' || n FROM numbers"""
    )
    (found,) = check_location(place.url, environ={}).findings
    assert (found.code, found.count, len(found.items)) == ("participant-stray", 500, 20)


def test_damage_in_the_schema_that_is_no_text_is_a_finding(place: SQLitePlace) -> None:
    content = place.path.read_bytes()
    damaged = content.replace(b"CREATE INDEX idx_threads_room", b"CREATE INDEX \xf6dx_threads\xff(om", 1)
    assert damaged != content
    place.path.write_bytes(damaged)
    assert _codes(check_location(place.url, environ={})) == [("unreadable-store", "store")]
    with pytest.raises(CorruptStoreError):
        open_store(place.url, environ={})


@pytest.mark.parametrize("kind", [SQLitePlace, JSONPlace])
def test_whatever_is_damaged_is_a_finding_and_no_error(kind: type[SQLitePlace | JSONPlace], tmp_path: Path) -> None:
    place = kind(tmp_path)
    make(place)
    whole = place.path.read_bytes()
    chance = random.Random(20)
    found = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            start = chance.randrange(len(damaged))
            damaged[start : start + 8] = chance.randbytes(8)
        place.path.write_bytes(damaged)
        report = check_location(place.url, deep=True, environ={})
        found += report.worst == "error"
        assert place.path.read_bytes() == damaged
    assert found > 20


def test_a_look_at_everything_may_take_longer_than_a_call() -> None:
    place = PostgresPlace()
    make(place)
    with open_store(f"{place.url}&call_timeout=1", environ={}) as store:
        assert isinstance(store.driver, PostgresDriver)
        with store.driver._reading() as connection:
            session = PostgresSession(connection)
            with session.unhurried():
                assert session.fetch("SELECT 1 FROM pg_sleep(1.5)") == [(1,)]
        with pytest.raises(StoreUnavailableError), store.driver._reading() as connection:
            PostgresSession(connection).fetch("SELECT 1 FROM pg_sleep(1.5)")
