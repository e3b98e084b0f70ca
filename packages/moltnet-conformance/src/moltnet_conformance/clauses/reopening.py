"""What was written is there when a store is opened again, also by others."""

from __future__ import annotations

import attrs
import pytest

from moltnet_conformance.building import agent, at, dm, everything, fill, ids, message, room, thread
from moltnet_conformance.children import run
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_conformance.recording import NOW, dm_value, record, thread_value
from moltnet_core import START, PageRequest, ReadOnlyStoreError, RoomExistsError

clause = Group("reopen")


@clause("OPEN-001", "4.1", needs=("persistent",))
def everything_is_there_after_reopening(place: Place) -> None:
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


@clause("OPEN-002", "4.1", "4.6", needs=("persistent",))
def writing_goes_on_after_reopening(place: Place) -> None:
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


@clause("OPEN-003", "4.1", needs=("persistent",))
def a_store_that_was_never_closed_is_there_too(place: Place) -> None:
    """A process that ends without closing loses nothing that was acknowledged."""
    location = place.new_location()
    script = (
        "import os, sys\n"
        "from moltnet_conformance.building import fill\n"
        "from moltnet_conformance.uninstalled import opened\n"
        "fill(opened(sys.argv[1]))\n"
        "os._exit(0)\n"
    )
    run(script, location)
    kept = place.open()
    fill(kept)
    with place.open(location) as store:
        assert store.counts() == kept.counts()
        assert store.list_room_messages("general") == kept.list_room_messages("general")


@clause(
    "OPEN-004",
    "4.1",
    needs=(
        "persistent",
        "multi_process",
    ),
)
def two_stores_of_one_place_see_each_other_s_writes(place: Place) -> None:
    location = place.new_location()
    first, second = place.open(location), place.open(location)
    fill(first)
    assert everything(second) == everything(first)
    second.append_message(message("m9", second=9))
    assert ids(first.list_room_messages("general"))[-1] == "m9"
    first.remove_room("general")
    assert second.get_room("general") is None


@clause(
    "OPEN-005",
    "5.7",
    "4.1",
    needs=(
        "persistent",
        "read_only",
    ),
)
def a_reader_sees_what_a_writer_writes_meanwhile(place: Place) -> None:
    location = place.new_location()
    writer = place.open(location)
    fill(writer)
    reader = place.open(location, read_only=True)
    assert everything(reader) == everything(writer)
    writer.append_message(message("m9", second=9))
    assert everything(reader) == everything(writer)
    with pytest.raises(ReadOnlyStoreError):
        reader.append_message(message("m10"))


@clause("OPEN-006", "4.40", "4.1", needs=("persistent",))
def what_was_loaded_is_there_after_reopening(place: Place) -> None:
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
