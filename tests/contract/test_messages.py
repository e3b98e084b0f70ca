"""Appending: one and many, and what follows from a message: threads and direct conversations."""

from __future__ import annotations

import pytest
from tests.contract.building import at, dm, everything, ids, message, room, thread

from moltnet_core import (
    Actor,
    DirectConversation,
    PageRequest,
    Part,
    RoomNotFoundError,
    Store,
    Target,
    Thread,
    ThreadRoomMismatchError,
)


@pytest.fixture(autouse=True)
def _rooms(store: Store) -> None:
    store.create_room(room("general"))
    store.create_room(room("other"))


def thread_of(store: Store, thread_id: str = "t1") -> Thread:
    found = store.get_thread(thread_id)
    assert found is not None
    return found


def dm_of(store: Store, dm_id: str = "d1") -> DirectConversation:
    found = store.get_dm(dm_id)
    assert found is not None
    return found


def test_each_kind_has_its_own_line(store: Store) -> None:
    store.append_message(message("in-room"))
    store.append_message(message("in-thread", thread("same")))
    store.append_message(message("in-dm", dm("same")))
    store.append_message(message("in-other", "other"))
    assert ids(store.list_room_messages("general")) == ["in-room"]
    assert ids(store.list_room_messages("other")) == ["in-other"]
    assert ids(store.list_thread_messages("same")) == ["in-thread"]
    assert ids(store.list_dm_messages("same")) == ["in-dm"]


def test_a_batch_is_appended_in_order_and_answered_one_by_one(store: Store) -> None:
    batch = [
        message("b"),
        message("a", thread("t1")),
        message("c", thread("t1")),
        message("d", dm()),
        message("e", dm()),
    ]
    results = store.append_messages(iter(batch))
    assert [result.message.id for result in results] == ["b", "a", "c", "d", "e"]
    assert [bool(result.thread_created) for result in results] == [False, True, False, False, False]
    assert [bool(result.dm_created) for result in results] == [False, False, False, True, False]
    assert not any(result.replayed for result in results)
    assert [store.get_message(result.message.id) for result in results] == [result.message for result in results]
    assert thread_of(store).message_count == dm_of(store).message_count == 2


def test_an_empty_batch_does_nothing(store: Store) -> None:
    before = everything(store)
    assert store.append_messages([]) == []
    assert everything(store) == before


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_batch_is_all_or_nothing(store: Store, index: int) -> None:
    store.append_message(message("m0", thread("t0")))
    before = everything(store)
    file = Part("file", filename="f")
    good = [message("m1", thread(), parts=[file]), message("m2", dm(), parts=[file])]
    for bad, error in (
        (message("m3", "nowhere"), RoomNotFoundError),
        (message("m3", thread("t0", "other")), ThreadRoomMismatchError),
        (message("m3", parts=[]), ValueError),
    ):
        with pytest.raises(error):
            store.append_messages([*good[:index], bad, *good[index:]])
        assert everything(store) == before
    store.append_messages(good)


@pytest.mark.parametrize("target", ["nowhere", thread("t1", "nowhere")])
def test_room_and_thread_targets_need_a_room(store: Store, target: Target | str) -> None:
    before = everything(store)
    with pytest.raises(RoomNotFoundError) as caught:
        store.append_message(message("m1", target))
    assert (caught.value.__dict__["room_id"], caught.value.committed) == ("nowhere", False)
    assert everything(store) == before


# -- threads -----------------------------------------------------------------------------------------


def test_a_thread_is_created_by_its_first_message(store: Store) -> None:
    result = store.append_message(message("m1", thread("t1", parent="p"), 5))
    created = Thread("t1", "net", "molt://net/threads/t1", "general", "p", message_count=1, last_message_at=at(5))
    assert result.thread_created == created
    assert result.dm_created is None
    assert thread_of(store) == created
    assert store.list_threads("general").items == (created,)
    assert store.list_threads("other").items == ()


def test_a_thread_keeps_its_first_message_s_parent_and_network(store: Store) -> None:
    store.append_message(message("m1", thread("t1", parent="p"), 5))
    again = store.append_message(message("m2", thread("t1", parent="q"), 6, network_id="net2"))
    assert again.thread_created is None
    found = thread_of(store)
    assert (found.parent_message_id, found.network_id, found.fqid) == ("p", "net", "molt://net/threads/t1")
    assert (found.message_count, found.last_message_at) == (2, at(6))
    stored = store.get_message("m2")
    assert stored is not None
    assert stored.target == thread("t1", parent="q")


