"""``?mode=ro``: read at the version it stands at, and not a byte of the database or its ``-wal`` is changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import Message, MoltnetError, ReadOnlyStoreError, StoreUnavailableError, open_store
from moltnet_core.types import Actor, Part, Target

from . import raw
from .comparing import Comparison, compare
from .expected import Json
from .locations import ROOT
from .server import Server, message_rows
from .sqlite_case import DATABASES, SQLiteCase, url_of

each_case = pytest.mark.parametrize("case", DATABASES, ids=lambda case: case.name)
each_without_wal = pytest.mark.parametrize("case", [c for c in DATABASES if not c.has_wal], ids=lambda case: case.name)
each_with_wal = pytest.mark.parametrize("case", [c for c in DATABASES if c.has_wal], ids=lambda case: case.name)


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _traces(path: Path) -> tuple[Any, ...]:
    """What a reader must leave alone; an empty ``-wal`` counts as none."""
    status, wal = path.stat(), _wal(path)
    own = (status.st_ino, status.st_size, status.st_mtime_ns, raw.digest(path))
    return (*own, raw.digest(wal) if wal.exists() and wal.stat().st_size else None)


@each_case
def test_it_reads_as_served_at_its_old_version(
    case: SQLiteCase, tmp_path: Path, figures: Callable[[Comparison], None]
) -> None:
    path = case.database(tmp_path / "own")
    before = _traces(path)
    with open_store(url_of(path, "?mode=ro")) as store:
        assert store.read_only
        versions = {series.series: series.applied for series in store.migration_status().series}
        assert versions == {"moltnet": case.version, "sqlite": 0}
        result = compare(f"{case.name}?mode=ro", store, case.expected(tmp_path))
    figures(result)
    assert result.differences == []
    assert _traces(path) == before
    assert {each.name for each in path.parent.iterdir()} <= {path.name, f"{path.name}-wal", f"{path.name}-shm"}


@each_case
def test_its_records_are_those_of_the_upgraded_store(case: SQLiteCase, tmp_path: Path) -> None:
    path = case.database(tmp_path)
    assert _records(url_of(path, "?mode=ro")) == _records(url_of(path))


def _records(url: str) -> list[Json]:
    with open_store(url) as store, store.snapshot() as snapshot:
        return [record.to_json(with_credentials=True) for record in snapshot.records()]


@each_case
def test_a_write_is_refused_and_changes_nothing(case: SQLiteCase, tmp_path: Path) -> None:
    path = case.database(tmp_path)
    before = _traces(path)
    message = Message("harbor", Target.room(case.known.room), Actor("agent", "alpha"), (Part("text", text="no"),))
    with open_store(url_of(path, "?mode=ro")) as store:
        for write in (lambda: store.append_message(message), lambda: store.remove_room("general"), store.migrate):
            with pytest.raises(ReadOnlyStoreError):
                write()
    assert _traces(path) == before


def test_a_database_that_a_server_is_writing_to_is_read(tmp_path: Path) -> None:
    case = next(case for case in DATABASES if case.is_edge)
    path = case.database(tmp_path)
    url, busy = url_of(path, "?mode=ro"), {"kind": "room", "room_id": "busy"}
    with Server(path) as server:
        server.transaction(*message_rows("live_1", busy, "2027-01-01T00:00:00Z"))
        with open_store(url) as store:
            assert store.list_room_messages("busy").items[-1].id == "live_1"
            server.transaction(*message_rows("live_2", busy, "2027-01-01T00:00:01Z"))
            assert store.list_room_messages("busy").items[-1].id == "live_2"
        # The bytes are looked at while no store is open: closing a file drops the locks that SQLite has on it.
        before = _traces(path)
        assert before[-1] is not None
        with open_store(url) as store:
            assert store.counts().messages == 535
        assert _traces(path) == before


def test_a_missing_file_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"missing\.db"):
        open_store(url_of(tmp_path / "missing.db", "?mode=ro"))
    with pytest.raises(MoltnetError):
        open_store(url_of(tmp_path / "missing" / "moltnet.db", "?mode=ro"))
    assert list(tmp_path.iterdir()) == []


# -- where nothing can be written --------------------------------------------------------------------


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Take the right to write from a folder and what is in it, for as long as the context lasts."""
    for each in folder.iterdir():
        each.chmod(0o400)
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)
        for each in folder.iterdir():
            each.chmod(0o600)


def _read_unprivileged(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.existing.unprivileged", url_of(path, "?mode=ro"), str(path.parent)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.pop("writable") is False, "this platform lets the process write in spite of the folder's mode"
    return found


@each_without_wal
@pytest.mark.parametrize("empty_wal", [False, True], ids=["no -wal", "empty -wal"])
def test_it_is_read_where_nothing_can_be_written(case: SQLiteCase, tmp_path: Path, empty_wal: bool) -> None:
    path = case.database(tmp_path / "locked")
    if empty_wal:
        _wal(path).touch()
    there, before = sorted(path.parent.iterdir()), _traces(path)
    with _locked(path.parent):
        found = _read_unprivileged(path)
    assert "error" not in found
    assert found["records"] == _records(case.place(tmp_path / "copy"))
    assert sum(map(len, found["rooms"].values())) > 80
    assert sorted(path.parent.iterdir()) == there
    assert _traces(path) == before


@each_with_wal
def test_a_wal_that_cannot_be_read_there_is_an_error_that_says_what_to_do(case: SQLiteCase, tmp_path: Path) -> None:
    path = case.database(tmp_path / "locked")
    there, before = sorted(path.parent.iterdir()), _traces(path)
    with _locked(path.parent):
        kind, text = _read_unprivileged(path)["error"]
    assert kind == "StoreUnavailableError"
    assert "copy" in text
    assert path.name in text
    assert _wal(path).name in text
    assert sorted(path.parent.iterdir()) == there
    assert _traces(path) == before


@each_with_wal
def test_what_a_killed_process_left_is_read_there_whole_or_refused(case: SQLiteCase, tmp_path: Path) -> None:
    path = case.database(tmp_path / "locked")
    with Server(path) as server:
        server.transaction(*message_rows("last", {"kind": "room", "room_id": "general"}, "2027-01-01T00:00:00Z"))
        server.kill()
    assert path.with_name(f"{path.name}-shm").exists()
    before = _traces(path)
    assert before[-1] is not None
    with _locked(path.parent):
        found = _read_unprivileged(path)
    assert _traces(path) == before
    if "error" in found:
        kind, text = found["error"]
        assert kind == "StoreUnavailableError"
        assert "copy" in text
    else:
        assert found["rooms"]["general"][-1] == "last"
        assert len([record for record in found["records"] if record["kind"] == "message"]) == 286


@each_with_wal
def test_a_copy_of_both_files_is_read_whole(case: SQLiteCase, tmp_path: Path) -> None:
    path = case.database(tmp_path / "copied")
    with open_store(url_of(path, "?mode=ro")) as store:
        assert store.counts().messages == 285
