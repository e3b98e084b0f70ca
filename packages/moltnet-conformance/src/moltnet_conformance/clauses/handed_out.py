"""What a store hands out is the caller's own."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from moltnet_conformance.building import (
    agent,
    dm,
    everything,
    fill,
    message,
    records,
    room,
    thread,
)
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import (
    START,
    Message,
    MoltnetError,
    Page,
    PageRequest,
    Part,
    Store,
    hookimpl,
)

clause = Group("round trips")


def change_all(value: Any) -> None:
    """Changes every mutable thing in a domain object."""
    if isinstance(value, dict):
        for item in value.values():
            change_all(item)
        value["changed"] = True
    elif isinstance(value, list):
        for item in value:
            change_all(item)
        value.append("changed")
    elif isinstance(value, tuple):
        for item in value:
            change_all(item)
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            change_all(getattr(value, field.name))


def with_data(message_id: str, target: Any) -> Message:
    return message(message_id, target, parts=[Part("data", data={"k": [1, {"n": [2]}], "d": {"e": {}}})])


@clause("OBJ-001", "1.1")
def nothing_handed_out_or_in_is_an_alias_of_what_is_stored(place: Place) -> None:
    seen: list[Any] = []

    class Observer:
        @hookimpl
        def moltnet_message_appended(self, result: Any) -> None:
            seen.append(result)

    store = place.open(plugins=[Observer()])
    store.create_room(room("general", members=["ann"]))
    targets = {"m1": "general", "m2": thread("t1"), "m3": dm("d1")}
    written = [with_data(message_id, target) for message_id, target in targets.items()]
    results = [*store.append_messages(written), store.append_message(with_data("m4", "general"))]
    before = copy.deepcopy(everything(store))
    reads: list[Callable[[], Any]] = [
        lambda: written,
        lambda: results,
        lambda: seen,
        lambda: [store.append_message(with_data("m1", "general"), retry=True)],
        lambda: [store.get_message(message_id) for message_id in targets],
        lambda: store.list_room_messages("general"),
        lambda: store.list_room_messages("general", PageRequest(after=START, limit=1)),
        lambda: store.list_thread_messages("t1"),
        lambda: store.list_dm_messages("d1"),
        store.list_artifacts,
        lambda: records(store),
    ]
    for read in reads:
        change_all(read())
        assert everything(store) == before
    copied = place.open()
    loaded = records(store)
    copied.load(loaded)
    change_all(loaded)
    assert everything(copied) == before


@clause("OBJ-002", "1.1")
def what_is_handed_out_is_not_shared_between_calls(store: Store) -> None:
    store.create_room(room("general"))
    store.append_message(with_data("m1", "general"))
    first, second = store.get_message("m1"), store.get_message("m1")
    assert first == second
    change_all(first)
    assert first != second


@clause("OBJ-003", "1.1")
def domain_objects_are_frozen_slotted_and_picklable(store: Store) -> None:
    fill(store)
    pages: list[Page[Any]] = [
        store.list_rooms(),
        store.list_room_messages("general"),
        store.list_threads("general"),
        store.list_dms(),
        store.list_artifacts(),
        store.list_agents(),
        store.list_members(),
    ]
    objects = [*pages, store.append_message(message("new")), *records(store), store.counts()]
    for each in [*objects, *(item for page in pages for item in page.items)]:
        assert pickle.loads(pickle.dumps(each)) == each
        assert copy.deepcopy(each) == each
        assert not hasattr(each, "__dict__")
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(each, attrs.fields(type(each))[0].name, None)
    assert pickle.loads(pickle.dumps(START)) is START


@clause("OBJ-004", "1.1")
def messages_and_what_holds_them_are_not_hashable(store: Store) -> None:
    fill(store)
    page = store.list_room_messages("general")
    for each in (page, page.items[0], page.items[0].parts[0], store.append_message(message("new")), records(store)[0]):
        with pytest.raises(TypeError):
            hash(each)
    for hashable in (store.get_room("general"), store.get_agent("ann"), store.get_thread("t1"), store.counts()):
        assert hash(hashable) == hash(copy.copy(hashable))


@clause("ERR-001", "5.1", "5.2", "5.3")
def errors_pickle_and_keep_what_they_say(store: Store) -> None:
    fill(store)
    failing: list[Callable[[], Any]] = [
        lambda: store.create_room(room("gone")),
        lambda: store.remove_room("gone"),
        lambda: store.append_messages([message("new"), message("m1")]),
        lambda: store.append_message(message("new", thread("t1", "other"))),
        lambda: store.append_message(message("new", "nowhere")),
        lambda: store.append_message(message("new", parts=[])),
        lambda: store.register_agent(agent("ann", "token:other")),
        lambda: store.list_room_messages("general", PageRequest(before="nothing")),
        lambda: store.load([attrs.evolve(records(store)[0], times={"created_at": "2020-01-01T00:00:00Z"})]),
    ]
    for call in failing:
        with pytest.raises(MoltnetError) as caught:
            call()
        error = caught.value
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert (again.__dict__, again.committed) == (error.__dict__, False)
        # No driver's exception, whose text may hold a row, hangs on it.
        chained: list[BaseException] = [each for each in (error.__cause__, error.__context__) if each is not None]
        assert all(isinstance(each, MoltnetError) for each in chained)
