"""Threads follow from their messages."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import at, dm, dm_of, everything, message, thread, thread_of, two_rooms
from moltnet_conformance.clause import Group
from moltnet_core import (
    Store,
    Thread,
    ThreadRoomMismatchError,
)

clause = Group("threads", given=two_rooms)


@clause("THREAD-001", "4.12", "4.21")
def a_thread_is_created_by_its_first_message(store: Store) -> None:
    result = store.append_message(message("m1", thread("t1", parent="p"), 5))
    created = Thread("t1", "net", "molt://net/threads/t1", "general", "p", message_count=1, last_message_at=at(5))
    assert result.thread_created == created
    assert result.dm_created is None
    assert thread_of(store) == created
    assert store.list_threads("general").items == (created,)
    assert store.list_threads("other").items == ()


@clause("THREAD-002", "4.16")
def a_thread_keeps_its_first_message_s_parent_and_network(store: Store) -> None:
    store.append_message(message("m1", thread("t1", parent="p"), 5))
    again = store.append_message(message("m2", thread("t1", parent="q"), 6, network_id="net2"))
    assert again.thread_created is None
    found = thread_of(store)
    assert (found.parent_message_id, found.network_id, found.fqid) == ("p", "net", "molt://net/threads/t1")
    assert (found.message_count, found.last_message_at) == (2, at(6))
    stored = store.get_message("m2")
    assert stored is not None
    assert stored.target == thread("t1", parent="q")


@clause("THREAD-003", "4.12", "4.16")
def the_first_of_a_batch_creates_the_thread(store: Store) -> None:
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


@clause("THREAD-004", "4.13", "5.13")
def a_thread_belongs_to_one_room(store: Store) -> None:
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


@clause("THREAD-005", "4.17")
def last_message_at_never_goes_backwards(store: Store) -> None:
    for target, find in ((thread("t1"), thread_of), (dm("d1"), dm_of)):
        name = target.conversation_id
        for number, (second, last) in enumerate([(5, 5), (3, 5), (9, 9), (8, 9), (9, 9)], 1):
            store.append_message(message(f"{name}-{number}", target, second))
            assert (find(store, str(name)).message_count, find(store, str(name)).last_message_at) == (number, at(last))
        store.append_messages([message(f"{name}-6", target, 12), message(f"{name}-7", target, 11)])
        assert (find(store, str(name)).message_count, find(store, str(name)).last_message_at) == (7, at(12))
