"""Walks over pages while others write."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import agent, ids, message, room, walk
from moltnet_conformance.clause import Group
from moltnet_conformance.listings import FILE, TARGETS, Read, listing
from moltnet_core import (
    Store,
)

clause = Group("paging")


@clause("WALK-001", "3.13")
@pytest.mark.parametrize("name", ["room", "thread", "dm"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("forwards", [True, False])
def appends_during_a_walk(store: Store, name: str, limit: int, forwards: bool) -> None:
    read, order = listing(name, store)
    found: list[str] = []
    for number, page in enumerate(walk(read, limit, forwards=forwards)):
        found += ids(page) if forwards else reversed(ids(page))
        if number > 8:
            continue  # going forwards what is appended is found too, and the walk should end
        # At each instant of the listing, before and after it, and with ids on both sides of those there.
        for second, prefix in ((0, "0"), (1, "zz"), (2, "Aa0"), (3, "zz"), (9, "M")):
            store.append_message(message(f"{prefix}-{number}-{second}", TARGETS[name], second, parts=[FILE]))
    there = [each for each in found if each in order]
    assert there == (order if forwards else order[::-1])
    assert len(set(found)) == len(found)


@clause("WALK-002", "3.13", "3.10")
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("forwards", [True, False])
@pytest.mark.parametrize("name", ["rooms", "agents", "members"])
def removals_and_creations_during_a_walk(store: Store, name: str, limit: int, forwards: bool) -> None:
    start = [f"n{number:02}" for number in range(20)]
    for each in start:
        store.create_room(room(each, members=[each]))
        store.register_agent(agent(each))
    reads: dict[str, Read] = {"rooms": store.list_rooms, "agents": store.list_agents, "members": store.list_members}
    read = reads[name]
    found: list[str] = []
    for number, page in enumerate(walk(read, limit, forwards=forwards)):
        found += ids(page) if forwards else reversed(ids(page))
        for gone in {each for each in (found[0], found[-1]) if each in start}:
            if store.get_room(gone) is not None:
                store.remove_room(gone)
                store.remove_agent(gone)
        if number > 8:
            continue
        for new in (f"a{number:03}", f"n{number:02}x", f"z{number:03}"):
            store.create_room(room(new, members=[new]))
            store.register_agent(agent(new))
    there = [each for each in found if each in start]
    assert there == (start if forwards else start[::-1])
    assert len(set(found)) == len(found)


@clause("WALK-003", "3.13", "4.6")
def messages_and_artifacts_of_a_removed_room_during_a_walk(store: Store) -> None:
    read, order = listing("room", store)
    found = []
    for page in walk(read, 3, forwards=True):
        found += ids(page)
        if store.get_room("general") is not None:
            store.remove_room("general")
    assert found == order
