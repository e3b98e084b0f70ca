"""What the memory backend is made of: a sorted index, and tables whose writes are planned before they are applied."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moltnet_core import START, Actor, Message, Part, Room, RoomNotFoundError, Target
from moltnet_core.derivation import derive
from moltnet_memory import MemoryDriver, Tables
from moltnet_memory.index import Index

keys = st.integers(0, 30)
limits = st.integers(1, 5)


@given(st.lists(st.tuples(st.booleans(), keys)), keys, limits)
def test_an_index_is_a_sorted_set_of_keys(steps: list[tuple[bool, int]], cursor: int, limit: int) -> None:
    index, model = Index(), set[int]()
    for add, key in steps:
        if add and key not in model:
            index.add(key)
            model.add(key)
        elif not add:
            index.discard(key)
            model.discard(key)
    ordered = sorted(model)
    assert len(index) == len(ordered)
    assert index.window(None, START, limit) == ordered[:limit]
    assert index.window(None, None, limit) == ordered[-limit:]
    assert index.window(cursor, None, limit) == [key for key in ordered if key < cursor][-limit:]
    assert index.window(None, cursor, limit) == [key for key in ordered if key > cursor][:limit]
    copied = index.copy()
    index.add(99)
    assert copied.window(None, START, 1000) == ordered


def new_message(room_id: str = "general") -> Message:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(
        "net", Target.room(room_id), Actor("agent", "ann"), [Part("file")], id=f"m-{room_id}", created_at=moment
    )


def test_planning_changes_nothing_and_applying_does() -> None:
    """So that a backend which keeps a file can make it durable between the two."""
    tables = Tables()
    tables.apply(tables.plan_create_room(Room("general", "net", members=("ann",))))
    before = tables.counts()
    changes, appended = tables.plan_append([derive(new_message())], retry=False)
    assert len(appended) == 1
    assert tables.counts() == before
    with pytest.raises(RoomNotFoundError):
        tables.plan_append([derive(new_message()), derive(new_message("nowhere"))], retry=False)
    assert tables.counts() == before
    tables.apply(changes)
    assert (tables.counts().messages, tables.counts().artifacts) == (1, 1)


def test_a_driver_over_given_tables_reads_and_writes_them() -> None:
    tables = Tables()
    driver = MemoryDriver(tables)
    driver.create_room(Room("general", "net"))
    assert tables.counts() == driver.counts()
    assert tables.counts().rooms == 1
