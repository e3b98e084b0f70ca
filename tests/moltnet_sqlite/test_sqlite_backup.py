"""A backup is whole, holds what was acknowledged before it began, and overwrites nothing."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.privileges import run_unprivileged

from moltnet_core import Actor, Message, Part, ReadOnlyStoreError, Room, Store, Target, ValidationError, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a room."""
    opened = open_store(f"sqlite:///{tmp_path}/store/s.db")
    opened.create_room(Room("general", "net", members=["ann"]))
    return opened


def appending(store: Store) -> Callable[[], str]:
    """Appends a message with an artifact to a thread and gives its id."""
    parts = [Part("text", "x"), Part("file", url="https://example.org/a")]

    def append() -> str:
        made = Message("net", Target.thread("general", "t"), Actor("agent", "ann"), parts)
        return store.append_message(made).message.id

    return append


def test_it_is_taken_while_others_write(store: Store, tmp_path: Path) -> None:
    append = appending(store)
    acknowledged = [append() for _ in range(50)]
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            append()

    writers = [threading.Thread(target=go_on) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        for number in range(5):
            acknowledged.append(append())
            store.backup(tmp_path / f"copy{number}.db")
            with open_store(f"sqlite:///{tmp_path}/copy{number}.db?mode=ro") as copy:
                held = [m.id for m in copy.list_thread_messages("t").items]
                counted = copy.get_thread("t")
                assert all(copy.get_message(message_id) is not None for message_id in acknowledged)
                assert counted is not None
                assert counted.message_count == copy.counts().messages == copy.counts().artifacts >= len(held)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
        store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"copy{n}.db" for n in range(5)), "store"]
    assert stat.S_IMODE((tmp_path / "copy0.db").stat().st_mode) == 0o600
    with open_store(f"sqlite:///{tmp_path}/copy0.db") as copy:  # and goes on as a store of its own
        appending(copy)()


def test_it_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
    for destination in (there, tmp_path / "link.db", tmp_path, tmp_path / "no" / "folder.db"):
        with pytest.raises(ValidationError, match="destination"):
            store.backup(destination)
    store.close()
    assert there.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.db", "store", "there.db"]


def test_a_place_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "locked").mkdir(mode=0o500)
    code = """
from moltnet_core import ReadOnlyStoreError, open_store
with open_store(sys.argv[1]) as store:
    try:
        store.backup(sys.argv[2])
    except ReadOnlyStoreError as error:
        print("refused")
"""
    ran = run_unprivileged(code, f"sqlite:///{tmp_path}/store/s.db", str(tmp_path / "locked" / "c.db"), cwd=tmp_path)
    assert ran.stdout == "refused\n", ran.stderr
    assert ReadOnlyStoreError.__name__ not in ran.stderr
    assert list((tmp_path / "locked").iterdir()) == []


def test_an_old_version_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with open_store(url, migrate="later") as store:
        store.backup(tmp_path / "before.db")
        store.migrate()
    with open_store(f"sqlite:///{tmp_path}/before.db", migrate="later") as before:
        assert [series.applied for series in before.migration_status().series] == [0, 0]
