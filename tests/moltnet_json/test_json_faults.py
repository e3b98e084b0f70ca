"""A system call that fails, at each step of a write: the old snapshot stands whole, and memory with it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.moltnet_json.snapshots import opened, read, with_messages

from moltnet_conformance.building import everything, message
from moltnet_core import (
    DuplicateMessageError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StorageIOError,
    Store,
)

CODES = {
    errno.ENOSPC: StorageFullError,
    errno.EDQUOT: StorageFullError,
    errno.EFBIG: StorageFullError,
    errno.EIO: StorageIOError,
    errno.EMFILE: StorageIOError,
    errno.EROFS: ReadOnlyStoreError,
}
STEPS = ("open", "flock", "write", "half a write", "fsync", "rename", "fsync the folder")


class Faulty:
    """``os`` and ``fcntl`` as the files see them; at one step something else happens."""

    def __init__(self, module: Any, step: str, happen: Callable[[], object]) -> None:
        self._module, self._step, self._happen = module, step, happen
        self._synced = 0
        self.steps: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        return (lambda *args, **options: self._call(name, found, *args, **options)) if name in STEPS else found

    def _call(self, name: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if name == "fsync":
            self._synced += 1
            name = "fsync the folder" if self._synced % 2 == 0 else name
        self.steps.append(name)
        if self._step == "half a write" and name == "write":
            call(args[0], args[1][: len(args[1]) // 2])
            self._happen()
        if self._step == name:
            self._happen()
        return call(*args, **options)


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with_messages(path)
    with opened(path) as found:
        yield found


def failing(code: int) -> Callable[[], object]:
    def fail() -> object:
        raise OSError(code, os.strerror(code))

    return fail


def inject(monkeypatch: pytest.MonkeyPatch, step: str, happen: Callable[[], object]) -> Faulty:
    faulty = Faulty(os, step, happen)
    monkeypatch.setattr("moltnet_json.locked.os", faulty)
    monkeypatch.setattr("moltnet_json.locked.fcntl", Faulty(fcntl, step, happen))
    return faulty


@pytest.mark.parametrize("code", CODES, ids=[errno.errorcode[code] for code in CODES])
@pytest.mark.parametrize("step", STEPS[:-1])
def test_until_the_rename_the_old_snapshot_stands(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    before, content = everything(store), path.read_bytes()
    with monkeypatch.context() as patched:
        inject(patched, step, failing(code))
        with pytest.raises(MoltnetError, match=r"data\.json") as caught:
            store.append_message(message("new"))
    assert caught.value.committed is False
    if step != "flock":
        assert type(caught.value) is CODES[code]
    assert path.read_bytes() == content
    assert everything(store) == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    store.append_message(message("new"))  # it goes on when the fault is gone
    assert [item["id"] for item in read(path)["room_messages"]["general"]] == ["m0", "m1", "new"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_if_only_the_folder_s_sync_fails_the_new_snapshot_stands(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with monkeypatch.context() as patched:
        inject(patched, "fsync the folder", failing(code))
        with pytest.raises(CODES[code], match=r"data\.json") as caught:
            store.append_message(message("new"))
    error: Any = caught.value
    assert error.committed is None
    assert store.get_message("new") is not None
    assert [item["id"] for item in read(path)["room_messages"]["general"]] == ["m0", "m1", "new"]
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert store.append_message(message("new"), retry=True).replayed
    with pytest.raises(DuplicateMessageError):
        store.append_message(message("new"))
    store.append_message(message("newer"))


def test_the_order_of_the_steps(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = inject(monkeypatch, "", lambda: None)
    store.append_message(message("new"))
    assert faulty.steps == ["open", "write", "fsync", "rename", "fsync the folder"]


def test_a_write_that_the_system_takes_in_pieces(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("moltnet_json.locked.os.write", lambda descriptor, rest: write(descriptor, rest[:100]))
        store.append_message(message("new"))
    assert len(read(path)["room_messages"]["general"]) == 3


def test_an_error_of_the_system_is_the_cause(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch, "write", failing(errno.EIO))
    with pytest.raises(StorageIOError) as caught:
        store.append_message(message("new"))
    assert isinstance(caught.value.__cause__, OSError)
    assert "text of new" not in str(caught.value)


# -- interrupts ----------------------------------------------------------------------------------------


def interrupt() -> object:
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupt_leaves_memory_and_file_agreeing(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patched:
        inject(patched, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.append_message(message("new"))
    stored = [item["id"] for item in read(path)["room_messages"]["general"]]
    assert stored == ["m0", "m1"] + ["new"] * (step == "fsync the folder")
    assert [item.id for item in store.list_room_messages("general").items] == sorted(stored)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    store.append_message(message("newer", second=9))
    assert [item["id"] for item in read(path)["room_messages"]["general"]] == [*stored, "newer"]


@pytest.mark.parametrize("place", ["_apply", "settle", "apply", "stage"])
def test_an_interrupt_between_the_file_and_memory(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    where = {
        "_apply": "moltnet_json.driver.JSONDriver._apply",
        "settle": "moltnet_json.document.Document.settle",
        "apply": "moltnet_memory.Tables.apply",
        "stage": "moltnet_json.driver.stage",
    }
    with monkeypatch.context() as patched:
        patched.setattr(where[place], interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.append_message(message("new"))
    stored = [item["id"] for item in read(path)["room_messages"]["general"]]
    assert stored == ["m0", "m1"] + ["new"] * (place != "stage")
    assert sorted(item.id for item in store.list_room_messages("general").items) == stored
    store.append_message(message("newer", second=9))
    assert len(read(path)["room_messages"]["general"]) == len(stored) + 1


def test_an_interrupt_right_after_the_rename(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def renamed(*args: Any, **options: Any) -> None:
        rename(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("moltnet_json.locked.os.rename", renamed)
        with pytest.raises(KeyboardInterrupt):
            store.append_message(message("new"))
    assert store.get_message("new") is not None
    store.append_message(message("newer"))
    assert len(read(path)["room_messages"]["general"]) == 4


def test_a_rename_that_is_done_and_says_that_it_failed(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a network file system may answer."""
    rename = os.rename

    def renamed(*args: Any, **options: Any) -> None:
        rename(*args, **options)
        raise OSError(errno.EIO, "no answer")

    with monkeypatch.context() as patched:
        patched.setattr("moltnet_json.locked.os.rename", renamed)
        with pytest.raises(StorageIOError) as caught:
            store.append_message(message("new"))
    error: Any = caught.value
    assert error.committed is None
    assert store.get_message("new") is not None
    store.append_message(message("newer"))
    assert len(read(path)["room_messages"]["general"]) == 4
