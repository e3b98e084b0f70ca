"""Appends that wait share one rewrite of the file; each is told of its own, and a rewrite that fails fails them all."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.children import WAIT, wait_until
from tests.moltnet_json.snapshots import opened, read, with_messages
from tests.moltnet_json.test_json_faults import STEPS, failing, inject

from moltnet_conformance.building import dm, everything, message, thread
from moltnet_core import (
    DuplicateMessageError,
    Message,
    Part,
    RoomNotFoundError,
    StorageFullError,
    StorageIOError,
    Store,
    Target,
)
from moltnet_core.grouping import GroupCounts

Call = Callable[[], Any]


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with_messages(path)
    with opened(path) as found:
        yield found


@contextmanager
def grouped(store: Store, calls: Sequence[Call]) -> Iterator[list[Any]]:
    """Calls that wait together until the block ends; then the list holds what each was told."""
    driver: Any = store.driver
    told: list[Any] = [None] * len(calls)

    def run(number: int, call: Call) -> None:
        try:
            told[number] = call()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            told[number] = error

    threads = []
    with driver._turn:
        for number, call in enumerate(calls):
            threads.append(threading.Thread(target=run, args=(number, call)))
            threads[-1].start()
            wait_until(lambda: len(driver._groups._queue) == len(threads), "it waits")
        yield told
    for each in threads:
        each.join(WAIT)
        assert not each.is_alive()


def appends(store: Store, *messages: Message) -> list[Call]:
    return [partial(store.append_message, message) for message in messages]


def counts_of(store: Store) -> GroupCounts:
    driver: Any = store.driver
    found: GroupCounts = driver.groups
    return found


def test_those_that_wait_share_a_rewrite(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append_message(message("before"))
    assert counts_of(store) == GroupCounts()
    faulty = inject(monkeypatch, "", lambda: None)
    targets = [Target.room("general"), thread("t1"), dm("d1")]
    with grouped(store, appends(store, *(message(f"n{n}", targets[n % 3], n) for n in range(9)))) as told:
        pass
    assert faulty.steps == ["open", "write", "fsync", "rename", "fsync the folder"]
    assert [each.message.id for each in told] == [f"n{n}" for n in range(9)]
    assert counts_of(store) == GroupCounts(groups=1, writes=9, messages=9, largest=9)
    assert {"group.count": 1, "group.writes": 9, "group.largest": 9}.items() <= store.stats().driver.items()
    assert [item["id"] for item in read(path)["thread_messages"]["t1"]] == ["n1", "n4", "n7"]
    before = everything(store)
    store.close()
    with opened(path) as again:
        assert everything(again) == before


def test_each_is_told_of_its_own(path: Path, store: Store) -> None:
    stored = store.get_message("m0")
    assert stored is not None
    calls: list[Call] = [
        *appends(store, message("a"), message("m0", second=5), message("b", thread("t1")), message("c", "nowhere")),
        lambda: store.append_messages([message("d"), message("e", "nowhere")]),
        *appends(store, message("f"), message("f", second=5), message("g", thread("t1"))),
        lambda: store.append_message(stored, retry=True),
    ]
    with grouped(store, calls) as told:
        pass
    kinds = [type(each) for each in told if isinstance(each, Exception)]
    assert kinds == [DuplicateMessageError, RoomNotFoundError, RoomNotFoundError, DuplicateMessageError]
    assert [bool(told[2].thread_created), bool(told[7].thread_created), told[8].replayed] == [True, False, True]
    assert [item["id"] for item in read(path)["room_messages"]["general"]] == ["m0", "m1", "a", "f"]
    found = store.get_thread("t1")
    assert found is not None
    assert found.message_count == 2
    assert counts_of(store) == GroupCounts(groups=1, writes=4, messages=4, largest=4)
    before = everything(store)
    store.close()
    with opened(path) as again:
        assert everything(again) == before


@pytest.mark.parametrize("step", STEPS[:-1])
def test_until_the_rename_the_old_snapshot_stands_for_all(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before, content = everything(store), path.read_bytes()
    with monkeypatch.context() as patched:
        if step == "fsync":  # each of them: the group's, and those of its members one by one
            patched.setattr("moltnet_json.locked.os.fsync", lambda _: failing(errno.ENOSPC)())
        else:
            inject(patched, step, failing(errno.ENOSPC))
        with grouped(store, appends(store, message("a"), message("b"))) as told:
            pass
    assert all(each.committed is False for each in told)
    if step != "flock":
        assert [type(each) for each in told] == [StorageFullError] * 2
    assert path.read_bytes() == content
    assert everything(store) == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    store.append_message(message("new"))


def test_if_only_the_folder_s_sync_fails_all_are_there_and_all_are_told_that_it_is_unknown(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        inject(patched, "fsync the folder", failing(errno.EIO))
        with grouped(store, appends(store, message("a"), message("b"))) as told:
            pass
    assert [(type(each), each.committed) for each in told] == [(StorageIOError, None)] * 2
    assert told[0] is not told[1]
    assert [item["id"] for item in read(path)["room_messages"]["general"]] == ["m0", "m1", "a", "b"]
    assert store.get_message("a") is not None
    assert store.append_message(message("a"), retry=True).replayed


def test_one_that_does_not_fit_fails_alone(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    limit = path.stat().st_size + 5000

    def limited(descriptor: int, content: memoryview) -> int:
        if len(content) > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return write(descriptor, content)

    with monkeypatch.context() as patched:
        patched.setattr("moltnet_json.locked.os.write", limited)
        large = message("large", parts=[Part("text", "x" * 9000)])
        with grouped(store, appends(store, message("a"), large, message("b"))) as told:
            pass
    assert isinstance(told[1], StorageFullError)
    assert told[1].committed is False
    assert {item["id"] for item in read(path)["room_messages"]["general"]} == {"m0", "m1", "a", "b"}


def test_another_program_s_change_refuses_all(path: Path, store: Store) -> None:
    with grouped(store, appends(store, message("a"), message("b"))) as told:
        path.write_bytes(path.read_bytes() + b" ")
    assert [(type(each).__name__, each.committed) for each in told] == [("StoreBusyError", False)] * 2
    assert path.read_bytes().endswith(b" ")
