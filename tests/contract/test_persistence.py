"""What was written is there when a store is opened again, also by others, and in a child process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from tests.contract.building import Place, agent, at, dm, everything, fill, having, ids, message, room, thread
from tests.contract.recording import NOW, dm_value, record, thread_value

from moltnet_core import START, MigrationRequiredError, PageRequest, ReadOnlyStoreError, RoomExistsError, Store

persistent = having("persistent")
migrating = having("migrations")


@persistent
def test_everything_is_there_after_reopening(place: Place) -> None:
    location = place.new_location()
    with place.open(location) as store:
        fill(store)
        before = everything(store)
        pages = [store.list_room_messages("general"), store.list_agents(), store.list_members(), store.list_dms()]
    for _ in range(2):
        with place.open(location) as store:
            assert everything(store) == before
            again = [store.list_room_messages("general"), store.list_agents(), store.list_members(), store.list_dms()]
            assert again == pages


@persistent
def test_what_was_loaded_is_there_after_reopening(place: Place) -> None:
    """Also what no message says: empty conversations, networks that are not those of the messages."""
    location = place.new_location()
    far = attrs.evolve(dm_value("d2"), network_id="far", fqid="molt://far/dms/d2", participant_ids=("cid",))
    loaded = [
        record("room", room("general", name="G", members=["bob"])),
        record("room", room("gone", name="Gone", visibility="public"), removed_at=NOW),
        record("agent", agent()),
        record("thread", thread_value("empty")),
        record("dm", attrs.evolve(dm_value("d1"), network_id="far", participant_ids=())),
        record("dm", far),
        record("message", message("m1", dm("d2", "ann", "bob"))),
    ]
    with place.open(location) as store:
        store.load(loaded[:-1])
        before = everything(store)
    with place.open(location) as store:
        assert everything(store) == before
        store.load(loaded)
        before = everything(store)
        assert store.get_dm("d2") == attrs.evolve(far, message_count=1, last_message_at=at(0))
    with place.open(location) as store:
        assert everything(store) == before
        assert store.load(loaded).unchanged == len(loaded)
        store.append_message(message("m2", dm("d2", "ann", "bob"), 2))  # and now it is that message's
        before = everything(store)
    with place.open(location) as store:
        assert everything(store) == before


@persistent
def test_writing_goes_on_after_reopening(place: Place) -> None:
    location = place.new_location()
    with place.open(location) as store:
        fill(store)
    with place.open(location) as store:
        with pytest.raises(RoomExistsError):
            store.create_room(room("gone"))
        assert store.append_message(message("m1", mentions=["ann"]), retry=True).replayed
        assert store.append_message(message("t1m2", thread("t1"), 9)).thread_created is None
        assert store.append_message(message("d1m2", dm("d1", "eve", "bob"), 9)).dm_created is None
        store.register_agent(agent("ann", "token:1", display_name="Anna"))
        before = everything(store)
    with place.open(location) as store:
        assert everything(store) == before
        found = store.get_thread("t1")
        assert found is not None
        assert found.message_count == 2
        assert ids(store.list_thread_messages("t1", PageRequest(after=START))) == ["t1m1", "t1m2"]


@persistent
def test_a_store_that_was_never_closed_is_there_too(place: Place) -> None:
    """A process that ends without closing loses nothing that was acknowledged."""
    location = place.new_location()
    script = (
        "import os, sys\n"
        "from moltnet_core import open_store\n"
        "from tests.contract.building import fill\n"
        "fill(open_store(sys.argv[1], environ={}))\n"
        "os._exit(0)\n"
    )
    run(script, location)
    kept = place.open()
    fill(kept)
    with place.open(location) as store:
        assert store.counts() == kept.counts()
        assert store.list_room_messages("general") == kept.list_room_messages("general")


@having("persistent", "multi_process")
def test_two_stores_of_one_place_see_each_other_s_writes(place: Place) -> None:
    location = place.new_location()
    first, second = place.open(location), place.open(location)
    fill(first)
    assert everything(second) == everything(first)
    second.append_message(message("m9", second=9))
    assert ids(first.list_room_messages("general"))[-1] == "m9"
    first.remove_room("general")
    assert second.get_room("general") is None


@having("persistent", "read_only")
def test_a_reader_sees_what_a_writer_writes_meanwhile(place: Place) -> None:
    location = place.new_location()
    writer = place.open(location)
    fill(writer)
    reader = place.open(location, read_only=True)
    assert everything(reader) == everything(writer)
    writer.append_message(message("m9", second=9))
    assert everything(reader) == everything(writer)
    with pytest.raises(ReadOnlyStoreError):
        reader.append_message(message("m10"))


# -- migrations --------------------------------------------------------------------------------------


@migrating
def test_a_store_is_migrated_once(place: Place) -> None:
    location = place.new_location()
    with place.open(location) as store:
        status = store.migration_status()
        assert status.is_current
        assert status.series
        assert all(series.applied == series.known > 0 for series in status.series)
        assert store.migrate() == ()
    with place.open(location, migrate=False) as store:
        assert store.migration_status() == status


@migrating
def test_without_migrating_a_new_store_is_not_opened(place: Place) -> None:
    location = place.new_location()
    for _ in range(2):
        with pytest.raises(MigrationRequiredError) as caught:
            place.open(location, migrate=False)
        assert caught.value.__dict__["pending"]


@migrating
def test_migrating_later(place: Place) -> None:
    store = place.open(migrate="later")
    store.ping()
    pending = store.migration_status().pending
    assert pending
    assert store.capabilities
    calls: tuple[Callable[[], object], ...] = (
        store.counts,
        lambda: store.get_room("general"),
        store.list_rooms,
        lambda: store.get_agent_by_credential(""),
        lambda: store.create_room(room()),
        lambda: store.append_messages([]),
        lambda: store.load([]),
        lambda: store.snapshot().__enter__(),
    )
    for call in calls:
        with pytest.raises(MigrationRequiredError):
            call()
    assert store.migrate() == pending
    fill(store)
    assert store.migrate() == ()


# -- fork --------------------------------------------------------------------------------------------

CHILD = """
import os, sys
from moltnet_core import StoreBusyError, StoreClosedError, open_store
from tests.contract.building import fill, message

store = open_store(sys.argv[1], environ={})
fill(store)
before = store.counts()
child = os.fork()
if not child:
    try:
        store.append_message(message("from-child", second=9))
        os._exit(0 if store.counts().messages > before.messages else 9)
    except (StoreBusyError, StoreClosedError):
        os._exit(1)
    except BaseException:
        os._exit(8)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
store.append_message(message("from-parent", second=10))
there = store.get_message("from-child") is not None
store.close()
assert there == (code == 0), (there, code)
print(code)
"""


def run(script: str, *arguments: str) -> str:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_after_a_fork_the_child_has_its_own_connections_or_is_told_so(place: Place, store: Store) -> None:
    expected = 0 if "multi_process" in store.capabilities else 1
    assert int(run(CHILD, place.new_location())) == expected
