"""``mode=ro``: every known version, newer ones where that can be, and not a byte changed."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, foreign_in_chain, listen, outcome, tell, tree
from tests.moltnet_sqlite.support import (
    NETWORK,
    a_message,
    a_room,
    all_messages,
    dm_message,
    make_store,
    make_version,
    query,
    raw_connection,
    thread_message,
    url_of,
)
from tests.privileges import give_up_privileges

from moltnet_core import (
    AgentRegistration,
    CorruptStoreError,
    MoltnetError,
    PageRequest,
    ReadOnlyStoreError,
    SchemaTooNewError,
    Store,
    StoreUnavailableError,
    open_store,
)
from moltnet_sql import transaction
from moltnet_sqlite.engine import sqlite3

Start = Callable[..., Child]


def data_of(path: Path) -> dict[str, bytes]:
    """The bytes of the database and of its log, which reading leaves as they are. (An empty log may come and go.)"""
    files = [path, path.with_name(f"{path.name}-wal")]
    return {file.name: file.read_bytes() for file in files if file.exists() and file.stat().st_size}


def read_everything(store: Store) -> list[object]:
    rooms = store.list_rooms().items
    with store.snapshot() as snapshot:
        records = list(snapshot.records())
    return [
        rooms,
        records,
        store.counts(),
        store.list_dms().items,
        store.list_agents().items,
        store.list_members().items,
        store.list_artifacts().items,
        *(store.list_room_messages(room.id, PageRequest(limit=3)).items for room in rooms),
        *(store.list_threads(room.id).items for room in rooms),
    ]


# -- old versions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(1, 9))
def test_an_old_version_reads_as_it_will_after_its_upgrade(path: Path, version: int) -> None:
    make_version(path, version)
    if version >= 5:
        query(
            path,
            "INSERT INTO agents VALUES ('alice', 'net', 'u', 'molt://net/agents/alice', NULL, 'key', ?, ?)",
            ["2024-01-01T00:00:00Z"] * 2,
        )
    before = data_of(path)
    with open_store(url_of(path, mode="ro")) as store:
        assert store.read_only
        found = read_everything(store)
        assert all_messages(store) == ["was"]
        assert len(store.migration_status().pending) == 9 - version
        for write in WRITES.values():
            with pytest.raises(ReadOnlyStoreError):
                write(store)
    assert data_of(path) == before
    with open_store(url_of(path)) as store:
        assert read_everything(store) == found
        assert store.counts().agents == (1 if version >= 5 else 0)


WRITES: dict[str, Callable[[Store], object]] = {
    "append_message": lambda store: store.append_message(a_message("new")),
    "append_messages": lambda store: store.append_messages([a_message("new")]),
    "create_room": lambda store: store.create_room(a_room("new")),
    "reconcile_room": lambda store: store.reconcile_room(a_room()),
    "update_room_members": lambda store: store.update_room_members("hall", add=["bob"]),
    "remove_room": lambda store: store.remove_room("hall"),
    "remove_agent_from_rooms": lambda store: store.remove_agent_from_rooms("alice"),
    "register_agent": lambda store: store.register_agent(AgentRegistration("a", NETWORK, "k")),
    "reconcile_agent": lambda store: store.reconcile_agent(AgentRegistration("a", NETWORK, "k")),
    "remove_agent": lambda store: store.remove_agent("alice"),
    "load": lambda store: store.load([]),
    "migrate": Store.migrate,
    "transaction": lambda store: transaction(store).__enter__(),
}


@pytest.mark.parametrize("write", WRITES)
def test_every_write_is_refused(path: Path, write: str) -> None:
    make_store(path, messages=1)
    before = data_of(path)
    with open_store(url_of(path, mode="ro")) as store:
        with pytest.raises(ReadOnlyStoreError) as caught:
            WRITES[write](store)
        assert caught.value.committed is False
    assert data_of(path) == before


def test_sql_cannot_write_either(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by what the library does, but by what SQLite lets the connection do."""
    make_store(path, messages=1)
    before = data_of(path)
    connect, opened = sqlite3.connect, []

    def connecting(*args: Any, **options: Any) -> Any:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connecting)
    with open_store(url_of(path, mode="ro")) as store:
        assert all_messages(store) == ["m0"]
        for connection in opened:
            for sql in ("DELETE FROM main.rooms", "CREATE TABLE x (y)", "PRAGMA user_version = 5", "VACUUM"):
                with pytest.raises(sqlite3.OperationalError, match=r"readonly|read-only"):
                    connection.execute(sql).fetchall()
        assert opened
    assert data_of(path) == before


