"""A taken message id, and trying again after an answer that never came."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from moltnet_conformance.building import at, dm, everything, message, thread, two_rooms
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_core import Actor, Duplicate, DuplicateMessageError, Message, Part, RoomNotFoundError, Store

clause = Group("batches", given=two_rooms)


def duplicates(store: Store, batch: list[Message], *, retry: bool = False) -> list[tuple[int, str, bool]]:
    """What the error says; it leaves no trace."""
    before = everything(store)
    with pytest.raises(DuplicateMessageError) as caught:
        store.append_messages(batch, retry=retry)
    assert everything(store) == before
    assert caught.value.committed is False
    assert all(isinstance(each, Duplicate) for each in caught.value.duplicates)
    return [(each.index, each.message_id, each.identical) for each in caught.value.duplicates]


@clause("DUP-001", "4.18", "5.6")
def the_same_message_again(store: Store) -> None:
    store.append_message(message("m1"))
    assert duplicates(store, [message("m1")]) == [(0, "m1", True)]
    with pytest.raises(DuplicateMessageError):
        store.append_message(message("m1"))


DATA = message("m1", parts=[Part("data", data={"a": 1, "b": [1.5, None]})], mentions=["ann"])
DIFFERENT: dict[str, dict[str, Any]] = {
    "text": {"parts": [Part("text", "x")]},
    "integer or float": {"parts": [Part("data", data={"a": 1.0, "b": [1.5, None]})]},
    "true or one": {"parts": [Part("data", data={"a": True, "b": [1.5, None]})]},
    "one more key": {"parts": [Part("data", data={"a": 1, "b": [1.5, None], "c": None})]},
    "order of a list": {"parts": [Part("data", data={"a": 1, "b": [None, 1.5]})]},
    "part": {"parts": [*DATA.parts, Part("text", "x")]},
    "mentions": {"mentions": []},
    "sender": {"sender": Actor("agent", "bob")},
    "sender's name": {"sender": Actor("agent", "ann", "Ann")},
    "time": {"created_at": at(1, 1)},
    "network": {"network_id": "net2"},
    "room": {"target": message("x", "other").target},
    "kind of conversation": {"target": dm()},
}


@clause("DUP-002", "4.18")
def a_message_that_differs_is_not_identical(store: Store) -> None:
    store.append_message(DATA)
    for name, change in DIFFERENT.items():
        with case(name):
            other = attrs.evolve(DATA, **change)
            assert duplicates(store, [other]) == [(0, "m1", False)]
            assert duplicates(store, [other], retry=True) == [(0, "m1", False)]


SAME: dict[str, dict[str, Any]] = {
    "order of keys": {"parts": [Part("data", data={"b": [1.5, None], "a": 1})]},
    "a default spelt out": {"sender": Actor("agent", "ann", network_id="net", fqid="molt://net/agents/ann")},
    "empty for absent": {"parts": [Part("data", "", data={"a": 1, "b": [1.5, None]})]},
    "another zone": {"created_at": at(1).astimezone()},
}


@clause("DUP-003", "4.18", "1.2")
def another_spelling_is_identical(store: Store) -> None:
    store.append_message(DATA)
    for name, change in SAME.items():
        with case(name):
            other = attrs.evolve(DATA, **change)
            assert duplicates(store, [other]) == [(0, "m1", True)]
            assert store.append_message(other, retry=True).replayed


@clause("DUP-004", "4.18")
def every_duplicate_of_a_batch_is_listed(store: Store) -> None:
    store.append_messages([message("m1"), message("m2"), message("m3", thread())])
    batch = [message("n1"), message("m3", thread()), message("m1", second=9), message("n2"), message("m2")]
    assert duplicates(store, batch) == [(1, "m3", True), (2, "m1", False), (4, "m2", True)]
    assert duplicates(store, batch, retry=True) == [(1, "m3", True), (2, "m1", False), (4, "m2", True)]
    store.append_messages([message("n1"), message("n2")])


@clause("DUP-005", "4.18", "4.19")
def an_id_twice_in_a_batch(store: Store) -> None:
    assert duplicates(store, [message("m1"), message("m1")]) == [(1, "m1", True)]
    assert duplicates(store, [message("m1"), message("m1", second=2)]) == [(1, "m1", False)]
    assert duplicates(store, [message("m1"), message("m1", second=2)], retry=True) == [(1, "m1", False)]
    three = [message("m1", thread()), message("m2"), message("m1", thread()), message("m1", thread())]
    assert duplicates(store, three) == [(2, "m1", True), (3, "m1", True)]
    results = store.append_messages(three, retry=True)
    assert [result.replayed for result in results] == [False, False, True, True]
    found = store.get_thread("t1")
    assert found is not None
    assert found.message_count == 1


@clause("DUP-006", "4.19")
def trying_again_counts_as_success_and_changes_nothing(store: Store) -> None:
    file = Part("file", filename="f")
    batch = [message("m1", thread(), parts=[file]), message("m2", dm(), parts=[file]), message("m3")]
    first = store.append_messages(batch, retry=True)
    assert not any(result.replayed for result in first)
    before = everything(store)
    again = store.append_messages(batch, retry=True)
    assert [result.replayed for result in again] == [True, True, True]
    assert [result.message for result in again] == [result.message for result in first]
    assert [(result.thread_created, result.dm_created) for result in again] == [(None, None)] * 3
    assert store.append_message(batch[0], retry=True).replayed
    assert everything(store) == before


@clause("DUP-007", "4.19")
def of_a_mixed_batch_only_the_new_ones_are_appended(store: Store) -> None:
    store.append_messages([message("m1", thread()), message("m2", dm())])
    batch = [message("m1", thread()), message("n1", thread(), 5), message("m2", dm()), message("n2", thread("t2"), 6)]
    results = store.append_messages(batch, retry=True)
    assert [result.replayed for result in results] == [True, False, True, False]
    assert [bool(result.thread_created) for result in results] == [False, False, False, True]
    found = store.get_thread("t1")
    assert found is not None
    assert (found.message_count, found.last_message_at) == (2, at(5))


@clause("DUP-008", "4.19", "4.11")
def a_replay_succeeds_though_the_room_was_removed_since(store: Store) -> None:
    store.append_message(message("m1"))
    store.remove_room("general")
    assert store.append_message(message("m1"), retry=True).replayed
    with pytest.raises(RoomNotFoundError):
        store.append_messages([message("m1"), message("m2")], retry=True)


@clause("DUP-009", "4.18", "5.13")
def duplicates_are_found_before_anything_else(store: Store) -> None:
    store.append_messages([message("m1"), message("m2", thread())])
    batch = [message("n1", "nowhere"), message("n2", thread("t1", "other")), message("m1")]
    assert duplicates(store, batch) == [(2, "m1", True)]


@clause("DUP-010", "4.18", "1.4")
def ids_are_taken_across_conversations_and_differ_by_case(store: Store) -> None:
    store.append_message(message("m1", dm()))
    assert duplicates(store, [message("m1", thread())]) == [(0, "m1", False)]
    store.append_message(message("M1", thread()))
