"""Walks over whole listings; what a listing is, is judged by the clauses."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.backends import BACKENDS, LOCATIONS

from moltnet_conformance.building import agent, dm, message, room, thread
from moltnet_core import (
    ArtifactFilter,
    CorruptRecordError,
    InvalidCursorError,
    Page,
    PageRequest,
    Part,
    Store,
    StoreClosedError,
    ValidationError,
    open_store,
)
from moltnet_core.walks import walk

FILE = Part("file", filename="f")


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store(LOCATIONS[getattr(request, "param", "memory")](tmp_path / "store"), environ={}) as opened:
        yield opened


def fill(store: Store) -> None:
    """Seven of each: messages that share instants, and more of everything beside."""
    for number in range(7):
        store.create_room(room(f"r{number}", members=[f"m{number}"]))
        store.register_agent(agent(f"a{number}"))
    for number in range(7):
        store.append_message(message(f"x{number}", "r0", number % 2, parts=[FILE]))
        store.append_message(message(f"y{number}", thread("t0", "r0"), number % 2))
        store.append_message(message(f"z{number}", dm("d0"), number % 2))
    for number in range(1, 7):
        store.append_message(message(f"ty{number}", thread(f"t{number}", "r0"), 3))
        store.append_message(message(f"dz{number}", dm(f"d{number}"), 3))


EVENS_FIRST = [0, 2, 4, 6, 1, 3, 5]
WALKS: dict[str, tuple[Callable[..., Iterator[Any]], list[str]]] = {
    "rooms": (lambda store, **how: store.rooms(**how), [f"r{number}" for number in range(7)]),
    "room_messages": (lambda store, **how: store.room_messages("r0", **how), [f"x{number}" for number in EVENS_FIRST]),
    "thread_messages": (
        lambda store, **how: store.thread_messages("t0", **how),
        [f"y{number}" for number in EVENS_FIRST],
    ),
    "dm_messages": (lambda store, **how: store.dm_messages("d0", **how), [f"z{number}" for number in EVENS_FIRST]),
    "threads": (lambda store, **how: store.threads("r0", **how), [f"t{number}" for number in range(7)]),
    "dms": (lambda store, **how: store.dms(**how), [f"d{number}" for number in range(7)]),
    "artifacts": (
        lambda store, **how: store.artifacts(ArtifactFilter(room_id="r0"), **how),
        [f"art_x{number}_0" for number in EVENS_FIRST],
    ),
    "agents": (lambda store, **how: store.agents(**how), [f"a{number}" for number in range(7)]),
    "members": (lambda store, **how: store.members(**how), [f"m{number}" for number in range(7)]),
}


def ids(items: Iterator[Any]) -> list[str]:
    return [getattr(item, "id", None) or item.agent_id for item in items]


@pytest.mark.parametrize("store", BACKENDS, indirect=True)
def test_every_listing_is_walked_in_both_directions(store: Store) -> None:
    fill(store)
    for name, (walked, order) in WALKS.items():
        for size in (1, 2, 7, 1000):
            assert ids(walked(store, page_size=size)) == order, name
            assert ids(walked(store, page_size=size, reverse=True)) == order[::-1], name
        for place, each in enumerate(order):
            assert ids(walked(store, page_size=2, cursor=each)) == order[place + 1 :], name
            assert ids(walked(store, page_size=2, cursor=each, reverse=True)) == order[:place][::-1], name


@pytest.mark.parametrize("store", BACKENDS, indirect=True)
@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_there_at_the_start_comes_once_whatever_others_do(store: Store, reverse: bool) -> None:
    fill(store)
    for name, (walked, order) in WALKS.items():
        if name not in ("rooms", "room_messages"):
            continue
        found = []
        for number, item in enumerate(walked(store, page_size=2, reverse=reverse)):
            found.append(item.id)
            if number > 6:
                continue
            for second in (0, 1, 9):
                store.append_message(message(f"{name}{number}-{second}", "r0", second))
            store.create_room(room(f"r{number}-{name}"))
        assert [each for each in found if each in order] == (order[::-1] if reverse else order)
        assert len(set(found)) == len(found)


def test_rooms_that_go_while_they_are_walked_over_take_nothing_along(store: Store) -> None:
    fill(store)
    found = []
    for each in store.rooms(page_size=2):
        found.append(each.id)
        store.remove_room(each.id)
    assert found == [f"r{number}" for number in range(7)]
    assert list(store.rooms()) == []


def test_an_unknown_conversation_has_nothing_to_walk_over(store: Store) -> None:
    assert list(store.room_messages("nowhere")) == []
    assert list(store.thread_messages("nowhere", reverse=True)) == []


@pytest.mark.parametrize("size", [0, 1001, "5", 1.0, True, None])
def test_a_wrong_page_size_is_refused_by_the_call(store: Store, size: Any) -> None:
    with pytest.raises(ValidationError, match="page_size"):
        store.rooms(page_size=size)


def test_other_errors_come_with_the_first_item(store: Store) -> None:
    fill(store)
    wrong: Any = "ignore"
    for walked in (store.rooms(on_corrupt=wrong), store.room_messages(wrong, cursor="y1"), store.threads(7)):  # type: ignore[arg-type]
        with pytest.raises((ValidationError, InvalidCursorError)):
            next(walked)
        assert list(walked) == []


def test_a_walk_over_a_store_that_is_closed_meanwhile_says_so(store: Store) -> None:
    fill(store)
    walked = store.rooms(page_size=2)
    next(walked)
    store.close()
    assert next(walked).id == "r1"  # of the page that was read
    with pytest.raises(StoreClosedError):
        next(walked)


def test_a_walk_holds_nothing_between_pages(tmp_path: Path) -> None:
    with open_store(LOCATIONS["postgres"](tmp_path) + "&pool_size=1", environ={}) as store:
        fill(store)
        walks = [store.room_messages("r0", page_size=1) for _ in range(5)]
        for _ in range(3):
            assert len({next(each).id for each in walks}) == 1
        store.append_message(message("beside", "r0"))


def test_an_unreadable_record_ends_the_walk_or_is_left_out(tmp_path: Path) -> None:
    import pysqlite3

    path = tmp_path / "store.db"
    with open_store(f"sqlite:///{path}", environ={}) as store:
        fill(store)
    connection = pysqlite3.connect(path)
    connection.execute("UPDATE messages SET parts_json = '{' WHERE id IN ('x4', 'x5')")
    connection.commit()
    connection.close()
    with open_store(f"sqlite:///{path}", environ={}) as store:
        for size in (1, 2, 3, 7):
            for reverse in (False, True):
                expected = ["x0", "x2", "x6", "x1", "x3"]
                found = ids(store.room_messages("r0", page_size=size, on_corrupt="skip", reverse=reverse))
                assert found == (expected[::-1] if reverse else expected)
        walked = store.room_messages("r0", page_size=2)
        assert [next(walked).id, next(walked).id] == ["x0", "x2"]
        with pytest.raises(CorruptRecordError) as caught:
            next(walked)
        assert caught.value.record_id == "x4"


def test_a_long_walk_keeps_one_page_in_memory() -> None:
    def fetch(request: PageRequest) -> Page[bytes]:
        from moltnet_core import PageInfo

        number = int(request.after) if isinstance(request.after, str) else 0
        last = number == 200
        return Page([bytes(100_000) for _ in range(10)], PageInfo(not last, None, None if last else str(number + 1)))

    tracemalloc.start()
    try:
        assert sum(1 for _ in walk(fetch)) == 2010  # 201 MB in all
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