def test_an_empty_file_stays_empty(path: Path) -> None:
    """It is version 0: there is nothing to read, or it is refused."""
    path.touch()
    with suppress(MoltnetError), open_store(url_of(path, mode="ro")) as store:
        assert all_messages(store) == []
        assert store.list_rooms().items == ()
    assert path.stat().st_size == 0
    assert [found.name for found in path.parent.iterdir()] == ["moltnet.db"]


# -- newer versions --------------------------------------------------------------------------------------


def test_a_newer_version_is_read_with_a_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_store(path, messages=3)
    query(path, "ALTER TABLE messages ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'")
    query(path, "CREATE TABLE reactions (id TEXT PRIMARY KEY)")
    query(path, "INSERT INTO schema_migrations VALUES (9, 'moods', '2030-01-01T00:00:00Z')")
    query(path, "INSERT INTO schema_migrations VALUES (10, 'reactions', '2030-01-01T00:00:00Z')")
    before = data_of(path)
    with caplog.at_level(logging.WARNING), open_store(url_of(path, mode="ro")) as store:
        assert all_messages(store) == ["m0", "m1", "m2"]
        read_everything(store)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in warnings if "10" in text and "8" in text]) == 1
    assert data_of(path) == before
    with pytest.raises(SchemaTooNewError):
        open_store(url_of(path))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE messages RENAME COLUMN parts_json TO body",
        "ALTER TABLE rooms DROP COLUMN visibility",
        "ALTER TABLE rooms RENAME TO chambers",
        "DROP TABLE agents",
        "ALTER TABLE agents RENAME COLUMN credential_key TO secret",
        "ALTER TABLE messages DROP COLUMN origin_json",
    ],
)
def test_a_newer_version_that_lacks_what_is_read_is_refused(path: Path, change: str) -> None:
    make_store(path, messages=3)
    query(path, change)
    query(path, "INSERT INTO schema_migrations VALUES (9, 'changed', '2030-01-01T00:00:00Z')")
    before = data_of(path)
    with pytest.raises((SchemaTooNewError, CorruptStoreError)) as caught:
        open_store(url_of(path, mode="ro"))
    assert foreign_in_chain(caught.value) == []
    assert data_of(path) == before


# -- beside a live writer -----------------------------------------------------------------------------------


def keep_writing(path: str) -> None:
    with open_store(url_of(Path(path))) as store:
        for number in range(1000):
            store.append_message(a_message(f"live-{number:03}"))
            tell(number)
            listen()


def test_a_live_programs_database_is_read_as_it_grows(path: Path, start: Start) -> None:
    make_store(path)
    writer = start(keep_writing, path)
    assert writer.hear() == 0
    with open_store(url_of(path, mode="ro")) as store:
        for number in range(20):
            before = data_of(path)
            assert all_messages(store) == [f"live-{each:03}" for each in range(number + 1)]
            assert store.get_message(f"live-{number:03}") is not None
            assert data_of(path) == before
            writer.say()
            assert writer.hear() == number + 1


def test_what_is_only_in_the_log_is_read(path: Path, tmp_path: Path) -> None:
    """A program was killed: its last messages are in the log, which stays as it is."""
    source = tmp_path / "source.db"
    make_store(source)
    with raw_connection(source) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE rooms SET name = 'only in the log'")
        shutil.copy(source, path)
        shutil.copy(f"{source}-wal", f"{path}-wal")
    before = data_of(path)
    assert len(before) == 2
    for _ in range(2):
        with open_store(url_of(path, mode="ro")) as store:
            room = store.get_room("hall")
            assert room is not None
            assert room.name == "only in the log"
        assert data_of(path) == before


