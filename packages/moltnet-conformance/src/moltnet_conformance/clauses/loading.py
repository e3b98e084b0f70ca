"""``load``: records go in whole, all or none."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from moltnet_conformance.building import agent, dm, everything, fill, ids, message, records, room, thread
from moltnet_conformance.cases import case, for_each
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_conformance.recording import NOW, dm_value, record, thread_value
from moltnet_core import (
    ArtifactFilter,
    LoadResult,
    RecordConflictError,
    RoomExistsError,
    RoomNotFoundError,
    Store,
    ValidationError,
)

clause = Group("records")


@clause("LOAD-001", "4.36")
def a_whole_store_is_copied_without_loss(place: Place) -> None:
    source, target = place.open(), place.open()
    fill(source)
    whole = records(source)
    assert target.load(iter(whole)) == LoadResult(loaded=len(whole))
    assert everything(target) == everything(source)
    assert target.list_room_messages("general") == source.list_room_messages("general")
    assert target.list_artifacts(ArtifactFilter(room_id="gone")).items != ()
    assert target.get_agent_by_credential("token:1") == source.get_agent("ann")
    assert target.get_room("gone") is None
    with pytest.raises(RoomExistsError):
        target.create_room(room("gone"))
    with pytest.raises(RoomNotFoundError):
        target.append_message(message("x", "gone"))


@clause("LOAD-002", "4.40")
def loading_again_changes_nothing(place: Place) -> None:
    source, target = place.open(), place.open()
    fill(source)
    whole = records(source)
    target.load(whole[:5])
    assert target.load(whole) == LoadResult(loaded=len(whole) - 5, unchanged=5)
    before = everything(target)
    assert target.load(whole) == LoadResult(unchanged=len(whole))
    assert target.load([*whole, *whole]) == LoadResult(unchanged=2 * len(whole))
    assert target.load([]) == LoadResult()
    assert everything(target) == before
    empty = place.open()
    assert empty.load([*whole[:7], *whole]) == LoadResult(loaded=len(whole), unchanged=7)
    assert everything(empty) == everything(source)


CHANGES: dict[str, dict[str, Any]] = {
    "general": {"name": "Another"},
    "ann": {"credential_key": "token:other"},
    "bob": {"display_name": "Bob"},
    "t1": {"parent_message_id": "m2"},
    "d1": {"participant_ids": ("ann", "bob", "cid")},
    "m1": {"mentions": ()},
}


@clause("LOAD-003", "4.40", "5.6", "5.13")
def a_different_record_is_a_conflict_and_nothing_is_loaded(place: Place) -> None:
    source, target = place.open(), place.open()
    fill(source)
    whole = records(source)
    target.load(whole)
    before = everything(target)
    new = record("room", room("a-new-room"))
    for record_id, change in CHANGES.items():
        changed = [
            attrs.evolve(each, value=attrs.evolve(each.value, **change)) if each.id == record_id else each
            for each in whole
        ]
        with case(record_id):
            with pytest.raises(RecordConflictError) as caught:
                target.load([new, *changed])
            assert caught.value.committed is False
            assert caught.value.__dict__["record_id"] == record_id
            assert caught.value.__dict__["kind"] == next(each.kind for each in whole if each.id == record_id)
            assert "token" not in str(caught.value)
            assert everything(target) == before


@clause("LOAD-004", "4.40", "2.9")
@for_each([("room", "created_at"), ("room", "removed_at"), ("agent", "updated_at"), ("message", "created_at")])
def another_time_is_a_conflict_and_another_spelling_is_not(store: Store, timed: tuple[str, str]) -> None:
    kind, name = timed
    value: Any = {"room": room(name), "agent": agent(), "message": message("m1", dm())}[kind]
    conversation = record("dm", dm_value())
    store.load([conversation, record(kind, value, **{name: "2026-01-01T00:00:05.120000000Z"})])
    for same in ("2026-01-01T00:00:05.12Z", "2026-01-01T01:00:05.12+01:00"):
        assert store.load([record(kind, value, **{name: same})]).unchanged == 1
    before = everything(store)
    with pytest.raises(RecordConflictError):
        store.load([record(kind, value, **{name: "2026-01-01T00:00:05.121Z"})])
    if name == "removed_at":
        with pytest.raises(RecordConflictError):
            store.load([record(kind, value)])
    assert everything(store) == before


@clause("LOAD-005", "4.40", "5.13")
def what_a_record_names_has_to_be_there(store: Store) -> None:
    fill(store)
    before = everything(store)
    missing = {
        "room": record("message", message("m9", "nowhere")),
        "thread": record("message", message("m9", thread("nowhere", "other"))),
        "dm": record("message", message("m9", dm("nowhere"))),
        "thread's room": record("thread", thread_value("t9", "nowhere")),
    }
    for name, each in missing.items():
        for others in ([], [record("room", room("new"))]):
            with case(name):
                with pytest.raises(ValidationError) as caught:
                    store.load([*others, each])
                assert caught.value.committed is False
                assert everything(store) == before


@clause("LOAD-006", "4.36")
def history_of_a_removed_room_is_loaded(store: Store) -> None:
    store.load(
        [
            record("room", room("gone"), removed_at=NOW),
            record("thread", thread_value("t1", "gone")),
            record("message", message("m1", "gone")),
            record("message", message("m2", thread("t1", "gone"))),
        ]
    )
    assert ids(store.list_room_messages("gone")) == ["m1"]
    assert ids(store.list_thread_messages("t1")) == ["m2"]
    assert store.get_room("gone") is None


@clause("LOAD-007", "4.6", "4.36")
def members_of_a_removed_room_are_no_members(store: Store) -> None:
    """A record may name some all the same; a removal by this library leaves none."""
    store.load([record("room", room("gone", members=["ann", "bob"]), removed_at=NOW)])
    assert store.list_members().items == ()
    assert store.get_member("ann") is None
    assert store.counts().members == 0
    store.create_room(room("general", members=["ann"]))
    found = store.get_member("ann")
    assert found is not None
    assert found.rooms == ("general",)
