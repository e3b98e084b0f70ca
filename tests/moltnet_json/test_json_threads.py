"""Readers do not wait for the disk, and writers wait for each other only."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from tests.children import run_script
from tests.moltnet_json.snapshots import opened, read, with_messages

from moltnet_conformance.building import ids, message, records


def test_readers_go_on_while_a_write_waits_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_messages(path)
    sync, syncing, go_on = os.fsync, threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(30)
        sync(descriptor)

    with opened(path) as store:
        monkeypatch.setattr("moltnet_json.locked.os.fsync", slow)
        writers = [threading.Thread(target=store.append_message, args=(message(f"new{n}", second=9),)) for n in (1, 2)]
        for writer in writers:
            writer.start()
        assert syncing.wait(30)
        assert ids(store.list_room_messages("general")) == ["m0", "m1"]
        assert store.counts().messages == len(records(store)) - 1 == 2
        assert store.get_message("new1") is store.get_message("new2") is None
        go_on.set()
        for writer in writers:
            writer.join(30)
        assert store.counts().messages == 4
    assert len(read(path)["room_messages"]["general"]) == 4


FORGOTTEN = """
import sys
from pathlib import Path
from moltnet_conformance.building import message
from tests.moltnet_json.snapshots import opened
store = opened(Path(sys.argv[1]))
store.append_message(message("m9"))
"""


def test_a_program_that_never_closes_its_store_ends_quietly(path: Path) -> None:
    with_messages(path)
    assert run_script(FORGOTTEN, path) == ""
    with opened(path) as store:
        assert store.get_message("m9") is not None
