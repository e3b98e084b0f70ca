"""One store at a time writes a snapshot: in this process, in others, after a fork."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, listen, open_descriptors, outcome, run_script, tell
from tests.moltnet_json.snapshots import opened, with_messages

from moltnet_conformance.building import message
from moltnet_core import StoreBusyError

Start = Callable[..., Child]


def hold(path: str, mode: str) -> None:
    """Opens, tells what came of it, and once told appends and tells that too."""
    stores: list[Any] = []
    tell(outcome(lambda: stores.append(opened(Path(path), mode=mode))))
    listen()
    tell(outcome(lambda: stores[0].append_message(message("by-holder"))))
    listen()
    stores[0].close()
    tell("closed")
    listen()


def test_a_second_process_waits_its_turn(path: Path, start: Start) -> None:
    with_messages(path)
    holder = start(hold, path, "rw")
    assert holder.hear() == {"error": None}
    for _ in range(2):  # also on the file that its write has put there
        with pytest.raises(StoreBusyError, match=r"data\.json") as caught:
            opened(path)
        assert caught.value.committed is False
        with opened(path, mode="ro") as reader:  # which takes no lock
            assert reader.counts().messages >= 2
        holder.say()
        assert holder.hear() in ({"error": None}, "closed")
    with opened(path) as store:
        assert store.get_message("by-holder") is not None
        second = start(hold, path, "rw")
        found = second.hear()
        assert found["error"] == "StoreBusyError"
        assert found["foreign"] == []
    holder.say()
    holder.end()


def test_a_killed_process_leaves_no_lock(path: Path, start: Start) -> None:
    with_messages(path)
    holder = start(hold, path, "rw")
    assert holder.hear() == {"error": None}
    holder.kill()
    with opened(path) as store:
        store.append_message(message("m9"))


def test_a_reader_keeps_nobody_out(path: Path, start: Start) -> None:
    with_messages(path)
    with opened(path, mode="ro") as reader:
        writer = start(hold, path, "rw")
        assert writer.hear() == {"error": None}
        writer.say()
        assert writer.hear() == {"error": None}
        assert reader.get_message("by-holder") is not None


def test_a_second_store_of_one_process_is_refused_too(path: Path, tmp_path: Path) -> None:
    with_messages(path)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with opened(path) as store:
        for other in (path, link):
            with pytest.raises(StoreBusyError):
                opened(other)
        store.append_message(message("m9"))
        with pytest.raises(StoreBusyError):
            opened(path)
        with opened(path, mode="ro") as reader:
            assert reader.counts().messages == 3
        with pytest.raises(StoreBusyError):  # closing the reader has not given the lock back
            opened(path)
    opened(link).close()


def test_opening_waits_as_long_as_it_is_told(path: Path) -> None:
    with_messages(path)
    first = opened(path)
    waiting: list[Any] = []
    thread = threading.Thread(target=lambda: waiting.append(opened(path, busy_timeout=60)))
    thread.start()
    with pytest.raises(StoreBusyError, match="busy_timeout"):
        opened(path, busy_timeout=0.05)
    assert waiting == []
    first.close()
    thread.join(60)
    waiting[0].append_message(message("m9"))
    waiting[0].close()


def test_several_first_openers(path: Path) -> None:
    """One of them makes the file and has it; the others are told so."""
    gate = threading.Barrier(8)
    results: list[Any] = []

    def first() -> None:
        gate.wait(10)
        try:
            results.append(opened(path))
        except StoreBusyError as error:
            results.append(error)

    threads = [threading.Thread(target=first) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    stores = [each for each in results if not isinstance(each, StoreBusyError)]
    assert (len(results), len(stores)) == (8, 1)
    stores[0].close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_store_that_is_forgotten_gives_its_lock_back(path: Path) -> None:
    with_messages(path)
    store = opened(path)
    del store
    gc.collect()
    opened(path).close()
    assert open_descriptors(str(path.parent)) == []


def test_closing_gives_the_lock_back_though_a_child_is_just_being_started(path: Path) -> None:
    """Such a child shares what is open for a moment, which here lasts longer."""
    with_messages(path)
    store = opened(path)
    descriptors = [int(each.name) for each in Path("/proc/self/fd").iterdir() if each.resolve() == path.resolve()]
    (shared,) = map(os.dup, descriptors)
    try:
        store.close()
        opened(path).close()
    finally:
        os.close(shared)


def test_a_refused_opening_leaves_nothing_open(path: Path) -> None:
    path.write_bytes(b"no snapshot")
    for _ in range(3):
        with pytest.raises(Exception, match="no Moltnet snapshot"):
            opened(path)
    assert open_descriptors(str(path.parent)) == []
    path.write_bytes(b"{}")
    with opened(path) as store, pytest.raises(StoreBusyError):
        opened(path)
    store.close()
    assert open_descriptors(str(path.parent)) == []


# -- fork --------------------------------------------------------------------------------------------

FORK = """
import os, sys
from pathlib import Path
from moltnet_conformance.building import message
from tests.children import open_descriptors
from tests.moltnet_json.snapshots import opened
from moltnet_core import StoreBusyError

def refused(call):
    try:
        call()
    except StoreBusyError as error:
        assert error.committed is False
        return
    os._exit(7)

path = Path(sys.argv[1])
store = opened(path)
ready, go = os.pipe(), os.pipe()
child = os.fork()
if not child:
    try:
        for call in (store.ping, store.counts, store.list_rooms, lambda: store.append_message(message("c"))):
            refused(call)
        refused(lambda: store.backup(path.with_name("copy.json")))
        assert open_descriptors(str(path.parent)) == []
        refused(lambda: opened(path))  # the parent has it
        with opened(path, mode="ro") as reader:
            assert reader.counts().messages == 2
        store.close()
        refused(lambda: opened(path))  # still
        os.write(ready[1], b"x")
        os.read(go[0], 1)  # the parent has closed it, and this process is still there
        with opened(path) as own:
            own.append_message(message("by-child"))
        os._exit(0)
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(9)
os.read(ready[0], 1)
store.append_message(message("by-parent"))
store.close()
os.write(go[1], b"x")
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert code == 0, code
with opened(path) as store:
    assert store.get_message("by-parent") and store.get_message("by-child")
"""


def test_a_forked_child_is_refused_and_does_not_keep_the_lock(path: Path) -> None:
    with_messages(path)
    run_script(FORK, path)


def fork_and_wait(path: str) -> None:
    store = opened(Path(path))
    pid = os.fork()
    if not pid:
        listen()
        os._exit(0)
    tell(pid)
    store.append_message(message("by-parent"))
    tell("written")
    threading.Event().wait()


def test_a_forked_child_does_not_outlive_its_parent_s_lock(path: Path, start: Start) -> None:
    with_messages(path)
    parent = start(fork_and_wait, path)
    child = parent.hear()
    assert parent.hear() == "written"
    with pytest.raises(StoreBusyError):
        opened(path)
    parent.kill()
    with opened(path) as store:
        os.kill(child, 0)  # it is still there
        assert store.get_message("by-parent") is not None
    parent.say()
