"""``snapshot`` and ``scan``: all that is stored, in order, as of one moment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moltnet_conformance.building import agent, at, dm, everything, fill, message, records, room, thread
from moltnet_conformance.clause import Group
from moltnet_core import (
    LOAD_ORDER,
    InvalidCursorError,
    Part,
    Record,
    RecordKind,
    Store,
    StoreClosedError,
    ValidationError,
)

clause = Group("records")


@clause("SCAN-001", "4.36", "4.37")
def everything_stored_is_scanned(store: Store) -> None:
    fill(store)
    found = records(store)
    assert [(record.kind, record.id) for record in found] == [
        ("room", "general"),
        ("room", "gone"),
        ("room", "other"),
        ("agent", "ann"),
        ("agent", "bob"),
        ("thread", "t1"),
        ("dm", "d1"),
        ("message", "m1"),
        ("message", "m2"),
        ("message", "m3"),
        ("message", "t1m1"),
        ("message", "d1m1"),
    ]
    by_id: dict[str, Any] = {record.id: record.value for record in found if record.id not in ("gone", "bob")}
    assert by_id["general"] == store.get_room("general")
    assert by_id["ann"] == store.get_agent("ann")  # its credential too
    assert by_id["t1"] == store.get_thread("t1")
    assert by_id["d1"] == store.get_dm("d1")
    assert by_id["m2"] == store.get_message("m2")


@clause("SCAN-002", "4.36")
def a_removed_room_is_scanned_with_the_time_of_its_removal(store: Store) -> None:
    fill(store)
    general, gone = records(store)[:2]
    assert set(general.times) == {"created_at"}
    assert set(gone.times) == {"created_at", "removed_at"}
    assert gone.value == room("gone", name="gone", fqid="molt://net/rooms/gone")


@clause("SCAN-003", "4.38")
def times_are_texts_with_every_digit(store: Store) -> None:
    store.create_room(room("general", created_at=at(0, 1)))
    store.register_agent(agent("ann", created_at=at(1), updated_at=at(2, 500_000)))
    store.append_message(message("m1", thread("t1"), 3))
    store.append_message(message("m2", dm("d1"), 4))
    times = {record.id: dict(record.times) for record in records(store)}
    assert times == {
        "general": {"created_at": "2026-01-01T00:00:00.000001000Z"},
        "ann": {"created_at": "2026-01-01T00:00:01.000000000Z", "updated_at": "2026-01-01T00:00:02.500000000Z"},
        "t1": {"last_message_at": "2026-01-01T00:00:03.000000000Z"},
        "d1": {"last_message_at": "2026-01-01T00:00:04.000000000Z"},
        "m1": {"created_at": "2026-01-01T00:00:03.000000000Z"},
        "m2": {"created_at": "2026-01-01T00:00:04.000000000Z"},
    }


def many(store: Store) -> None:
    names = ["B", "a", "b", "10", "9", "a-b", "a_b", "A"]
    for number, name in enumerate(names):
        store.create_room(room(name))
        store.register_agent(agent(name))
        store.append_message(message(f"m{number}", thread(f"t{name}", name), second=number % 3))
        store.append_message(message(f"n{number}", dm(f"d{name}"), second=number % 2))


@clause("SCAN-004", "4.36", "4.37")
def scans_in_pieces_of_every_size(store: Store) -> None:
    many(store)
    with store.snapshot() as snapshot:
        for kind in LOAD_ORDER:
            whole = snapshot.scan(kind)
            key = (lambda each: (each.times["created_at"], each.id)) if kind == "message" else (lambda each: each.id)
            assert whole == sorted(whole, key=key)
            assert len(whole) == (16 if kind == "message" else 8)
            assert list(snapshot.records(kind)) == whole
            for limit in range(1, 18):
                pieces: list[Record] = []
                while piece := snapshot.scan(kind, pieces[-1].id if pieces else None, limit):
                    assert len(piece) == min(limit, len(whole) - len(pieces))
                    pieces += piece
                assert pieces == whole
        for each in snapshot.scan("message")[::-1]:  # cursors in no order
            place = [record.id for record in whole].index(each.id)
            assert snapshot.scan("message", each.id, 3) == whole[place + 1 : place + 4]


@clause("SCAN-005", "4.36", "5.4")
def scan_s_arguments(store: Store) -> None:
    fill(store)
    wrong: Any
    with store.snapshot() as snapshot:
        for wrong in (0, -1, 1.5, "5", True):
            with pytest.raises(ValidationError):
                snapshot.scan("room", limit=wrong)
        for wrong in ("rooms", "", None, 5):
            with pytest.raises(ValidationError):
                snapshot.scan(wrong)
        wrong = "ignore"
        with pytest.raises(ValidationError):
            snapshot.scan("room", on_corrupt=wrong)
        with pytest.raises(InvalidCursorError):
            snapshot.scan("message", after="nothing")
        assert [record.id for record in snapshot.scan("room", after="h")] == ["other"]


@clause("SCAN-006", "4.36")
def a_snapshot_does_not_see_later_writes(store: Store) -> None:
    fill(store)
    with store.snapshot() as snapshot, store.snapshot() as read_later:
        before = {kind: snapshot.scan(kind) for kind in LOAD_ORDER}
        store.append_message(message("new", second=0))
        store.append_message(message("new-t", thread("t1"), 50))
        store.append_message(message("new-d", dm("d1", "eve", "bob"), 50))
        store.create_room(room("a-room"))
        store.reconcile_room(room("general", name="Renamed", members=["eve"]))
        store.remove_room("other")
        store.register_agent(agent("a-agent"))
        store.reconcile_agent(agent("ann", "token:new", display_name="Renamed"))
        store.remove_agent("bob")
        assert {kind: snapshot.scan(kind) for kind in LOAD_ORDER} == before
        assert {kind: read_later.scan(kind) for kind in LOAD_ORDER} == before
    with store.snapshot() as snapshot:
        assert {kind: snapshot.scan(kind) for kind in LOAD_ORDER} != before
        assert "new" in [record.id for record in snapshot.scan("message")]


@clause("SCAN-007", "4.36")
def a_snapshot_ends_with_its_block_whatever_happens_there(store: Store) -> None:
    fill(store)
    for _ in range(30):
        with pytest.raises(ValidationError), store.snapshot() as snapshot:
            snapshot.scan(str(snapshot.scan("room", limit=1)))
    store.append_message(message("after"))
    assert "after" in [record.id for record in records(store)]


@clause("SCAN-008", "4.31", "4.36")
def a_snapshot_of_a_closed_store(store: Store) -> None:
    fill(store)
    with store.snapshot() as snapshot:
        store.close()
        with pytest.raises(StoreClosedError):
            snapshot.scan("room")
    with pytest.raises(StoreClosedError), store.snapshot():
        pass


@clause("SCAN-009", "4.36", "1.15")
def records_go_through_json(store: Store) -> None:
    fill(store)
    for record in records(store):
        text = json.dumps(record.to_json(with_credentials=True))
        assert Record.from_json(json.loads(text)) == record
        if record.kind is RecordKind.AGENT:
            without = record.to_json()
            assert "credential_key" not in without
            read: Any = Record.from_json(without).value
            assert read.credential_key == ""


@clause("SCAN-010", "1.1", "4.36")
def scanned_records_do_not_alias_what_is_stored(store: Store) -> None:
    store.append_message(message("m1", dm(), parts=[Part("data", data={"k": [1]})]))
    before = everything(store)
    for record in records(store):
        if record.kind is RecordKind.MESSAGE:
            value: Any = record.value
            value.parts[0].data["k"].append(2)
    assert everything(store) == before
