"""Which file is made, opened or refused, and that nothing else is touched."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from tests.children import tree
from tests.moltnet_json.snapshots import opened, read, url_of, with_messages, write
from tests.privileges import run_unprivileged

from moltnet_conformance.building import everything, message, room
from moltnet_core import (
    ConfigError,
    ReadOnlyStoreError,
    StorageConfig,
    StoreUnavailableError,
    ValidationError,
    open_store,
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_a_new_snapshot_and_its_folders_are_its_owner_s(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "a" / "b" / "data.json"
    before = os.umask(mask)
    try:
        with_messages(path)
    finally:
        os.umask(before)
    assert (mode_of(path), mode_of(path.parent), mode_of(path.parent.parent)) == (0o600, 0o700, 0o700)
    assert tree(tmp_path / "a").keys() == {"b", "b/data.json"}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o666])
def test_a_snapshot_keeps_its_mode_and_its_folder_too(path: Path, mode: int) -> None:
    with_messages(path)
    path.chmod(mode)
    path.parent.chmod(0o755)
    with opened(path) as store:
        store.append_message(message("m9"))
        path.chmod(0o644)  # while it is open
        store.append_message(message("m10"))
        assert mode_of(path) == 0o644
    assert mode_of(path.parent) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_snapshot_keeps_its_owner_and_group(path: Path) -> None:
    with_messages(path)
    os.chown(path, 12345, 54321)
    with opened(path) as store:
        store.append_message(message("m9"))
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)
    assert mode_of(path) == 0o600


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    real, link, second = tmp_path / "real" / "data.json", tmp_path / "links" / "data.json", tmp_path / "second.json"
    with_messages(real)
    link.parent.mkdir()
    link.symlink_to("../real/data.json")
    second.symlink_to(link)
    with opened(second) as store:
        store.append_message(message("m9"))
        assert sorted(each.name for each in real.parent.iterdir()) == ["data.json"]
    assert link.is_symlink()
    assert second.is_symlink()
    assert not real.is_symlink()
    assert len(read(real)["room_messages"]["general"]) == 3
    assert [each.name for each in link.parent.iterdir()] == ["data.json"]


def test_a_planted_link_is_not_followed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = path.with_name("victim")
    victim.write_text("mine")
    with_messages(path)
    monkeypatch.setattr("moltnet_json.locked.temporary_name", lambda name: ".planted.tmp")
    path.with_name(".planted.tmp").symlink_to(victim)
    content = path.read_bytes()
    with opened(path) as store:
        with pytest.raises(OSError, match="was not written"):
            store.append_message(message("m9"))
        assert store.counts().messages == 2
    assert victim.read_text() == "mine"
    assert path.read_bytes() == content


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("folder", "fifo", "loop", "dangling", "to-folder")}
    places["folder"].mkdir()
    os.mkfifo(places["fifo"])
    places["loop"].symlink_to("loop")
    places["dangling"].symlink_to("nowhere.json")
    places["to-folder"].symlink_to("folder")
    places |= {"device": Path("/dev/null"), "below a file": tmp_path / "file" / "data.json"}
    (tmp_path / "file").write_text("{}")
    places["too long"] = tmp_path / ("x" * 300)
    before = tree(tmp_path)
    for name, place in places.items():
        with pytest.raises(ConfigError) as caught:
            opened(place)
        assert str(place) in str(caught.value) or str(place.parent) in str(caught.value), name
    assert tree(tmp_path) == before


def test_the_path_has_to_be_one() -> None:
    for url in ("json://data.json", "json://", "json:///~/data.json"):
        with pytest.raises(ConfigError):
            open_store(url, environ={})
    for found in ("https://example.org/data.json", "~/data.json", ""):
        with pytest.raises(ConfigError):
            open_store(StorageConfig(kind="json", settings={"path": found}), environ={})


@pytest.mark.parametrize("name", ["a b?#%.json", "ünï.json", "x" * 250, "-.json", "a\nb.json".replace("\n", "\t")])
def test_odd_names(path: Path, name: str) -> None:
    odd = path.with_name(name)
    with open_store(StorageConfig(kind="json", settings={"path": odd}), environ={}) as store:
        store.create_room(room())
        store.append_message(message("m1"))
    assert [each.name for each in path.parent.iterdir()] == [name]
    with open_store(StorageConfig(kind="json", settings={"path": odd}), environ={}) as store:
        assert store.counts().messages == 1


def test_a_relative_path_stays_where_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with open_store("json:///data.json", environ={}) as store:
        monkeypatch.chdir("/")
        store.create_room(room())
        assert str(path) in store.describe()["file"]
    assert read(path)["rooms"]


def test_read_only_never_creates_and_never_writes(path: Path) -> None:
    for missing in (path, path.parent / "no" / "data.json"):
        with pytest.raises(StoreUnavailableError, match="mode=ro"):
            opened(missing, mode="ro")
    assert list(path.parent.iterdir()) == []
    with_messages(path)
    before = tree(path.parent), path.stat().st_mtime_ns
    with opened(path, mode="ro") as store:
        everything(store)
        store.ping()
    assert (tree(path.parent), path.stat().st_mtime_ns) == before


def test_files_left_behind_by_killed_writers_are_removed(path: Path) -> None:
    with_messages(path)
    left = [path.with_name(f".data.json.{'0123456789abcdef'}.tmp"), path.with_name(f".data.json.{'f' * 16}.tmp")]
    others = [".data.json.tmp", ".data.json.0123.tmp", ".other.json.0123456789abcdef.tmp", "data.json.bak"]
    for each in (*left, *(path.with_name(name) for name in others)):
        each.write_text("x")
    opened(path, mode="ro").close()
    assert all(each.exists() for each in left)
    opened(path).close()
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([*others, "data.json"])


def test_a_backup_is_whole_and_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    with_messages(path)
    copy = tmp_path / "copy.json"
    with opened(path) as store:
        store.append_message(message("m9"))
        store.backup(copy)
        store.append_message(message("m10"))
        for destination in (copy, path, tmp_path, tmp_path / "no" / "copy.json"):
            with pytest.raises(ValidationError, match="destination"):
                store.backup(destination)
    assert mode_of(copy) == 0o600
    with opened(copy) as store:
        assert [each.id for each in store.list_room_messages("general").items] == ["m0", "m1", "m9"]
    with opened(path, mode="ro") as store:
        store.backup(tmp_path / "second.json")
    assert read(tmp_path / "second.json") == read(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.json", "data", "second.json"]


REFUSED = """
import json, os
from moltnet_core import MoltnetError, open_store
found = {}
for url in sys.argv[1:]:
    try:
        with open_store(url, environ={}) as store:
            store.remove_agent("nobody")
            found[url] = "opened"
    except MoltnetError as error:
        found[url] = [type(error).__name__, str(error)]
