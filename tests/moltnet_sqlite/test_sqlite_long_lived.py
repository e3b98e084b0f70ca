"""Stores and snapshots that live on while something happens to the file or the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import Actor, Message, Part, Room, StorageFullError, StorageIOError, Target, open_store
from moltnet_sql import server_migrations
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.engine import sqlite3
from moltnet_sqlite.sessions import SQLiteSession


def filled(url: str, count: int) -> list[str]:
    """A store with so many messages; their ids in order."""
    with open_store(url) as store:
        store.create_room(Room("general", "net"))
        batch = [Message("net", Target.room("general"), Actor("agent", "a"), [Part("text", "x")]) for _ in range(count)]
        return [result.message.id for result in store.append_messages(batch)]


def test_a_scan_that_failed_can_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    ids = filled(url, 300)
    stream = SQLiteSession.stream
    fails = [False]

    def streaming(self: SQLiteSession, sql: str, parameters: Any = ()) -> Iterator[Any]:
        for row in stream(self, sql, parameters):
            if fails[0]:
                fails[0] = False
                raise sqlite3.OperationalError("disk I/O error")
            yield row

    monkeypatch.setattr(SQLiteSession, "stream", streaming)
    with open_store(url) as store, store.snapshot() as snapshot:
        first = [record.id for record in snapshot.scan("message", limit=100)]
        fails[0] = True
        with pytest.raises(StorageIOError):
            snapshot.scan("message", first[-1], limit=100)
        rest = [record.id for record in snapshot.scan("message", first[-1], limit=1000)]
    assert first + rest == sorted(ids, key=ids.index)


def version_six(path: Path) -> None:
    """A database as a server of version 6 leaves it, with two rooms."""
    connection = sqlite3.connect(str(path), isolation_level=None)
    connection.execute("CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, applied_at TEXT)")
    for migration in server_migrations("TEXT")[:6]:
        migration.up(connection)
        row = (migration.version, migration.name, "2026-01-01T00:00:00Z")
        connection.execute("INSERT INTO schema_migrations VALUES (?, ?, ?)", row)
    for room in ("general", "ops"):
        fields = (room, "net", f"molt://net/rooms/{room}", room, "2026-01-01T00:00:00Z")
        connection.execute("INSERT INTO rooms VALUES (?, ?, ?, ?, ?)", fields)
    connection.close()


def test_a_reader_sees_that_the_file_was_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    version_six(path)
    with open_store(f"sqlite:///{path}?mode=ro") as reader:
        assert [room.id for room in reader.list_rooms().items] == ["general", "ops"]
        assert reader.migration_status().pending
        with open_store(f"sqlite:///{path}") as writer:
            writer.remove_room("general")
            writer.reconcile_room(Room("ops", "net", visibility="public"))
        assert [(room.id, room.visibility) for room in reader.list_rooms().items] == [("ops", "public")]
        assert not reader.migration_status().pending


def test_what_a_full_disk_leaves_open_is_said(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR"
    for full, kind in ((True, StorageFullError), (False, StorageIOError)):
        dialect = SQLiteDialect(is_full=lambda full=full: full)  # type: ignore[misc]
        for committing, committed in ((True, None), (False, False)):
            found = dialect.translate(error, committing=committing)
            assert type(found) is kind
            assert found.committed is committed


def test_a_folder_that_is_gone_does_not_hide_the_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    url = f"sqlite:///{folder}/s.db"
    filled(url, 1)
    with open_store(url) as store:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        dialect = store.driver._dialect  # type: ignore[attr-defined]
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR"
        assert type(dialect.translate(error, committing=False)) is StorageIOError