def test_the_first_of_a_batch_creates_the_thread(store: Store) -> None:
    batch = [
        message("m1", thread("t1", parent="p"), 5, network_id="n1"),
        message("m2", thread("t1"), 9, network_id="n2"),
        message("m3", thread("t1"), 7),
    ]
    created = store.append_messages(batch)[0].thread_created
    assert created is not None
    found = thread_of(store)
    assert (found.parent_message_id, found.network_id, found.message_count) == ("p", "n1", 3)
    assert found.last_message_at == at(9)


def test_a_thread_belongs_to_one_room(store: Store) -> None:
    store.append_message(message("m1", thread("t1")))
    before = everything(store)
    with pytest.raises(ThreadRoomMismatchError) as caught:
        store.append_message(message("m2", thread("t1", "other")))
    assert isinstance(caught.value, ValueError)
    attributes = caught.value.__dict__
    assert (attributes["thread_id"], attributes["room_id"], attributes["thread_room_id"]) == ("t1", "other", "general")
    with pytest.raises(ThreadRoomMismatchError):
        store.append_messages([message("m2", thread("t2", "other")), message("m3", thread("t2", "general"))])
    assert everything(store) == before


def test_last_message_at_never_goes_backwards(store: Store) -> None:
    for target, find in ((thread("t1"), thread_of), (dm("d1"), dm_of)):
        name = target.conversation_id
        for number, (second, last) in enumerate([(5, 5), (3, 5), (9, 9), (8, 9), (9, 9)], 1):
            store.append_message(message(f"{name}-{number}", target, second))
            assert (find(store, str(name)).message_count, find(store, str(name)).last_message_at) == (number, at(last))
        store.append_messages([message(f"{name}-6", target, 12), message(f"{name}-7", target, 11)])
        assert (find(store, str(name)).message_count, find(store, str(name)).last_message_at) == (7, at(12))


# -- direct conversations ----------------------------------------------------------------------------


def test_a_dm_is_created_by_its_first_message(store: Store) -> None:
    result = store.append_message(message("m1", dm("d1", "zoe", "bob"), 5))
    created = DirectConversation(
        "d1", "net", "molt://net/dms/d1", ("ann", "bob", "zoe"), message_count=1, last_message_at=at(5)
    )
    assert result.dm_created == created
    assert result.thread_created is None
    assert dm_of(store) == created
    assert store.list_dms().items == (created,)


def test_participants_are_the_union_over_the_messages(store: Store) -> None:
    store.append_message(message("m1", dm("d1", "bob", "zoe")))
    store.append_message(message("m2", dm("d1", "cid", "bob"), sender=Actor("agent", "dan")))
    store.append_messages(
        [
            message("m3", dm("d1", "eve", "bob"), sender=Actor("agent", "bob")),
            message("m4", dm("d1", "fay", "bob"), sender=Actor("agent", "bob")),
        ]
    )
    assert dm_of(store).participant_ids == ("ann", "bob", "cid", "dan", "eve", "fay", "zoe")


@pytest.mark.parametrize(
    ("sender", "participant"),
    [
        (Actor("agent", "ann"), "ann"),
        (Actor("agent", "ann", network_id="net"), "ann"),
        (Actor("agent", "ann", network_id="far"), "far:ann"),
        (Actor("agent", "far:ann", network_id="far"), "far:ann"),
        (Actor("agent", "molt://far/agents/ann", network_id="far"), "molt://far/agents/ann"),
    ],
)
def test_a_sender_of_another_network_is_a_scoped_participant(store: Store, sender: Actor, participant: str) -> None:
    store.append_message(message("m1", dm("d1", "bob", "cid"), sender=sender))
    assert dm_of(store).participant_ids == tuple(sorted(["bob", "cid", participant]))


def test_a_dm_has_the_network_of_its_latest_appended_message(store: Store) -> None:
    store.append_message(message("m1", dm(), 9, network_id="n1"))
    store.append_message(message("m2", dm(), 5, network_id="n2"))  # appended later, though its time is earlier
    assert (dm_of(store).network_id, dm_of(store).fqid) == ("n2", "molt://n2/dms/d1")
    store.append_messages([message("m3", dm(), 12, network_id="n3"), message("m4", dm(), 11, network_id="n4")])
    assert (dm_of(store).network_id, dm_of(store).fqid) == ("n4", "molt://n4/dms/d1")
    assert (dm_of(store).message_count, dm_of(store).last_message_at) == (4, at(12))


def test_a_dm_needs_no_room_and_survives_its_participants(store: Store) -> None:
    store.append_message(message("m1", dm()))
    store.remove_agent("ann")
    store.remove_agent_from_rooms("ann")
    assert ids(store.list_dm_messages("d1", PageRequest(limit=1))) == ["m1"]
    assert dm_of(store).participant_ids == ("ann", "bob")