print(json.dumps(found))
"""


def test_places_that_this_user_may_not_write_or_read(tmp_path: Path) -> None:
    for name in ("file", "folder", "unreadable"):
        with_messages(tmp_path / name / "data.json")
    (tmp_path / "file" / "data.json").chmod(0o400)
    (tmp_path / "folder").chmod(0o500)
    (tmp_path / "unreadable" / "data.json").chmod(0o200)
    before = tree(tmp_path)
    urls = [url_of(tmp_path / name / "data.json") for name in ("file", "folder", "unreadable")]
    urls.append(url_of(tmp_path / "folder" / "new.json"))
    reading = [f"{url}?mode=ro" for url in urls]
    ran = run_unprivileged(REFUSED, *urls, *reading, cwd=Path("/"))
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert [found[url][0] for url in urls] == ["ReadOnlyStoreError"] * 4
    assert all("data.json" in found[url][1] or "new.json" in found[url][1] or "folder" in found[url][1] for url in urls)
    assert [found[url] if found[url] == "opened" else found[url][0] for url in reading] == [
        "ReadOnlyStoreError",  # the write is refused, after it was opened
        "ReadOnlyStoreError",
        "StoreUnavailableError",
        "StoreUnavailableError",
    ]
    assert tree(tmp_path) == before


def test_a_snapshot_of_another_owner_is_only_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file in its place would be this user's, and the owner would have lost it."""
    with_messages(path)
    monkeypatch.setattr("moltnet_json.locked.os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ReadOnlyStoreError, match=f"belongs to user {os.getuid()}"):
        opened(path)
    with opened(path, mode="ro") as store:
        assert store.counts().messages == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_write_that_cannot_keep_the_owner_changes_nothing(path: Path) -> None:
    with_messages(path)
    path.chmod(0o666)
    path.parent.chmod(0o777)
    os.chown(path, 12345, 54321)
    before = tree(path.parent)
    code = """
from moltnet_core import ReadOnlyStoreError, Room, open_store
with open_store(sys.argv[1]) as store:
    try:
        store.create_room(Room("other", "net"))
    except ReadOnlyStoreError as error:
        print(error.committed, store.counts().rooms)
"""
    ran = run_unprivileged(code, url_of(path), cwd=path.parent)
    assert ran.stdout == "False 1\n", ran.stderr
    assert tree(path.parent) == before


def test_what_an_operator_wants_to_know(path: Path) -> None:
    with_messages(path)
    with opened(path) as store:
        assert store.describe() == {
            "file": str(path),
            "size": f"{path.stat().st_size} bytes",
            "messages": "2",
        }
        store.ping()
        path.unlink()
        with pytest.raises(StoreUnavailableError, match=r"data\.json"):
            store.ping()


def test_a_file_that_was_written_by_hand_stays_until_something_changes(path: Path) -> None:
    content = write(path, {"rooms": {}, "mine": [1, 2]})
    opened(path).close()
    assert path.read_bytes() == content
