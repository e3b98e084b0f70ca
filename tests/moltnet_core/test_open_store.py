"""``open_store``: from a location to a store, or to an error that leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import (
    BackendNotFoundError,
    ConfigError,
    CorruptStoreError,
    MoltnetError,
    Room,
    StorageConfig,
    StoreUnavailableError,
    ValidationError,
    open_store,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; nothing stands in it after an error."""
    where = tmp_path / "work"
    where.mkdir()
    monkeypatch.chdir(where)
    return where


def refused(folder: Path, location: Any, error: type[MoltnetError], **options: Any) -> str:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(error) as caught:
        open_store(location, **{"environ": {}, **options})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return str(caught.value)


def test_a_relative_an_absolute_and_a_configured_path_are_one_store(folder: Path) -> None:
    with open_store("sqlite:///chat.db", environ={}) as store:
        store.create_room(Room("general", "net"))
    for location in (
        f"sqlite:///{folder}/chat.db",
        "sqlite:///chat.db?busy_timeout=1&synchronous=normal",
        "SQLite:///chat.db",
        StorageConfig("sqlite", {"path": "chat.db"}),
        StorageConfig("sqlite", {"path": folder / "chat.db"}, read_only=True),
    ):
        with open_store(location, environ={"MOLTNET_SQLITE_PATH": "other.db"}) as store:
            assert store.counts().rooms == 1
    assert {path.name for path in folder.iterdir()} <= {"chat.db", "chat.db-shm", "chat.db-wal"}


def test_the_default_is_sqlite_in_the_working_directory(folder: Path) -> None:
    with open_store(environ={}) as store:
        store.create_room(Room("general", "net"))
    assert (folder / ".moltnet/moltnet.db").is_file()


def test_environment_and_file(folder: Path) -> None:
    (folder / "moltnet.yaml").write_text("storage:\n  kind: sqlite\n  sqlite:\n    path: a.db\n")
    with open_store(environ={}) as store:
        assert store.backend.name == "sqlite"
    with open_store(environ={"MOLTNET_STORAGE_KIND": "memory"}) as store:
        assert store.backend.name == "memory"
    (folder / "other.toml").write_text('[storage]\nkind = "sqlite"\n[storage.sqlite]\npath = "b.db"\n')
    open_store(environ={}, config_file=folder / "other.toml").close()
    assert {path.name for path in folder.iterdir()} == {"moltnet.yaml", "other.toml", "a.db", "b.db"}


def test_the_process_s_environment_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MOLTNET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOLTNET_STORAGE_KIND", "memory")
    with open_store() as store:
        assert store.backend.name == "memory"


@pytest.mark.parametrize(
    ("location", "error", "words"),
    [
        ("nosuch://x", BackendNotFoundError, ["nosuch", "sqlite"]),
        ("chat.db", ConfigError, ["sqlite:///"]),
        ("", ConfigError, ["sqlite:///"]),
        ("sqlite:///", ConfigError, ["path"]),
        ("sqlite:///:memory:", ConfigError, ["memory://"]),
        ("sqlite:///chat.db?busy_timout=5", ConfigError, ["busy_timout"]),
        ("sqlite:///chat.db?busy_timeout=soon", ConfigError, ["busy_timeout"]),
        ("sqlite:///chat.db?busy_timeout=-1", ConfigError, ["busy_timeout"]),
        ("sqlite:///chat.db?synchronous=off", ConfigError, ["synchronous"]),
        ("sqlite:///chat.db?mode=rwc", ConfigError, ["mode"]),
        ("sqlite:///chat.db#x", ConfigError, ["fragment"]),
        ("sqlite:///chat%00.db", ConfigError, ["path"]),
        ("sqlite://host/chat.db", ConfigError, []),
        ("memory://x", ConfigError, []),
        ("memory://?path=x", ConfigError, ["path"]),
        (StorageConfig("nosuch"), BackendNotFoundError, ["nosuch"]),
        (StorageConfig("sqlite", {"pth": "chat.db"}), ConfigError, ["pth"]),
        (StorageConfig("sqlite", {"path": 5}), ConfigError, ["path"]),
        (StorageConfig("sqlite", {"path": ""}), ConfigError, ["path"]),
        (StorageConfig("memory", {"path": "x"}), ConfigError, ["path"]),
        (5, ValidationError, ["URL"]),
        (Path("chat.db"), ValidationError, ["URL"]),
    ],
    ids=str,
)
def test_bad_locations(folder: Path, location: Any, error: type[MoltnetError], words: list[str]) -> None:
    text = refused(folder, location, error)
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"MOLTNET_STORAGE_KIND": "nosuch"}, BackendNotFoundError),
        ({"MOLTNET_STORAGE_KIND": "My SQL"}, ConfigError),
        ({"MOLTNET_SQLITE_BUSY_TIMEOUT": "soon"}, ConfigError),
        ({"MOLTNET_SQLITE_PTH": "x.db"}, ConfigError),
        ({"MOLTNET_CONFIG": "nowhere.yaml"}, ConfigError),
    ],
)
def test_bad_environments(folder: Path, environ: dict[str, str], error: type[MoltnetError]) -> None:
    refused(folder, None, error, environ=environ)


def test_a_location_is_complete(folder: Path) -> None:
    (folder / "bad.yaml").write_text("storage: [")
    refused(folder, "memory://", ValidationError, config_file="bad.yaml")
    open_store("memory://", environ={"MOLTNET_CONFIG": "nowhere", "MOLTNET_STORAGE_KIND": "nosuch"}).close()


def test_places_that_hold_no_store(folder: Path) -> None:
    (folder / "a-folder").mkdir()
    (folder / "text.db").write_text("this is not a database, and long enough to be looked at" * 20)
    assert "a-folder" in refused(folder, "sqlite:///a-folder", ConfigError)
    refused(folder, "sqlite:///text.db", CorruptStoreError)
    refused(folder, "sqlite:///text.db/chat.db", ConfigError)
    refused(folder, "sqlite:///none.db?mode=ro", StoreUnavailableError)
    refused(folder, "sqlite:///none/none.db?mode=ro", StoreUnavailableError)
    assert {path.name for path in folder.iterdir()} == {"a-folder", "text.db"}
