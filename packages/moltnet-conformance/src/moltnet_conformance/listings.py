"""Listings of every kind, filled, with the order that the contract gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from moltnet_conformance.building import agent, dm, ids, message, room, thread
from moltnet_core import (
    ArtifactFilter,
    Page,
    PageInfo,
    PageRequest,
    Part,
    Store,
    Target,
)

Read = Callable[[PageRequest | None], Page[Any]]
FILE = Part("file", filename="f")
TARGETS: dict[str, Target] = {"room": Target.room("general"), "thread": thread("t1"), "dm": dm("d1")}


# By code point: digits, then upper case, then lower case; and '-' < '.' < digit < ':' < letter < '_' < letter.
NAMES = ["A", "Aa", "B", "a", "a-b", "a.b", "a0", "a:b", "aB", "a_b", "ab", "b", "10", "9", "Z", "z"]


def by_time(store: Store, kind: str) -> Read:
    """Fills a conversation whose messages share few instants, and lists it."""
    store.create_room(room("general"))
    for number, name in enumerate(NAMES):
        store.append_message(message(name, TARGETS[kind], 1 + number % 3, parts=[FILE]))
    for other, target in TARGETS.items():
        if other != kind:
            store.append_message(message(f"other-{other}", target, 2, parts=[FILE]))
    if kind == "room":
        return lambda page: store.list_room_messages("general", page)
    if kind == "thread":
        return lambda page: store.list_thread_messages("t1", page)
    return lambda page: store.list_dm_messages("d1", page)


def in_order() -> list[str]:
    """The names as a conversation of :func:`by_time` has them."""
    return [name for _, name in sorted((number % 3, name) for number, name in enumerate(NAMES))]


def threads(store: Store) -> Read:
    """Threads of those names."""
    store.create_room(room("general"))
    for name in NAMES:
        store.append_message(message(f"m-{name}", thread(name)))
    return lambda page: store.list_threads("general", page)


def dms(store: Store) -> Read:
    """Direct conversations of those names."""
    for name in NAMES:
        store.append_message(message(f"m-{name}", dm(name)))
    return store.list_dms


def rooms(store: Store) -> Read:
    """Rooms of those names."""
    for name in NAMES:
        store.create_room(room(name))
    return store.list_rooms


def agents(store: Store) -> Read:
    """Agents of those names."""
    for name in NAMES:
        store.register_agent(agent(name))
    return store.list_agents


def members(store: Store) -> Read:
    """Members of those names, of two rooms."""
    store.create_room(room("general", members=NAMES[:10]))
    store.create_room(room("other", members=NAMES[5:]))
    return store.list_members


def artifacts(store: Store) -> Read:
    """The artifacts of a thread."""
    by_time(store, "thread")
    return lambda page: store.list_artifacts(ArtifactFilter(thread_id="t1"), page)


BY_TIME: dict[str, Callable[[Store], Read]] = {
    "room": lambda store: by_time(store, "room"),
    "thread": lambda store: by_time(store, "thread"),
    "dm": lambda store: by_time(store, "dm"),
    "artifacts": artifacts,
}
BY_ID = {"threads": threads, "dms": dms, "rooms": rooms, "agents": agents, "members": members}


def listing(name: str, store: Store) -> tuple[Read, list[str]]:
    """A listing of 16 items, and their ids in the contract's order."""
    read = {**BY_TIME, **BY_ID}[name](store)
    if name == "artifacts":
        return read, [f"art_{each}_0" for each in in_order()]
    return read, in_order() if name in BY_TIME else sorted(NAMES)


every_listing = pytest.mark.parametrize("name", [*BY_TIME, *BY_ID])


def expected(order: Sequence[str], start: int, end: int, *, forwards: bool) -> tuple[list[str], PageInfo]:
    """The page of ``order[start:end]`` as the contract says."""
    older, newer = start > 0, end < len(order)
    items = list(order[start:end])
    if not items:
        return [], PageInfo()
    more = newer if forwards else older
    return items, PageInfo(more, items[0] if older else None, items[-1] if newer else None)


def seen(page: Page[Any]) -> tuple[list[str], PageInfo]:
    """A page's ids and what it says of others."""
    return ids(page), page.info
