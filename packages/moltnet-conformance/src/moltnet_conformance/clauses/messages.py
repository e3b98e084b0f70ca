"""Appending: one and many."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import dm, dm_of, everything, ids, message, thread, thread_of, two_rooms
from moltnet_conformance.cases import case, for_each
from moltnet_conformance.clause import Group
from moltnet_core import (
    Part,
    RoomNotFoundError,
    Store,
    Target,
    ThreadRoomMismatchError,
)

clause = Group("messages", given=two_rooms)


@clause("MSG-001", "4.10", "3.14")
def each_kind_has_its_own_line(store: Store) -> None:
    store.append_message(message("in-room"))
    store.append_message(message("in-thread", thread("same")))
    store.append_message(message("in-dm", dm("same")))
    store.append_message(message("in-other", "other"))
    assert ids(store.list_room_messages("general")) == ["in-room"]
    assert ids(store.list_room_messages("other")) == ["in-other"]
    assert ids(store.list_thread_messages("same")) == ["in-thread"]
    assert ids(store.list_dm_messages("same")) == ["in-dm"]


@clause("MSG-002", "4.9")
def a_batch_is_appended_in_order_and_answered_one_by_one(store: Store) -> None:
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


@clause("MSG-003", "4.9")
def an_empty_batch_does_nothing(store: Store) -> None:
    before = everything(store)
    assert store.append_messages([]) == []
    assert everything(store) == before


@clause("MSG-004", "4.1", "4.9", "5.13")
def a_batch_is_all_or_nothing(store: Store) -> None:
    store.append_message(message("m0", thread("t0")))
    before = everything(store)
    file = Part("file", filename="f")
    good = [message("m1", thread(), parts=[file]), message("m2", dm(), parts=[file])]
    for bad, error in (
        (message("m3", "nowhere"), RoomNotFoundError),
        (message("m3", thread("t0", "other")), ThreadRoomMismatchError),
        (message("m3", parts=[]), ValueError),
    ):
        for index in range(3):
            with case((bad.target, index)):
                with pytest.raises(error):
                    store.append_messages([*good[:index], bad, *good[index:]])
                assert everything(store) == before
    store.append_messages(good)


@clause("MSG-005", "4.11", "5.5", "5.2")
@for_each([Target.room("nowhere"), thread("t1", "nowhere")])
def room_and_thread_targets_need_a_room(store: Store, target: Target) -> None:
    before = everything(store)
    with pytest.raises(RoomNotFoundError) as caught:
        store.append_message(message("m1", target))
    assert (caught.value.__dict__["room_id"], caught.value.committed) == ("nowhere", False)
    assert everything(store) == before
