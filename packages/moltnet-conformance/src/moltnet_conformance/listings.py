"""Listings of every kind, filled, with the order that the contract gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from moltnet_conformance.building import agent, dm, ids, message, room, thread
from moltnet_core import (
    ArtifactFilter,
    Message,
    Page,
    PageInfo,
    PageRequest,
    Part,
    Store,
    Target,
)

Read = Callable[[PageRequest | None], Page[Any]]
FILE = Part("file", filename="f")
KINDS = ("room", "thread", "dm")
BY_TIME = ("room", "thread", "dm", "artifacts")
BY_ID = ("threads", "dms", "rooms", "agents", "members")

# By code point: digits, then upper case, then lower case; and '-' < '.' < digit < ':' < letter < '_' < letter.
NAMES = ["A", "Aa", "B", "a", "a-b", "a.b", "a0", "a:b", "aB", "a_b", "ab", "b", "10", "9", "Z", "z"]


def conversation(kind: str, name: str) -> Target:
    """A conversation of that kind and name; threads are in the room ``general``."""
    targets: dict[str, Callable[[str], Target]] = {"room": Target.room, "thread": thread, "dm": dm}
    return targets[kind](name)


def reading(store: Store, kind: str, name: str) -> Read:
    """Lists the messages of a conversation."""
    read = {"room": store.list_room_messages, "thread": store.list_thread_messages, "dm": store.list_dm_messages}[kind]
    return lambda page: read(name, page)


def filling(target: Target, prefix: str) -> list[Message]:
    """Messages of the names, which share few instants."""
    return [message(f"{prefix}{name}", target, 1 + number % 3, parts=[FILE]) for number, name in enumerate(NAMES)]


def in_order(prefix: str) -> list[str]:
    """The ids of :func:`filling` in the contract's order."""
    return [name for _, name in sorted((number % 3, f"{prefix}{name}") for number, name in enumerate(NAMES))]


@attrs.frozen
class Listing:
    """A listing of 16 items or a few more, and their ids in the contract's order."""

    name: str
    read: Read
    order: list[str]


def every_listing(store: Store) -> list[Listing]:
    """Fills an empty store, and gives its listings of every kind."""
    store.create_room(room("general", members=NAMES[:10]))
    store.create_room(room("other", members=NAMES[5:]))
    for name in NAMES:
        store.create_room(room(name))
        store.register_agent(agent(name))
        store.append_messages([message(f"in-{name}", thread(name, "other")), message(f"to-{name}", dm(name))])
    found = []
    for kind in KINDS:
        name, prefix = f"the-{kind}", f"{kind}-"
        if kind == "room":
            store.create_room(room(name))
        for each in filling(conversation(kind, name), prefix):
            store.append_message(each)
        found.append(Listing(kind, reading(store, kind, name), in_order(prefix)))

    def artifacts(page: PageRequest | None) -> Page[Any]:
        return store.list_artifacts(ArtifactFilter(thread_id="the-thread"), page)

    return [
        *found,
        Listing("artifacts", artifacts, [f"art_{each}_0" for each in in_order("thread-")]),
        Listing("threads", lambda page: store.list_threads("other", page), sorted(NAMES)),
        Listing("dms", store.list_dms, sorted([*NAMES, "the-dm"])),
        Listing("rooms", store.list_rooms, sorted([*NAMES, "general", "other", "the-room"])),
        Listing("agents", store.list_agents, sorted(NAMES)),
        Listing("members", store.list_members, sorted(NAMES)),
    ]


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
