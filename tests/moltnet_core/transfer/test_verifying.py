"""Verifying: equal stores are equal, and where they differ it says where."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import agent, at, fill, message, records, room
from moltnet_core import (
    CancelledError,
    CorruptRecordError,
    Difference,
    Part,
    Progress,
    RecordKind,
    Store,
    ValidationError,
    copy_store,
    open_store,
    store_digest,
    verify_stores,
)

from .stores import coarse, holding, message_record, room_record, with_messages


@pytest.fixture
def one() -> Store:
    store = open_store("memory://")
    fill(store)
    return store


@pytest.fixture
def other(one: Store) -> Store:
    store = open_store("memory://")
    copy_store(one, store)
    return store


def test_equal_stores(one: Store, other: Store) -> None:
    found = verify_stores(one, other)
    assert found.equal
    assert (found.differing, found.differences, found.derived) == (0, (), ())
    assert found.first == found.second == store_digest(one)


def test_what_only_one_has(one: Store, other: Store) -> None:
    one.append_message(message("a", second=0))
    other.create_room(room("zoo"))
    other.append_message(message("z", "zoo", second=99))
    found = verify_stores(one, other)
    assert not found.equal
    assert found.differences == (
        Difference(RecordKind.ROOM, "zoo", "second"),
        Difference(RecordKind.MESSAGE, "a", "first"),
        Difference(RecordKind.MESSAGE, "z", "second"),
    )
    assert found.differing == 3


def test_the_fields_in_which_a_record_differs(one: Store, other: Store) -> None:
    one.reconcile_room(room("general", name="Named", members=["ann", "net2:zoe"], visibility="public"))
    one.reconcile_agent(agent("bob", "agent-token:3", updated_at=at(0)))
    parts = [Part("text", "same"), Part("data", data={"deep": [1, {"x": 1.0}], "same": True})]
    one.append_message(message("m", second=30, parts=parts))
    parts = [Part("text", "same"), Part("data", data={"deep": [1, {"x": 1}], "same": True})]
    other.append_message(message("m", second=30, parts=parts))
    found = verify_stores(one, other)
    assert found.differences == (
        Difference(RecordKind.ROOM, "general", None, ("name",)),
        Difference(RecordKind.AGENT, "bob", None, ("credential_key",)),
        Difference(RecordKind.MESSAGE, "m", None, ("parts[1].data.deep[1].x",)),
    )
    assert "agent-token" not in repr(found)


def test_a_message_of_another_time_is_one_difference(one: Store, other: Store) -> None:
    one.append_message(message("m", second=30))
    other.append_message(message("m", second=31))
    (difference,) = verify_stores(one, other).differences
    assert difference == Difference(RecordKind.MESSAGE, "m", None, ("created_at",))


def test_only_the_first_differences_are_named() -> None:
    with with_messages(300) as one, open_store("memory://") as other:
        found = verify_stores(one, other, limit=7)
    assert (found.differing, len(found.differences)) == (301, 7)


def test_digits_that_one_of_them_does_not_keep_do_not_count() -> None:
    with open_store("memory://") as fine, coarse() as rough:
        fine.load([room_record(), message_record("m", "2026-01-01T00:00:00.123456789Z")])
        copy_store(fine, rough)
        found = verify_stores(fine, rough)
        assert found.equal
        assert found.first.time_digits == 6
        assert store_digest(fine, time_digits=6) == store_digest(rough)
        assert store_digest(fine) != store_digest(rough)


def test_what_follows_from_messages_is_compared_apart(one: Store, other: Store) -> None:
    rows = dict(other.driver._tables.rows)  # type: ignore[attr-defined]
    import attrs

    held = {(kind, key): row for kind, found in rows.items() for key, row in found.items()}
    place = (RecordKind.THREAD, "t1")
    held[place] = attrs.evolve(held[place], thread=attrs.evolve(held[place].thread, message_count=7))
    found = verify_stores(one, holding(held))
    assert found.equal
    assert (found.derived, found.derived_differing) == (
        (Difference(RecordKind.THREAD, "t1", None, ("message_count", "last_message_at")),),
        1,
    )


def test_records_that_cannot_be_read(one: Store) -> None:
    from moltnet_memory import CorruptRow

    broken = holding({(RecordKind.ROOM, "r"): CorruptRow("rooms", "r", "it is broken", None, "2026-01-01T00:00:00Z")})
    with pytest.raises(CorruptRecordError):
        verify_stores(one, broken)
    with pytest.raises(CorruptRecordError):
        store_digest(broken)
    found = verify_stores(one, broken, on_corrupt="skip")
    assert (found.differing, found.skipped) == (len(records(one)), (0, 1))
    assert store_digest(broken, on_corrupt="skip").count == 0
    with pytest.raises(ValidationError):
        verify_stores(one, broken, on_corrupt="ignore")  # type: ignore[arg-type]


def test_progress_and_cancellation(one: Store, other: Store) -> None:
    told: list[Progress] = []
    verify_stores(one, other, on_progress=told.append)
    assert told[-1].done == told[-1].total == 2 * len(records(one))
    store_digest(one, on_progress=told.append)
    assert (told[-1].phase, told[-1].done) == ("digest", len(records(one)))
    with pytest.raises(CancelledError):
        verify_stores(one, other, cancelled=lambda: True)
