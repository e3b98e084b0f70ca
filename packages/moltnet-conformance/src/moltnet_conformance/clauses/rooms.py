"""Rooms: create, get, list, reconcile, members, soft removal."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import at, everything, fill, ids, message, room, thread
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_core import (
    PageRequest,
    RoomExistsError,
    RoomNotFoundError,
    Store,
)

clause = Group("rooms")


@clause("ROOM-001", "4.3", "3.3")
def a_room_that_was_created_is_got_and_listed(store: Store) -> None:
    first = store.create_room(room("b"))
    second = store.create_room(room("a", members=["ann"]))
    assert store.get_room("a") == second
    assert store.get_room("c") is None
    assert store.list_rooms().items == (second, first)


@clause("ROOM-002", "4.3", "5.6")
def a_taken_id(store: Store) -> None:
    created = store.create_room(room("general", members=["ann"]))
    with pytest.raises(RoomExistsError) as caught:
        store.create_room(room("general", name="Another", members=["bob"]))
    assert (caught.value.__dict__["room_id"], caught.value.committed) == ("general", False)
    assert store.get_room("general") == created
    assert ids(store.list_members()) == ["ann"]


@clause("ROOM-003", "4.3", "1.4")
def ids_differ_by_case(store: Store) -> None:
    store.create_room(room("general", name="one"))
    store.create_room(room("General", name="two"))
    found = store.get_room("general")
    assert found is not None
    assert found.name == "one"


@clause("ROOM-004", "4.4")
def reconcile_replaces_name_members_and_access_and_nothing_else(store: Store) -> None:
    store.create_room(room("general", name="Old", members=["ann", "bob"], fqid="molt://x/rooms/y"))
    offered = room(
        "general",
        network_id="other",
        name="New",
        members=["zoe", "bob"],
        visibility="public",
        write_policy="operators",
        created_at=at(99),
        fqid="molt://other/rooms/z",
    )
    changed = store.reconcile_room(offered)
    assert changed == room(
        "general",
        name="New",
        members=("bob", "zoe"),
        visibility="public",
        write_policy="operators",
        fqid="molt://x/rooms/y",
    )
    assert store.get_room("general") == changed
    assert ids(store.list_members()) == ["bob", "zoe"]
    back = store.reconcile_room(room("general"))
    assert (back.name, back.members, back.visibility, back.write_policy) == ("general", (), "private", "members")
    assert store.list_members().items == ()


@clause("ROOM-005", "4.5")
def update_members_adds_then_removes(store: Store) -> None:
    store.create_room(room("general", members=["ann", "bob"]))
    assert store.update_room_members("general", add=[" cid ", ""], remove=["bob"]).members == ("ann", "cid")
    assert store.update_room_members("general", add=["dan", "eve"], remove=["dan"]).members == ("ann", "cid", "eve")
    assert store.update_room_members("general", remove=["nobody"]).members == ("ann", "cid", "eve")
    assert store.update_room_members("general", add=["ann", "ann"]).members == ("ann", "cid", "eve")
    unchanged = store.update_room_members("general")
    assert store.get_room("general") == unchanged
    assert unchanged.members == ("ann", "cid", "eve")


@clause("ROOM-006", "4.6")
def a_removed_room_leaves_get_list_and_members(store: Store) -> None:
    store.create_room(room("general", members=["ann", "bob"]))
    store.create_room(room("other", members=["ann"]))
    store.remove_room("general")
    assert store.get_room("general") is None
    assert ids(store.list_rooms()) == ["other"]
    assert ids(store.list_members()) == ["ann"]
    assert store.get_member("bob") is None
    counts = store.counts()
    assert (counts.rooms, counts.removed_rooms, counts.members) == (1, 1, 1)


@clause("ROOM-007", "4.6")
def a_removed_room_s_history_stays_readable(store: Store) -> None:
    fill(store)
    page, line = store.list_room_messages("general"), store.list_thread_messages("t1")
    threads, artifacts = store.list_threads("general"), store.list_artifacts()
    store.remove_room("general")
    assert store.list_room_messages("general") == page
    assert store.list_room_messages("general", PageRequest(before="m2")).items == page.items[:1]
    assert store.list_thread_messages("t1") == line
    assert store.list_threads("general") == threads
    assert store.get_thread("t1") == threads.items[0]
    assert store.list_artifacts() == artifacts
    assert store.get_message("m1") == page.items[0]


@clause("ROOM-008", "4.6", "5.6")
def a_removed_room_s_id_stays_taken(store: Store) -> None:
    store.create_room(room("general"))
    store.remove_room("general")
    before = everything(store)
    with pytest.raises(RoomExistsError) as caught:
        store.create_room(room("general"))
    assert caught.value.__dict__["room_id"] == "general"
    assert everything(store) == before


@clause("ROOM-009", "4.6", "4.11", "5.5")
def nothing_is_appended_to_a_removed_room_or_its_threads(store: Store) -> None:
    fill(store)
    store.remove_room("general")
    before = everything(store)
    for target in ("general", thread("t1"), thread("t-new")):
        with pytest.raises(RoomNotFoundError) as caught:
            store.append_message(message("m9", target))
        assert caught.value.__dict__["room_id"] == "general"
        with pytest.raises(RoomNotFoundError):
            store.append_messages([message("o9", "other"), message("m9", target)])
    assert everything(store) == before


@clause("ROOM-010", "4.7", "5.5")
def changing_a_room_that_is_absent_or_removed(store: Store) -> None:
    fill(store)
    before = everything(store)
    for room_id in ("never", "gone", "", "a b", "\x00", "\ud800"):
        with case(room_id):
            with pytest.raises(RoomNotFoundError) as caught:
                store.remove_room(room_id)
            assert caught.value.committed is False
            assert isinstance(caught.value, LookupError)
            with pytest.raises(RoomNotFoundError):
                store.update_room_members(room_id, add=["ann"])
            if room_id in ("never", "gone"):
                assert caught.value.__dict__["room_id"] == room_id
                with pytest.raises(RoomNotFoundError):
                    store.reconcile_room(room(room_id, members=["ann"]))
            assert everything(store) == before


@clause("ROOM-011", "4.8")
def an_agent_is_removed_from_every_room(store: Store) -> None:
    store.create_room(room("a", members=["ann", "bob"]))
    store.create_room(room("b", members=["ann"]))
    store.create_room(room("c", members=["bob"]))
    store.remove_agent_from_rooms("ann")
    assert [found.members for found in store.list_rooms().items] == [("bob",), (), ("bob",)]
    assert ids(store.list_members()) == ["bob"]
    before = everything(store)
    store.remove_agent_from_rooms("ann")
    store.remove_agent_from_rooms("nobody")
    assert everything(store) == before


@clause("ROOM-012", "4.8")
def removing_an_agent_from_rooms_leaves_its_registration_and_messages(store: Store) -> None:
    fill(store)
    store.remove_agent_from_rooms("ann")
    assert store.get_agent("ann") is not None
    assert store.get_message("m1") is not None
    assert store.get_member("ann") is None
