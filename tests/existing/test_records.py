"""Records carry a store over whole: to memory, to a new store, with every stored digit of its times."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from moltnet_core import LOAD_ORDER, Record, Store, open_store

from .case import Case
from .cases import CASES, NEW_STORES
from .comparing import SIZES, compare
from .expected import Json, coarser, cut, order_key, readable, settled

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _records(store: Store, case: Case) -> list[Record]:
    with store.snapshot() as snapshot:
        return list(snapshot.records(on_corrupt=case.on_corrupt))


def _written(records: list[Record], keep: Callable[[str], str] = str) -> list[Json]:
    """As JSON, with each time as the instant that it is: the digits stay, the spelling may change.

    :param keep: what a store that keeps fewer digits makes of a time.
    """
    found = []
    for record in records:
        times = {name: order_key(keep(text)) for name, text in record.times.items()}
        found.append(record.to_json(with_credentials=True) | times)
    place = {kind: index for index, kind in enumerate(LOAD_ORDER)}
    return sorted(
        found,
        key=lambda item: (
            place[item["kind"]],
            *((item["created_at"], item["id"]) if item["kind"] == "message" else ()),
        ),
    )


@each_case
def test_a_scan_finds_everything_once_and_in_order(case: Case, tmp_path: Path) -> None:
    with open_store(case.place(tmp_path / "own")) as store:
        records = _records(store, case)
    counted = Counter(str(record.kind) for record in records)
    counted["message"] += len(case.expected(tmp_path).unreadable)
    assert counted == Counter(case.beneath(tmp_path / "beneath").counts)
    for kind in LOAD_ORDER:
        ids = [record.id for record in records if record.kind == kind]
        assert len(set(ids)) == len(ids)
        if kind != "message":
            assert ids == sorted(ids)
    messages = [(order_key(record.times["created_at"]), record.id) for record in records if record.kind == "message"]
    assert messages == sorted(messages)


@each_case
def test_a_scan_by_pages_is_the_same(case: Case, tmp_path: Path) -> None:
    scans = {}
    with open_store(case.place(tmp_path / "own")) as store:
        for limit in (1, 7, 499, 500, 501, 1000):
            found: list[str] = []
            with store.snapshot() as snapshot:
                while True:
                    page = snapshot.scan("message", found[-1] if found else None, limit, on_corrupt=case.on_corrupt)
                    found += [record.id for record in page]
                    if len(page) < limit:
                        break
            scans[limit] = found
    unreadable = case.expected(tmp_path).unreadable
    stored = [item for item in case.beneath(tmp_path / "beneath").messages if item["id"] not in unreadable]
    ids = [key for _, key in sorted((order_key(item["created_at"]), item["id"]) for item in stored)]
    assert scans == dict.fromkeys(scans, ids)


@each_case
def test_the_times_of_records_are_those_stored(case: Case, tmp_path: Path) -> None:
    with open_store(case.place(tmp_path / "own")) as store:
        records = _records(store, case)
    beneath, unreadable = case.beneath(tmp_path / "beneath"), case.expected(tmp_path).unreadable
    stored = {item["id"]: item["created_at"] for item in beneath.messages if item["id"] not in unreadable}
    assert {record.id: record.times["created_at"] for record in records if record.kind == "message"} == stored
    assert {record.id: record.times for record in records if record.kind == "room"} == beneath.rooms
    assert any(len(time) > len("2026-01-01T00:00:00.000000Z") for time in stored.values())


# Loading knows no version: into and out of a server it is shown with the newest.
@pytest.mark.parametrize(
    ("case", "target"),
    [
        pytest.param(case, target, id=f"{target}-{case.name}")
        for target in NEW_STORES
        for case in CASES
        if case.version == 8 or (target != "postgres" and case.time_digits == 9)
    ],
)
def test_records_that_are_loaded_elsewhere_read_the_same(case: Case, tmp_path: Path, target: str) -> None:
    with open_store(case.place(tmp_path / "own")) as source:
        records = _records(source, case)
        before = source.counts()
    expected = settled(readable(case.expected(tmp_path)))
    before = evolve(before, messages=expected.message_count)
    with open_store(NEW_STORES[target](tmp_path / "new")) as copy:
        keep: Callable[[str], str] = str
        if copy.backend.time_digits < 9:
            expected, keep = coarser(expected, cut), cut
        last = {dm["id"]: order_key(dm["last_message_at"]) for dm in expected.dms}
        wanted = [
            entry | {"last_message_at": last[entry["id"]]} if entry["kind"] == "dm" else entry
            for entry in _written(records, keep)
        ]
        longer = [
            record
            for record in records
            if record.kind not in ("thread", "dm")  # whose times are derived
            and any(order_key(time) != order_key(keep(time)) for time in record.times.values())
        ]
        result = copy.load(records)
        assert (result.loaded, result.unchanged, result.truncated) == (len(records), 0, len(longer))
        assert copy.counts() == before
        again = copy.load(records)
        assert (again.loaded, again.unchanged) == (0, len(records))
        assert _written(_records(copy, case)) == wanted
        # A page of one is a round trip to a server; they are walked where the server's own rows are read.
        sizes = SIZES[-1:] if "postgres" in (target, source.backend.name) else SIZES
        assert compare(case.name, copy, expected, sizes).differences == []


@each_case
def test_records_pass_through_json(case: Case, tmp_path: Path) -> None:
    with open_store(case.place(tmp_path / "own")) as source:
        records = _records(source, case)
    again = [Record.from_json(json.loads(json.dumps(record.to_json(with_credentials=True)))) for record in records]
    assert _written(again) == _written(records)
    assert [record.times for record in again] == [record.times for record in records]
    with open_store(NEW_STORES["sqlite"](tmp_path / "new")) as copy:
        copy.load(again)
        expected = settled(readable(case.expected(tmp_path)))
        assert compare(case.name, copy, expected, (100,)).differences == []
