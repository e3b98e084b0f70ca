"""What another program has written is never written over, and read by who only reads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.moltnet_json.snapshots import opened, read, with_messages, write

from moltnet_conformance.building import everything, message, room
from moltnet_core import CorruptStoreError, Store, StoreBusyError, StoreUnavailableError


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with_messages(path)
    with opened(path) as found:
        found.append_message(message("m2", second=2))
        yield found


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().replace(b"text of m0", b"another's!"))
    other.rename(path)


def _same_but_another_file(path: Path) -> None:
    other = Path(shutil.copy2(path, path.with_name("other")))
    other.rename(path)


def _written_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(path.read_bytes().replace(b"text of m0", b"much longer"))


def _one_byte_with_its_time_set_back(path: Path) -> None:
    status = path.stat()
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(content.replace(b"text of m0", b"text of M0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _made_a_link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    other.write_bytes(other.read_bytes() + b" ")
    path.symlink_to(other)


def _made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: list[Callable[[Path], None]] = [
    _replaced,
    _same_but_another_file,
    _written_in_place,
    _one_byte_with_its_time_set_back,
    _emptied,
    _made_a_link,
    _made_a_folder,
]


def _look(path: Path) -> Any:
    return {each.name: each.read_bytes() if each.is_file() else None for each in path.parent.iterdir()}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_a_change_by_another_program_is_not_written_over(
    path: Path, store: Store, change: Callable[[Path], None]
) -> None:
    before = everything(store)
    change(path)
    there = _look(path)
    for _ in range(2):
        with pytest.raises(StoreBusyError, match=r"data\.json") as caught:
            store.append_message(message("new"))
        assert caught.value.committed is False
        with pytest.raises(StoreBusyError):
            store.remove_room("general")
        assert _look(path) == there
        assert everything(store) == before


def test_a_file_that_was_removed_is_not_made_again(path: Path, store: Store, tmp_path: Path) -> None:
    path.unlink()
    with pytest.raises(StoreBusyError, match="removed"):
        store.append_message(message("new"))
    assert list(path.parent.iterdir()) == []
    store.backup(tmp_path / "saved.json")  # what the error advises
    assert len(read(tmp_path / "saved.json")["room_messages"]["general"]) == 3


def test_a_folder_that_was_moved_takes_no_more_writes(path: Path, store: Store, tmp_path: Path) -> None:
    moved = path.parent.rename(tmp_path / "moved")
    with pytest.raises(StoreBusyError):
        store.append_message(message("new"))
    path.parent.mkdir()
    with_messages(path, 5)
    with pytest.raises(StoreBusyError):
        store.append_message(message("new"))
    assert len(read(path)["room_messages"]["general"]) == 5
    assert len(read(moved / "data.json")["room_messages"]["general"]) == 3


def test_after_opening_again_writing_goes_on(path: Path, store: Store) -> None:
    _replaced(path)
    with pytest.raises(StoreBusyError):
        store.append_message(message("new"))
    store.close()
    with opened(path) as again:
        found = again.get_message("m0")
        assert found is not None
        assert found.parts[0].text == "another's!"
        again.append_message(message("new"))


def test_what_changes_nothing_in_the_file_is_no_change(path: Path, store: Store) -> None:
    path.chmod(0o640)
    store.append_message(message("m3", second=3))
    os.link(path, path.with_name("link"))
    linked = path.read_bytes()
    store.append_message(message("m4", second=4))
    path.with_name("link").rename(path.with_name("link2"))
    store.append_message(message("m5", second=5))
    assert len(read(path)["room_messages"]["general"]) == 6
    assert path.with_name("link2").read_bytes() == linked


def test_a_change_between_opening_and_the_first_write(path: Path) -> None:
    with_messages(path)
    with opened(path) as store:
        _one_byte_with_its_time_set_back(path)
        with pytest.raises(StoreBusyError):
            store.append_message(message("new"))


# -- who only reads ------------------------------------------------------------------------------------


def test_a_reader_reads_what_is_there_now(path: Path) -> None:
    with_messages(path)
    with opened(path, mode="ro") as reader:
        for change in (_replaced, _written_in_place):
            change(path)
            found = reader.get_message("m0")
            assert found is not None
            assert found.parts[0].text in ("another's!", "much longer")
        content = path.read_bytes()
        _emptied(path)
        with pytest.raises(CorruptStoreError):
            reader.list_rooms()
        path.unlink()
        for call in (reader.list_rooms, reader.ping, reader.counts):
            with pytest.raises(StoreUnavailableError):
                call()
        path.write_bytes(content)
        assert reader.counts().rooms == 1


def test_a_reader_tries_again_while_another_program_writes_into_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause before it tries again is where the other program goes on."""
    content = write(path, {"rooms": {"r": {"id": "r"}}})
    pieces = [content[:10], content[:20], content]
    write(path, b"")
    monkeypatch.setattr("moltnet_json.driver.time.sleep", lambda _: write(path, pieces.pop(0)))
    with opened(path, mode="ro") as reader:
        assert reader.counts().rooms == 1
    assert pieces == []


def test_a_snapshot_in_memory_stays_as_it_was(path: Path) -> None:
    with_messages(path)
    with opened(path, mode="ro") as reader, reader.snapshot() as snapshot:
        with opened(path) as writer:
            writer.create_room(room("other"))
        assert [record.id for record in snapshot.records("room")] == ["general"]
        assert reader.counts().rooms == 2
