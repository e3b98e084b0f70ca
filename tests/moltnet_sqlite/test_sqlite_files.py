"""The database file: how it is created, what may stand in its place, and what bad input leaves behind: nothing."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, outcome, tell, tree
from tests.moltnet_sqlite.support import a_message, a_room, all_messages, make_store, url_of
from tests.privileges import give_up_privileges

from moltnet_core import (
    BackendNotFoundError,
    ConfigError,
    MigrationRequiredError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageConfig,
    StoreUnavailableError,
    ValidationError,
    hookimpl,
    open_store,
)

Start = Callable[..., Child]
SIDECARS = {"moltnet.db-wal", "moltnet.db-shm"}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- what is created ---------------------------------------------------------------------------------


def create_under_umask(path: str, umask: int) -> None:
    os.umask(umask)
    with open_store(url_of(Path(path))) as store:
        store.create_room(a_room())
        folder = Path(path).parent
        tell({found.name: mode_of(found) for found in folder.iterdir()})


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077, 0o177])
def test_files_are_for_their_owner_alone(path: Path, start: Start, umask: int) -> None:
    beside_an_open_store = start(create_under_umask, path, umask).rest()[0]
    assert beside_an_open_store == dict.fromkeys(["moltnet.db", *SIDECARS], 0o600)
    assert mode_of(path) == 0o600


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_missing_folders_are_for_their_owner_alone(tmp_path: Path, start: Start, umask: int) -> None:
    start(create_under_umask, tmp_path / "one" / "two" / "three" / "moltnet.db", umask).end()
    for folder in ("one", "one/two", "one/two/three"):
        assert mode_of(tmp_path / folder) == 0o700, folder
    assert mode_of(tmp_path / "one" / "two" / "three" / "moltnet.db") == 0o600


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775, 0o1777])
def test_an_existing_folder_keeps_its_mode(path: Path, mode: int) -> None:
    path.parent.chmod(mode)
    make_store(path)
    assert mode_of(path.parent) == mode


def test_an_existing_file_keeps_its_mode(path: Path) -> None:
    make_store(path)
    path.chmod(0o640)
    with open_store(url_of(path)) as store:
        store.append_message(a_message("m"))
    assert mode_of(path) == 0o640


def test_the_default_path_is_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store(environ={}) as store:
        store.create_room(a_room())
    assert mode_of(tmp_path / ".moltnet") == 0o700
    assert mode_of(tmp_path / ".moltnet" / "moltnet.db") == 0o600


def test_a_relative_path_stays_where_it_was_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with open_store("sqlite:///chat.db") as store:
        monkeypatch.chdir(elsewhere)
        store.create_room(a_room())
        with store.snapshot() as snapshot:  # on a connection that is opened only now
            assert [record.id for record in snapshot.records("room")] == ["hall"]
    assert list(elsewhere.iterdir()) == []


NAMES = [
    "with a space.db",
    "what?.db",
    "why?mode=memory&cache=shared.db",
    "number#1.db",
    "50%.db",
    "%41%20.db",
    "a+b&c=d;e.db",
    "quote'and\"quote.db",
    "back\\slash.db",
    "semi:colon.db",
    "file:moltnet.db",
    "naïve Ünïcödé 数据 🗄.db",
    "line\u2028separator.db",
    "-leading.db",
    "no extension",
    ".hidden",
    "x" * 240 + ".db",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_file_of_that_name(path: Path, name: str) -> None:
    config = StorageConfig(kind="sqlite", settings={"path": str(path.parent / name)})
    with open_store(config) as store:
        store.create_room(a_room())
        assert {found.name for found in path.parent.iterdir()} == {name, f"{name}-wal", f"{name}-shm"}
    assert [found.name for found in path.parent.iterdir()] == [name]
    with open_store(url_of(path.parent / name)) as store:
        assert store.get_room("hall") is not None
    with open_store(url_of(path.parent / name, mode="ro")) as store:
        assert store.get_room("hall") is not None


def test_folders_with_any_name(tmp_path: Path) -> None:
    path = tmp_path / "50% of #1?" / "数据 & more" / "moltnet.db"
    make_store(path)
    assert path.is_file()


def test_a_very_long_path(tmp_path: Path) -> None:
    """Longer than SQLite takes is a typed error; as long as it takes works."""
    folder = tmp_path
    while len(str(folder)) < 300:
        folder = folder / ("d" * 40)
    make_store(folder / "moltnet.db")
    assert (folder / "moltnet.db").is_file()


@pytest.mark.parametrize("name", ["x" * 256, "x" * 5000, "/".join(["d" * 200] * 30)])
def test_a_name_that_is_too_long(path: Path, name: str) -> None:
    before = tree(path.parent)
    with pytest.raises(ConfigError) as caught:
        open_store(url_of(path.parent / name))
    assert caught.value.key == "path"
    assert tree(path.parent) == before


def test_a_name_that_leaves_no_room_for_its_sidecars(path: Path) -> None:
    """``-wal`` and ``-journal`` have to fit too; a store that could not be written must not be half made."""
    name = "x" * 253
    with pytest.raises(MoltnetError):
        open_store(url_of(path.parent / name))
    assert all(found.stat().st_size == 0 for found in path.parent.iterdir())


# -- links -------------------------------------------------------------------------------------------


def test_a_link_to_a_database_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "moltnet.db", tmp_path / "links" / "link.db"
    make_store(real)
    link.parent.mkdir()
    link.symlink_to(real)
    with open_store(url_of(link)) as store:
        store.append_message(a_message("through-the-link"))
        # What SQLite keeps beside the file is beside the file, or two programs would not see each other.
        assert {found.name for found in real.parent.iterdir()} == {"moltnet.db", "moltnet.db-wal", "moltnet.db-shm"}
        assert "write-ahead log" in store.describe()
    assert link.is_symlink()
    assert link.readlink() == real
    assert [found.name for found in link.parent.iterdir()] == ["link.db"]
    with open_store(url_of(real)) as store:
        assert store.get_message("through-the-link") is not None


def test_a_store_by_its_name_and_by_a_link_is_one(tmp_path: Path) -> None:
    real, link = tmp_path / "moltnet.db", tmp_path / "link.db"
    make_store(real)
    link.symlink_to("moltnet.db")
    with open_store(url_of(real)) as one, open_store(url_of(link)) as other:
        one.append_message(a_message("m1"))
        other.append_message(a_message("m2"))
        assert all_messages(one) == all_messages(other) == ["m1", "m2"]


def test_a_linked_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    make_store(tmp_path / "link" / "moltnet.db")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "moltnet.db").is_file()


@pytest.mark.parametrize("target", ["nowhere.db", "missing/folder/moltnet.db", "moltnet.db"])
def test_a_link_to_nothing(path: Path, target: str) -> None:
    path.symlink_to(target)
    before = tree(path.parent)
    with pytest.raises(ConfigError) as caught:
        open_store(url_of(path))
    assert caught.value.key == "path"
    assert str(path) in str(caught.value)
    assert tree(path.parent) == before


# -- what is no file ---------------------------------------------------------------------------------


def test_a_folder_as_path(path: Path) -> None:
    path.mkdir()
    before = tree(path.parent)
    with pytest.raises(ConfigError, match="folder") as caught:
        open_store(url_of(path))
    assert caught.value.key == "path"
    assert tree(path.parent) == before


@pytest.mark.parametrize("below", ["moltnet.db", "deeper/moltnet.db"])
def test_a_path_through_a_file(path: Path, below: str) -> None:
    path.write_text("a file", encoding="utf-8")
    before = tree(path.parent)
    with pytest.raises(ConfigError) as caught:
        open_store(url_of(path / below))
    assert caught.value.key == "path"
    assert tree(path.parent) == before


@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_a_fifo(path: Path, mode: str) -> None:
    """Opening one would wait for somebody who writes to it."""
    os.mkfifo(path)
    before = tree(path.parent)
    with pytest.raises(ConfigError, match="regular"):
        open_store(url_of(path, mode=mode))
    assert tree(path.parent) == before


def test_a_socket(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
        with pytest.raises(ConfigError, match="regular"):
            open_store(url_of(path))


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/full"])
def test_a_device(device: str) -> None:
    with pytest.raises(ConfigError, match="regular"):
        open_store(url_of(Path(device)))


def test_a_missing_file_is_never_created_read_only(path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="mode=ro"):
        open_store(url_of(path, mode="ro"))
    with pytest.raises(StoreUnavailableError, match="mode=ro"):
        open_store(url_of(path.parent / "missing" / "moltnet.db", mode="ro"))
    assert list(path.parent.iterdir()) == []


# -- where nothing may be written ----------------------------------------------------------------------


def become_unprivileged() -> None:
    """Leave root, whom no permission stops, once all that is imported later is imported."""
    with tempfile.TemporaryDirectory() as folder:
        make_store(Path(folder, "moltnet.db"))
    give_up_privileges()


def use_unprivileged(path: str, mode: str) -> None:
    become_unprivileged()

    def use() -> None:
        with open_store(url_of(Path(path), mode=mode)) as store:
            tell([room.id for room in store.list_rooms().items])
            if mode == "rw":
                store.create_room(a_room("another"))

    tell(outcome(use))


def share(folder: Path) -> None:
    """Let everybody through to a folder below pytest's own, which are private."""
    for found in folder.parents:
        if found.owner() != Path.home().owner() or found == Path("/"):
            break
        if not found.stat().st_mode & stat.S_IXOTH:
            found.chmod(found.stat().st_mode | stat.S_IXOTH)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that an unprivileged child reaches."""
    folder = tmp_path / "shared"
    folder.mkdir()
    share(folder)
    folder.chmod(0o777)
    return folder


def make_readable(folder: Path) -> Path:
    """A database that everybody may read and nobody but its owner write, in a folder of the same kind."""
    path = folder / "kept" / "moltnet.db"
    make_store(path, messages=3)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    return path


def test_a_file_in_a_folder_that_may_not_be_written(shared: Path, start: Start) -> None:
    shared.chmod(0o555)
    (found,) = start(use_unprivileged, shared / "moltnet.db", "rw").rest()
    assert found["error"] == "ReadOnlyStoreError"
    assert str(shared) in found["text"]
    assert found["foreign"] == []
    assert list(shared.iterdir()) == []


def test_a_folder_that_may_not_be_made(shared: Path, start: Start) -> None:
    shared.chmod(0o555)
    (found,) = start(use_unprivileged, shared / "missing" / "deeper" / "moltnet.db", "rw").rest()
    assert found["error"] == "ReadOnlyStoreError"
    assert found["foreign"] == []
    assert list(shared.iterdir()) == []


def test_a_folder_that_may_not_be_entered(shared: Path, start: Start) -> None:
    make_store(shared / "closed" / "moltnet.db")
    (shared / "closed").chmod(0o000)
    for mode in ("rw", "ro"):
        (found,) = start(use_unprivileged, shared / "closed" / "moltnet.db", mode).rest()
        assert found["error"] in ("ReadOnlyStoreError", "StoreUnavailableError")
        assert found["foreign"] == []
    (shared / "closed").chmod(0o755)
    assert [found.name for found in (shared / "closed").iterdir()] == ["moltnet.db"]


def test_a_file_that_may_not_be_read(shared: Path, start: Start) -> None:
    path = shared / "moltnet.db"
    make_store(path)
    before = tree(shared)
    mode_before = mode_of(path)
    path.chmod(0o000)
    for mode in ("rw", "ro"):
        (found,) = start(use_unprivileged, path, mode).rest()
        assert found["error"] in ("ReadOnlyStoreError", "StoreUnavailableError")
        assert found["foreign"] == []
    path.chmod(mode_before)
    assert tree(shared) == before


def test_a_read_only_folder_is_refused_at_once_and_read_with_mode_ro(shared: Path, start: Start) -> None:
    path = make_readable(shared)
    before = tree(shared)
    (found,) = start(use_unprivileged, path, "rw").rest()
    assert found["error"] == "ReadOnlyStoreError"
    assert "mode=ro" in found["text"]
    assert found["foreign"] == []
    assert start(use_unprivileged, path, "ro").rest() == [["hall"], {"error": None}]
    assert tree(shared) == before


def test_a_read_only_file_is_refused_at_once_and_read_with_mode_ro(shared: Path, start: Start) -> None:
    path = shared / "moltnet.db"
    make_store(path, messages=3)
    path.chmod(0o444)
    before = tree(shared)
    (found,) = start(use_unprivileged, path, "rw").rest()
    assert found["error"] == "ReadOnlyStoreError"
    assert "mode=ro" in found["text"]
    assert tree(shared) == before
    assert start(use_unprivileged, path, "ro").rest() == [["hall"], {"error": None}]
    assert tree(shared)["moltnet.db"] == before["moltnet.db"]


# -- bad input ---------------------------------------------------------------------------------------


BAD_LOCATIONS: list[tuple[Any, type[MoltnetError]]] = [
    ("sqlite://host{path}", ConfigError),
    ("sqlite:///", ConfigError),
    ("sqlite:///:memory:", ConfigError),
    ("sqlite:///{path}#fragment", ConfigError),
    ("sqlite:///{path}?busy_timeout", ConfigError),
    ("sqlite:///{path}?busy_timeout=", ConfigError),
    ("sqlite:///{path}?busy_timeout=soon", ConfigError),
    ("sqlite:///{path}?busy_timeout=-1", ConfigError),
    ("sqlite:///{path}?busy_timeout=3601", ConfigError),
    ("sqlite:///{path}?busy_timeout=nan", ConfigError),
    ("sqlite:///{path}?busy_timeout=inf", ConfigError),
    ("sqlite:///{path}?busy_timeout=1&busy_timeout=2", ConfigError),
    ("sqlite:///{path}?busytimeout=1", ConfigError),
    ("sqlite:///{path}?synchronous=off", ConfigError),
    ("sqlite:///{path}?synchronous=FULL;DROP", ConfigError),
    ("sqlite:///{path}?mode=rwc", ConfigError),
    ("sqlite:///{path}?mode=memory", ConfigError),
    ("sqlite:///{path}?cache=shared", ConfigError),
    ("sqlite:///{path}?path=other.db", ConfigError),
    ("sqlite:///{path}%", ConfigError),
    ("sqlite:///{path}%FF", ConfigError),
    ("sqlite:///{path}%00", ConfigError),
    ("sqlite:{path}", ConfigError),
    ("{path}", ConfigError),
    ("sqlight:///{path}", BackendNotFoundError),
    ("sqlite3:///{path}", BackendNotFoundError),
    (StorageConfig(kind="sqlight", settings={}), BackendNotFoundError),
    (StorageConfig(kind="sqlite", settings={"pth": "x.db"}), ConfigError),
    (StorageConfig(kind="sqlite", settings={"path": 5}), ConfigError),
    (StorageConfig(kind="sqlite", settings={"path": ":memory:"}), ConfigError),
    (StorageConfig(kind="sqlite", settings={"busy_timeout": "soon"}), ConfigError),
    (StorageConfig(kind="sqlite", settings={"busy_timeout": True}), ConfigError),
    (StorageConfig(kind="sqlite", settings={"synchronous": "OFF"}), ConfigError),
    (StorageConfig(kind="sqlite", settings={"synchronous": 2}), ConfigError),
    (5, ValidationError),
    (b"sqlite:///x.db", ValidationError),
]


@pytest.mark.parametrize(("location", "error"), BAD_LOCATIONS)
def test_bad_input_creates_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, location: Any, error: type[MoltnetError]
) -> None:
    monkeypatch.chdir(path.parent)
    if isinstance(location, str):
        location = location.format(path=path)
    with pytest.raises(error):
        open_store(location)
    assert list(path.parent.iterdir()) == []


def test_a_bad_way_of_migrating_creates_nothing(path: Path) -> None:
    with pytest.raises(ValidationError):
        open_store(url_of(path), migrate="never")  # type: ignore[arg-type]
    assert list(path.parent.iterdir()) == []


def test_a_broken_plugin_creates_nothing(path: Path) -> None:
    class Misspelt:
        @hookimpl
        def moltnet_migration(self) -> None: ...

    with pytest.raises(MoltnetError):
        open_store(url_of(path), plugins=[Misspelt()])
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MOLTNET_STORAGE_KIND", "sqlight"),
        ("MOLTNET_SQLITE_PTH", "x.db"),
        ("MOLTNET_SQLITE_BUSY_TIMEOUT", "soon"),
        ("MOLTNET_SQLITE_SYNCHRONOUS", "off"),
        ("MOLTNET_CONFIG", "missing.yaml"),
    ],
)
def test_a_bad_environment_creates_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(MoltnetError):
        open_store(environ={variable: value})
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "storage:\n  kind: sqlight\n",
        "storage:\n  kind: sqlite\n  sqlite:\n    pth: x.db\n",
        "storage:\n  kind: sqlite\n  sqlite:\n    path: [x.db]\n",
        "storage:\n  kind: sqlite\n  sqlite:\n    busy_timeout: soon\n",
        "storage:\n  kind: sqlite\n  sqlit:\n    path: x.db\n",
        "storage: sqlite\n",
        "storage:\n  kind: sqlite\n  sqlite: x.db\n",
        "storage: {kind: sqlite",
    ],
)
def test_a_bad_configuration_file_creates_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(path.parent)
    Path("moltnet.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(MoltnetError):
        open_store(environ={})
    assert [found.name for found in path.parent.iterdir()] == ["moltnet.yaml"]


def test_a_new_file_without_migrating(path: Path) -> None:
    with pytest.raises(MigrationRequiredError):
        open_store(url_of(path), migrate=False)
    assert not path.exists() or path.stat().st_size == 0


def test_a_write_to_a_read_only_store(path: Path) -> None:
    make_store(path)
    before = tree(path.parent)
    with open_store(url_of(path, mode="ro")) as store:
        with pytest.raises(ReadOnlyStoreError):
            store.append_message(a_message("m"))
        assert store.get_message("m") is None
    assert tree(path.parent)["moltnet.db"] == before["moltnet.db"]
