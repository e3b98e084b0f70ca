"""Files beside a file: how they are named, and that removing one touches nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from moltnet_core import ConfigError, ReadOnlyStoreError, StorageIOError
from moltnet_core.config import drop_file, file_beside, parse_url
from moltnet_core.plugins import load_backend

LABEL = "kit_0123456789ab"
NO_LABELS = ["", "A", "a b", "a-b", "a.b", "a/b", "../a", "ä", "*", "a\n", "a\0", "%61", "a?mode=ro", "٣"]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def crowd(tmp_path: Path) -> Callable[..., set[str]]:
    """Makes files by name, with folders; all names there are then."""

    def make(*names: str) -> set[str]:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("theirs")
        return files(tmp_path)

    return make


@pytest.mark.parametrize(
    ("location", "beside"),
    [
        ("mydb:///a.db", f"mydb:///a.db.{LABEL}"),
        ("mydb:////x/y", f"mydb:////x/y.{LABEL}"),
        ("mydb:///a.db?wait=5&x=%3F", f"mydb:///a.db.{LABEL}?wait=5&x=%3F"),
        ("mydb:///a.db?mode=ro&wait=5", f"mydb:///a.db.{LABEL}?wait=5"),  # nothing is there to be read yet
        ("mydb:///a%3Fb%25.db?", f"mydb:///a%3Fb%25.db.{LABEL}"),
        ("mydb:///fo%20o/%5B*%5D", f"mydb:///fo%20o/%5B*%5D.{LABEL}"),
    ],
)
def test_a_file_beside(location: str, beside: str) -> None:
    assert file_beside(location, LABEL) == beside
    assert parse_url(beside).path == f"{parse_url(location).path}.{LABEL}"


@pytest.mark.parametrize("label", NO_LABELS)
def test_what_is_no_label_is_refused_before_anything_is_touched(
    tmp_path: Path, crowd: Callable[..., set[str]], label: str
) -> None:
    there = crowd("a.db", "a.db-wal", "a.db.", "a.db.a", "b")
    for call in (file_beside, drop_file):
        with pytest.raises(ValueError, match="label"):
            call(f"sqlite:///{tmp_path}/a.db", label)
    for name in ("json", "postgres", "sqlite"):
        backend = load_backend(name)[0]
        assert backend.sublocation is not None
        assert backend.drop_sublocation is not None
        for act in (backend.sublocation, backend.drop_sublocation):
            with pytest.raises(ValueError, match="label"):
                act(f"{name}:///{tmp_path}/a.db", label)
    assert files(tmp_path) == there


@pytest.mark.parametrize(
    "location", ["sqlite:///", "sqlite://", "sqlite://host/a.db", "a.db", "sqlite:///a.db#x", "sqlite:///a%.db"]
)
def test_a_location_that_is_no_files_is_refused(
    tmp_path: Path, crowd: Callable[..., set[str]], monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    monkeypatch.chdir(tmp_path)
    there = crowd("a.db", f"a.db.{LABEL}", f".{LABEL}")
    for call in (file_beside, drop_file):
        with pytest.raises(ConfigError):
            call(location, LABEL)
    assert files(tmp_path) == there


OWN = ("a.db.k1", "a.db.k1-wal", "a.db.k1-shm", "a.db.k1.lock", "a.db.k1-new\nline")


def test_only_what_has_the_places_own_name_is_removed(tmp_path: Path, crowd: Callable[..., set[str]]) -> None:
    neighbours = crowd("a.db", "a.db-wal", "a.db.k", "a.db.k12", "a.db.k1x", "a.db.k1_", "xa.db.k1", "other/a.db.k1")
    neighbours = crowd("A.DB.K1", "a_db.k1", ".a.db.k1", "a.db.k1 ", "a.db.k2", "a.db.k2-wal")
    assert crowd(*OWN) > neighbours
    drop_file(f"sqlite:///{tmp_path}/a.db?busy_timeout=5", "k1")
    assert files(tmp_path) == neighbours
    assert (tmp_path / "a.db").read_text() == "theirs"
    drop_file(f"sqlite:///{tmp_path}/a.db", "k1")  # nothing is there any more
    drop_file(f"sqlite:///{tmp_path}/a.db", "k2")
    assert files(tmp_path) == neighbours - {"a.db.k2", "a.db.k2-wal"}


@pytest.mark.parametrize(
    ("name", "url"), [("a*.db", "a*.db"), ("[ab].db", "%5Bab%5D.db"), ("a?.db", "a%3F.db"), ("ä b%.db", "ä%20b%25.db")]
)
def test_a_name_that_is_a_pattern_stands_for_itself(
    tmp_path: Path, crowd: Callable[..., set[str]], name: str, url: str
) -> None:
    there = crowd(name, "ab.db.k1", "a.db.k1", "b.db.k1", "axb.db.k1", "ä b25.db.k1", url, f"{name}.k2")
    crowd(f"{name}.k1", f"{name}.k1-wal")
    drop_file(f"sqlite:///{tmp_path}/{url}", "k1")
    assert files(tmp_path) == there


def test_a_relative_path_is_one_here(
    tmp_path: Path, crowd: Callable[..., set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = crowd("a.db", "in/a.db", "in/a.db.k1")
    crowd("a.db.k1")
    monkeypatch.chdir(tmp_path)
    drop_file("sqlite:///a.db", "k1")
    assert files(tmp_path) == there
    drop_file("sqlite:///nowhere/a.db", "k1")
    assert files(tmp_path) == there


def test_of_a_link_the_link_is_removed(tmp_path: Path, crowd: Callable[..., set[str]]) -> None:
    there = crowd("a.db", "target")
    (tmp_path / "a.db.k1").symlink_to(tmp_path / "target")
    (tmp_path / "a.db.k1-wal").symlink_to(tmp_path)
    drop_file(f"sqlite:///{tmp_path}/a.db", "k1")
    assert files(tmp_path) == there
    assert (tmp_path / "target").read_text() == "theirs"


def test_a_folder_stays_and_is_reported_and_the_rest_goes(tmp_path: Path, crowd: Callable[..., set[str]]) -> None:
    there = crowd("a.db", "a.db.k1-folder/kept")
    crowd("a.db.k1", "a.db.k1-zzz")
    with pytest.raises((StorageIOError, ReadOnlyStoreError), match="k1-folder could not be removed"):
        drop_file(f"sqlite:///{tmp_path}/a.db", "k1")
    assert files(tmp_path) == there


@pytest.mark.parametrize("name", ["json", "sqlite"])
def test_a_store_beside_a_store(tmp_path: Path, name: str) -> None:
    from moltnet_core import Room, open_store

    location = f"{name}:///{tmp_path}/a%20b.x"
    backend = load_backend(name)[0]
    assert backend.sublocation is not None
    assert backend.drop_sublocation is not None
    with open_store(location, environ={}) as store:
        store.create_room(Room("kept", "net"))
    there = files(tmp_path)
    for label in ("one", "one_more"):
        with open_store(backend.sublocation(location, label), environ={}) as store:
            assert store.counts().rooms == 0
            store.create_room(Room("gone", "net"))
    both = files(tmp_path)
    backend.drop_sublocation(location, "one")
    assert files(tmp_path) == both - {"a b.x.one"}
    backend.drop_sublocation(location, "one_more")
    assert files(tmp_path) == there
    with open_store(location, environ={}) as store:
        assert store.get_room("kept") is not None
