"""Records carry a store over whole: to memory, to a new file, with every stored digit of its times."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from moltnet_core import Record, Store, open_store

from . import raw
from .cases import CASES, Case, fresh, url_of
from .comparing import compare
from .expected import Expected, Json, order_key

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _records(store: Store) -> list[Record]:
    with store.snapshot() as snapshot:
        return list(snapshot.records())


def _written(records: list[Record]) -> list[Json]:
    """As JSON, with each time as the instant that it is: the digits stay, the spelling may change."""
    found = []
    for record in records:
        times = {name: order_key(text) for name, text in record.times.items()}
        found.append(record.to_json(with_credentials=True) | times)
    return found


def _settled(case: Case, expected: Expected) -> Expected:
    """What is expected where the conversations were built anew: then the last time is the latest message's.

    Of the edge fixture's ``dm-remote`` the server let it go backwards.
    """
    for dm in expected.dms if case.name == "edge" else ():
        times = [message["created_at"] for message in expected.messages["dm", dm["id"]]]
        assert dm["last_message_at"] != max(times)
        dm["last_message_at"] = max(times)
    return expected


@each_case
def test_a_scan_finds_everything_once_and_in_order(case: Case, tmp_path: Path) -> None:
    path = case.database(tmp_path)
    with open_store(url_of(path)) as store:
        records = _records(store)
    counted = Counter(str(record.kind) for record in records)
    tables = {"room": "rooms", "agent": "agents", "thread": "threads", "dm": "dm_conversations", "message": "messages"}
    assert counted == Counter(
        {kind: raw.rows(path, f"SELECT count(*) FROM {table}")[0][0] for kind, table in tables.items()}
    )
    for kind in tables:
        ids = [record.id for record in records if record.kind == kind]
        assert len(set(ids)) == len(ids)
        if kind != "message":
            assert ids == sorted(ids)
    messages = [(order_key(record.times["created_at"]), record.id) for record in records if record.kind == "message"]
    assert messages == sorted(messages)


@each_case
@pytest.mark.parametrize("limit", [1, 7, 499, 500, 501, 1000])
def test_a_scan_by_pages_is_the_same(case: Case, tmp_path: Path, limit: int) -> None:
    path = case.database(tmp_path)
    with open_store(url_of(path)) as store, store.snapshot() as snapshot:
        found: list[str] = []
        while True:
            page = snapshot.scan("message", found[-1] if found else None, limit)
            found += [record.id for record in page]
            if len(page) < limit:
                break
    stored = raw.rows(path, "SELECT created_at, id FROM messages")
    assert found == [key for _, key in sorted((order_key(time), key) for time, key in stored)]


@each_case
def test_the_times_of_records_are_those_stored(case: Case, tmp_path: Path) -> None:
    path = case.database(tmp_path)
    with open_store(url_of(path)) as store:
        records = _records(store)
    stored = dict(raw.rows(path, "SELECT id, created_at FROM messages"))
    assert {record.id: record.times["created_at"] for record in records if record.kind == "message"} == stored
    rooms = {record.id: record.times for record in records if record.kind == "room"}
    for key, created, removed in raw.rows(path, "SELECT id, created_at, deleted_at FROM rooms"):
        assert rooms[key] == {"created_at": created} | ({"removed_at": removed} if removed else {})
    assert any(len(time) > len("2026-01-01T00:00:00.000000Z") for time in stored.values())


@each_case
@pytest.mark.parametrize("target", ["memory", "sqlite"])
def test_records_that_are_loaded_elsewhere_read_the_same(case: Case, tmp_path: Path, target: str) -> None:
    with open_store(case.place(tmp_path / "own")) as source:
        records = _records(source)
        before = source.counts()
    expected = _settled(case, case.expected(tmp_path))
    last = {dm["id"]: order_key(dm["last_message_at"]) for dm in expected.dms}
    wanted = [
        entry | {"last_message_at": last[entry["id"]]} if entry["kind"] == "dm" else entry
        for entry in _written(records)
    ]
    with open_store("memory://" if target == "memory" else url_of(fresh(tmp_path / "new"))) as copy:
        result = copy.load(records)
        assert (result.loaded, result.unchanged, result.truncated) == (len(records), 0, 0)
        assert copy.counts() == before
        again = copy.load(records)
        assert (again.loaded, again.unchanged) == (0, len(records))
        assert _written(_records(copy)) == wanted
        assert compare(case.name, copy, expected).differences == []


@each_case
def test_records_pass_through_json(case: Case, tmp_path: Path) -> None:
    with open_store(case.place(tmp_path / "own")) as source:
        records = _records(source)
    again = [Record.from_json(json.loads(json.dumps(record.to_json(with_credentials=True)))) for record in records]
    assert _written(again) == _written(records)
    assert [record.times for record in again] == [record.times for record in records]
    with open_store(url_of(fresh(tmp_path / "new"))) as copy:
        copy.load(again)
        assert compare(case.name, copy, _settled(case, case.expected(tmp_path)), (100,)).differences == []
