"""Pages: order, cursors, ``has_more`` and the next cursors, walks while others write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.contract.building import agent, dm, ids, message, room, thread, walk

from moltnet_core import (
    START,
    ArtifactFilter,
    InvalidCursorError,
    Page,
    PageInfo,
    PageRequest,
    Part,
    Store,
    Target,
    ValidationError,
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
    return [name for _, name in sorted((number % 3, name) for number, name in enumerate(NAMES))]


def threads(store: Store) -> Read:
    store.create_room(room("general"))
    for name in NAMES:
        store.append_message(message(f"m-{name}", thread(name)))
    return lambda page: store.list_threads("general", page)


def dms(store: Store) -> Read:
    for name in NAMES:
        store.append_message(message(f"m-{name}", dm(name)))
    return store.list_dms


def rooms(store: Store) -> Read:
    for name in NAMES:
        store.create_room(room(name))
    return store.list_rooms


def agents(store: Store) -> Read:
    for name in NAMES:
        store.register_agent(agent(name))
    return store.list_agents


def members(store: Store) -> Read:
    store.create_room(room("general", members=NAMES[:10]))
    store.create_room(room("other", members=NAMES[5:]))
    return store.list_members


def artifacts(store: Store) -> Read:
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
    return ids(page), page.info


@every_listing
def test_every_cursor_with_every_limit(store: Store, name: str) -> None:
    read, order = listing(name, store)
    size = len(order)
    for limit in (*range(1, size + 2), 100, 1000):
        newest = expected(order, max(0, size - limit), size, forwards=False)
        assert seen(read(PageRequest(limit=limit))) == newest
        assert seen(read(PageRequest(after=START, limit=limit))) == expected(order, 0, min(size, limit), forwards=True)
        for index, cursor in enumerate(order):
            before = expected(order, max(0, index - limit), index, forwards=False)
            assert seen(read(PageRequest(before=cursor, limit=limit))) == before
            after = expected(order, index + 1, min(size, index + 1 + limit), forwards=True)
            assert seen(read(PageRequest(after=cursor, limit=limit))) == after


@every_listing
def test_walks_visit_everything_once(store: Store, name: str) -> None:
    read, order = listing(name, store)
    for limit in range(1, len(order) + 2):
        assert [item for page in walk(read, limit, forwards=True) for item in ids(page)] == order
        backwards = [ids(page) for page in walk(read, limit, forwards=False)]
        assert [item for page in reversed(backwards) for item in page] == order


@every_listing
def test_no_page_is_the_newest_hundred(store: Store, name: str) -> None:
    read, order = listing(name, store)
    assert seen(read(None)) == seen(read(PageRequest())) == (order, PageInfo())


@every_listing
def test_limits(store: Store, name: str) -> None:
    read, _ = listing(name, store)
    wrong: Any
    for wrong in (0, -1, 1001, 10**30, 1.0, "5", True):
        with pytest.raises(ValidationError) as caught:
            read(PageRequest(limit=wrong))
        assert caught.value.field == "page.limit"


@every_listing
def test_both_cursors(store: Store, name: str) -> None:
    read, order = listing(name, store)
    for page in (
        PageRequest(before=order[3], after=order[1]),
        PageRequest(before=order[3], after=START),
        PageRequest(before="nothing", after="nothing"),
    ):
        with pytest.raises(InvalidCursorError) as caught:
            read(page)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", BY_TIME)
def test_a_cursor_that_is_not_in_the_listing(store: Store, name: str) -> None:
    read, order = listing(name, store)
    of_others = [item for other in TARGETS for item in (f"other-{other}", f"art_other-{other}_0")]
    for cursor in ("nothing", *of_others, "general", "t1", "d1", "a b", "a\x00", "\ud800", "x" * 5000):
        for page in (PageRequest(before=cursor), PageRequest(after=cursor), PageRequest(after=cursor, limit=1)):
            with pytest.raises(InvalidCursorError):
                read(page)
    assert ids(read(None)) == order


@pytest.mark.parametrize("name", BY_ID)
def test_by_id_a_cursor_is_a_position(store: Store, name: str) -> None:
    read, order = listing(name, store)
    for position in ("0", "A:", "a/", "a~", "b!", "zz", "ä", "nothing"):
        index = sum(each < position for each in order)
        for limit in (1, 3, 100):
            before = expected(order, max(0, index - limit), index, forwards=False)
            assert seen(read(PageRequest(before=position, limit=limit))) == before
            after = expected(order, index, min(len(order), index + limit), forwards=True)
            assert seen(read(PageRequest(after=position, limit=limit))) == after


def test_a_cursor_whose_room_or_agent_has_gone_still_works(store: Store) -> None:
    for name in "abcde":
        store.create_room(room(name, members=[f"m{name}"]))
        store.register_agent(agent(name))
    store.remove_room("c")
    store.remove_agent("c")
    for read in (store.list_rooms, store.list_agents):
        assert seen(read(PageRequest(before="c", limit=1))) == (["b"], PageInfo(True, "b", "b"))
        assert seen(read(PageRequest(after="c", limit=1))) == (["d"], PageInfo(True, "d", "d"))
        assert seen(read(PageRequest(before="c"))) == (["a", "b"], PageInfo(False, None, "b"))
    assert ids(store.list_members(PageRequest(after="mc"))) == ["md", "me"]
    for name in "de":
        store.remove_room(name)
        store.remove_agent(name)
    for read in (store.list_rooms, store.list_agents):
        assert seen(read(PageRequest(before="e"))) == (["a", "b"], PageInfo())
        assert seen(read(PageRequest(after="b"))) == ([], PageInfo())
        assert seen(read(PageRequest(before="a"))) == ([], PageInfo())


def test_an_unknown_conversation_is_an_empty_page(store: Store) -> None:
    for read in (store.list_room_messages, store.list_thread_messages, store.list_dm_messages):
        assert read("nothing") == read("nothing", PageRequest(after=START, limit=1)) == Page(())
        for page in (PageRequest(before="m1"), PageRequest(after="m1")):
            with pytest.raises(InvalidCursorError):
                read("nothing", page)
    for position in (None, PageRequest(after="x"), PageRequest(before="x")):
        assert store.list_threads("nothing", position) == Page(())
    for empty in (store.list_rooms, store.list_dms, store.list_agents, store.list_members):
        assert empty() == Page(())
    assert store.list_artifacts() == Page(())


def test_start_is_only_for_after(store: Store) -> None:
    start: Any = START
    with pytest.raises(InvalidCursorError):
        store.list_rooms(PageRequest(before=start))


# -- walks while others write ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["room", "thread", "dm"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("forwards", [True, False])
def test_appends_during_a_walk(store: Store, name: str, limit: int, forwards: bool) -> None:
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


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("forwards", [True, False])
@pytest.mark.parametrize("name", ["rooms", "agents", "members"])
def test_removals_and_creations_during_a_walk(store: Store, name: str, limit: int, forwards: bool) -> None:
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


def test_messages_and_artifacts_of_a_removed_room_during_a_walk(store: Store) -> None:
    read, order = listing("room", store)
    found = []
    for page in walk(read, 3, forwards=True):
        found += ids(page)
        if store.get_room("general") is not None:
            store.remove_room("general")
    assert found == order