def test_reading_does_not_wait_for_a_writer(path: Path) -> None:
    make_store(path, messages=2)
    with raw_connection(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM messages")
        with open_store(url_of(path, mode="ro", busy_timeout=0)) as store:
            assert all_messages(store) == ["m0", "m1"]


# -- in a folder that cannot be written -------------------------------------------------------------------------


def read_unprivileged(path: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        make_store(Path(folder, "moltnet.db"))  # imports what is imported late
    give_up_privileges()

    def read() -> None:
        with open_store(url_of(Path(path), mode="ro")) as store:
            tell(all_messages(store))
            read_everything(store)

    tell(outcome(read))


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A database with messages of every kind, in a folder that is about to be closed to writing."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        if folder.stat().st_uid == os.geteuid() and folder.name.startswith(("pytest-", "test_")):
            folder.chmod(folder.stat().st_mode | 0o011)
    path = tmp_path / "unwritable" / "moltnet.db"
    make_store(path, messages=2)
    with open_store(url_of(path)) as store:
        store.append_messages([thread_message("t"), dm_message("d")])
    return path


def close_folder(path: Path) -> dict[str, tuple[str, int]]:
    for found in path.parent.iterdir():
        found.chmod(0o444)
    path.parent.chmod(0o555)
    return tree(path.parent)


MESSAGES = ["m0", "m1", "t", "d"]


@pytest.mark.parametrize("wal", ["none", "empty"])
def test_without_a_log_it_is_read_as_what_nobody_changes(unwritable: Path, start: Start, wal: str) -> None:
    if wal == "empty":
        unwritable.with_name("moltnet.db-wal").touch()
    before = close_folder(unwritable)
    assert start(read_unprivileged, unwritable).rest() == [MESSAGES, {"error": None}]
    assert tree(unwritable.parent) == before


def leave_a_log(path: Path, *, with_shm: bool) -> None:
    copy = path.with_name("source.db")
    shutil.copy(path, copy)
    with raw_connection(copy) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("DELETE FROM messages WHERE id = 'm1'")
        shutil.copy(f"{copy}-wal", f"{path}-wal")
        if with_shm:
            shutil.copy(f"{copy}-shm", f"{path}-shm")
    for found in path.parent.glob("source.db*"):
        found.unlink()


def test_beside_a_log_that_cannot_be_recovered_it_says_what_to_do(unwritable: Path, start: Start) -> None:
    leave_a_log(unwritable, with_shm=False)
    before = close_folder(unwritable)
    (found,) = start(read_unprivileged, unwritable).rest()
    assert found["error"] == StoreUnavailableError.__name__
    assert "copy" in found["text"]
    assert "moltnet.db-wal" in found["text"]
    assert found["foreign"] == []
    assert tree(unwritable.parent) == before


def test_beside_a_log_with_its_index_it_is_read(unwritable: Path, start: Start) -> None:
    """Or it is a typed error; never the state without the log."""
    leave_a_log(unwritable, with_shm=True)
    before = close_folder(unwritable)
    told = start(read_unprivileged, unwritable).rest()
    if told[-1]["error"] is None:
        assert told[0] == ["m0", "t", "d"]
    else:
        assert told[-1]["error"] == StoreUnavailableError.__name__
        assert told[-1]["foreign"] == []
    assert tree(unwritable.parent) == before


def test_through_a_link_in_a_folder_that_cannot_be_written(unwritable: Path, tmp_path: Path, start: Start) -> None:
    """What counts is what is beside the file that the link leads to."""
    link = tmp_path / "links" / "link.db"
    link.parent.mkdir()
    link.symlink_to(unwritable)
    link.parent.chmod(0o555)
    with open_store(url_of(unwritable)) as store:
        store.append_message(a_message("live"))
        for found in unwritable.parent.iterdir():
            found.chmod(0o666)
        unwritable.parent.chmod(0o777)
        assert start(read_unprivileged, link).rest() == [[*MESSAGES, "live"], {"error": None}]
    leave_a_log(unwritable, with_shm=False)
    for found in unwritable.parent.iterdir():
        found.chmod(0o666)
    assert start(read_unprivileged, link).rest() == [["m0", "t", "d", "live"], {"error": None}]


def test_a_live_database_in_a_folder_of_somebody_else(unwritable: Path, start: Start) -> None:
    """A server runs as another user: its files may be read, its folder not written."""
    with open_store(url_of(unwritable)) as store:
        store.append_message(a_message("live"))
        for found in unwritable.parent.iterdir():
            found.chmod(0o644)
        unwritable.parent.chmod(0o755)
        assert start(read_unprivileged, unwritable).rest() == [[*MESSAGES, "live"], {"error": None}]
