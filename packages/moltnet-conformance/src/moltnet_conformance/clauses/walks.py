"""Walks over pages while others write."""

from __future__ import annotations

from itertools import product

from moltnet_conformance.building import agent, ids, message, room, walk
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_conformance.listings import FILE, KINDS, Read, conversation, filling, in_order, reading
from moltnet_core import Store

clause = Group("paging")

LIMITS = (1, 2, 3, 5)
WAYS = (True, False)  # forwards, or back


@clause("WALK-001", "3.13")
def appends_during_a_walk(store: Store) -> None:
    store.create_room(room("general"))
    for number, (kind, limit, forwards) in enumerate(product(KINDS, LIMITS, WAYS)):
        with case((kind, limit, forwards)):
            append_during_a_walk(store, kind, f"{number:02}", limit, forwards=forwards)


def append_during_a_walk(store: Store, kind: str, name: str, limit: int, *, forwards: bool) -> None:
    """One walk, over a conversation of its own, whose name all its ids begin with."""
    if kind == "room":
        store.create_room(room(name))
    target, order = conversation(kind, name), in_order(name)
    store.append_messages(filling(target, name))
    found: list[str] = []
    for number, page in enumerate(walk(reading(store, kind, name), limit, forwards=forwards)):
        found += ids(page) if forwards else reversed(ids(page))
        if number > 8:
            continue  # going forwards what is appended is found too, and the walk should end
        # At each instant of the listing, before and after it, and with ids on both sides of those there.
        store.append_messages(
            message(f"{name}{prefix}-{number}-{second}", target, second, parts=[FILE])
            for second, prefix in ((0, "0"), (1, "zz"), (2, "Aa0"), (3, "zz"), (9, "M"))
        )
    there = [each for each in found if each in order]
    assert there == (order if forwards else order[::-1])
    assert len(set(found)) == len(found)


@clause("WALK-002", "3.13", "3.10")
def removals_and_creations_during_a_walk(store: Store) -> None:
    for number, (limit, forwards) in enumerate(product(LIMITS, WAYS)):
        with case((limit, forwards)):
            come_and_go_during_a_walk(store, f"{number:02}", limit, forwards=forwards)
            for each in store.list_rooms().items:
                store.remove_room(each.id)
                store.remove_agent(each.id)


def come_and_go_during_a_walk(store: Store, name: str, limit: int, *, forwards: bool) -> None:
    """Walks over all listings by id at once, on a store in which nothing is listed yet."""
    start = [f"n{name}-{number:02}" for number in range(20)]
    for each in start:
        store.create_room(room(each, members=[each]))
        store.register_agent(agent(each))
    reads: tuple[Read, ...] = (store.list_rooms, store.list_agents, store.list_members)
    every: list[list[str]] = [[], [], []]
    for number, pages in enumerate(zip(*(walk(read, limit, forwards=forwards) for read in reads), strict=True)):
        for found, page in zip(every, pages, strict=True):
            found.extend(ids(page) if forwards else reversed(ids(page)))
        for gone in {each for found in every for each in (found[0], found[-1]) if each in start}:
            if store.get_room(gone) is not None:
                store.remove_room(gone)
                store.remove_agent(gone)
        if number > 8:
            continue
        for new in (f"a{name}{number:03}", f"n{name}-{number:02}x", f"z{name}{number:03}"):
            store.create_room(room(new, members=[new]))
            store.register_agent(agent(new))
    for found in every:
        there = [each for each in found if each in start]
        assert there == (start if forwards else start[::-1])
        assert len(set(found)) == len(found)


@clause("WALK-003", "3.13", "4.6")
def messages_and_artifacts_of_a_removed_room_during_a_walk(store: Store) -> None:
    store.create_room(room("general"))
    for each in filling(conversation("room", "general"), ""):
        store.append_message(each)
    found = []
    for page in walk(reading(store, "room", "general"), 3, forwards=True):
        found += ids(page)
        if store.get_room("general") is not None:
            store.remove_room("general")
    assert found == in_order("")
