"""Pages: order, cursors, ``has_more`` and the next cursors."""

from __future__ import annotations

from typing import Any

import pytest

from moltnet_conformance.building import agent, ids, room, walk
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_conformance.listings import BY_ID, BY_TIME, KINDS, every_listing, expected, seen
from moltnet_core import (
    START,
    InvalidCursorError,
    Page,
    PageInfo,
    PageRequest,
    Store,
    ValidationError,
)

clause = Group("paging")


@clause("PAGE-001", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.12")
def every_cursor_with_every_limit(store: Store) -> None:
    for listing in every_listing(store):
        with case(listing.name):
            read, order = listing.read, listing.order
            size = len(order)
            for limit in (*range(1, size + 2), 100, 1000):
                newest = expected(order, max(0, size - limit), size, forwards=False)
                assert seen(read(PageRequest(limit=limit))) == newest
                oldest = expected(order, 0, min(size, limit), forwards=True)
                assert seen(read(PageRequest(after=START, limit=limit))) == oldest
                for index, cursor in enumerate(order):
                    before = expected(order, max(0, index - limit), index, forwards=False)
                    assert seen(read(PageRequest(before=cursor, limit=limit))) == before
                    after = expected(order, index + 1, min(size, index + 1 + limit), forwards=True)
                    assert seen(read(PageRequest(after=cursor, limit=limit))) == after


@clause("PAGE-002", "3.13")
def walks_visit_everything_once(store: Store) -> None:
    for listing in every_listing(store):
        with case(listing.name):
            for limit in range(1, len(listing.order) + 2):
                forwards = walk(listing.read, limit, forwards=True)
                assert [item for page in forwards for item in ids(page)] == listing.order
                backwards = [ids(page) for page in walk(listing.read, limit, forwards=False)]
                assert [item for page in reversed(backwards) for item in page] == listing.order


@clause("PAGE-003", "3.4", "3.11")
def no_page_is_the_newest_hundred(store: Store) -> None:
    for listing in every_listing(store):
        with case(listing.name):
            assert seen(listing.read(None)) == seen(listing.read(PageRequest())) == (listing.order, PageInfo())


@clause("PAGE-004", "3.11", "5.4")
def limits(store: Store) -> None:
    wrong: Any
    for listing in every_listing(store):
        for wrong in (0, -1, 1001, 10**30, 1.0, "5", True):
            with case((listing.name, wrong)):
                with pytest.raises(ValidationError) as caught:
                    listing.read(PageRequest(limit=wrong))
                assert caught.value.field == "page.limit"


@clause("PAGE-005", "3.7")
def both_cursors(store: Store) -> None:
    for listing in every_listing(store):
        for page in (
            PageRequest(before=listing.order[3], after=listing.order[1]),
            PageRequest(before=listing.order[3], after=START),
            PageRequest(before="nothing", after="nothing"),
        ):
            with case((listing.name, page)):
                with pytest.raises(InvalidCursorError) as caught:
                    listing.read(page)
                assert isinstance(caught.value, ValueError)


@clause("PAGE-006", "3.8")
def a_cursor_that_is_not_in_the_listing(store: Store) -> None:
    chosen = [listing for listing in every_listing(store) if listing.name in BY_TIME]
    of_others = [f"{made}{kind}-a{end}" for made, end in (("", ""), ("art_", "_0")) for kind in KINDS]
    others = [*of_others, "in-a", "to-a", "the-room", "the-thread", "the-dm"]
    for listing in chosen:
        foreign = [each for each in others if each not in listing.order]
        assert len(foreign) == len(others) - 1
        for cursor in ("nothing", *foreign, "general", "a b", "a\x00", "\ud800", "x" * 5000):
            for page in (PageRequest(before=cursor), PageRequest(after=cursor), PageRequest(after=cursor, limit=1)):
                with case((listing.name, page)), pytest.raises(InvalidCursorError):
                    listing.read(page)
        assert ids(listing.read(None)) == listing.order


@clause("PAGE-007", "3.10")
def by_id_a_cursor_is_a_position(store: Store) -> None:
    for listing in every_listing(store):
        if listing.name not in BY_ID:
            continue
        read, order = listing.read, listing.order
        for position in ("0", "A:", "a/", "a~", "b!", "zz", "ä", "nothing"):
            index = sum(each < position for each in order)
            for limit in (1, 3, 100):
                with case((listing.name, position, limit)):
                    before = expected(order, max(0, index - limit), index, forwards=False)
                    assert seen(read(PageRequest(before=position, limit=limit))) == before
                    after = expected(order, index, min(len(order), index + limit), forwards=True)
                    assert seen(read(PageRequest(after=position, limit=limit))) == after


@clause("PAGE-008", "3.10")
def a_cursor_whose_room_or_agent_has_gone_still_works(store: Store) -> None:
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


@clause("PAGE-009", "3.15")
def an_unknown_conversation_is_an_empty_page(store: Store) -> None:
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


@clause("PAGE-010", "3.6")
def start_is_only_for_after(store: Store) -> None:
    start: Any = START
    with pytest.raises(InvalidCursorError):
        store.list_rooms(PageRequest(before=start))
