"""Every fault is found, exactly, and gone after its repair, which changes nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.checking.faults import IN_JSON, IN_SQL, JSONFault, SQLFault
from tests.checking.places import SQL, JSONPlace, Place, PostgresPlace, SQLitePlace, make

from moltnet_core import (
    CheckReport,
    ReadOnlyStoreError,
    UnsupportedCapabilityError,
    ValidationError,
    check_location,
    check_store,
    open_store,
    repair_store,
)
from moltnet_core.checking import FAULTS

_SQL_PLACES: dict[str, Callable[[Path], SQL]] = {"sqlite": SQLitePlace, "postgres": lambda folder: PostgresPlace()}
_IN_SQL = [
    pytest.param(fault, name, id=f"{name}-{fault.name}")
    for name in _SQL_PLACES
    for fault in IN_SQL
    if fault.only in (None, name)
]


def _found(report: CheckReport) -> dict[tuple[str, str], list[str]]:
    return {(found.code, found.kind): sorted(item.id for item in found.items) for found in report.findings}


def _check(place: Place) -> dict[tuple[str, str], list[str]]:
    found = _found(check_location(place.url, environ={}))
    found.pop(("write-ahead-log", "file"), None)
    if isinstance(place, PostgresPlace) and place.dropped:
        assert found.pop(("foreign-key-missing", "schema")) == sorted(place.dropped)
    return found


def _sorted(expected: dict[tuple[str, str], list[str]]) -> dict[tuple[str, str], list[str]]:
    return {key: sorted(ids) for key, ids in expected.items()}


def _expect_repaired(place: Place, expected: dict[tuple[str, str], list[str]], folder: Path) -> None:
    codes = {code for code, _ in expected if FAULTS[code].repairable}
    backup: Any = {"backup": None} if isinstance(place, PostgresPlace) else {}
    if not codes:
        return
    with open_store(place.url, environ={}) as store:
        plan = repair_store(store, codes, dry_run=True)
        planned = {(change.code, change.id) for change in plan.changes}
        done = repair_store(store, codes, folder=folder, **backup)
        assert planned <= {(change.code, change.id) for change in done.changes}
        assert {change.code for change in done.changes} == codes
        assert (done.backup is not None) == (not backup)
        again = repair_store(store, codes, folder=folder, **backup)
        assert (again.changes, again.backup, again.moved) == ((), None, None)
    left = _check(place)
    heals = {"undecodable-conversation"} if codes & {"counter-drift", "last-message-drift"} else set()
    assert left == {key: ids for key, ids in _sorted(expected).items() if key[0] not in codes | heals}
    took = "moved" in {change.after for change in done.changes}
    assert took == (done.moved is not None)
    if done.moved is not None:
        assert done.moved.stat().st_mode & 0o777 == 0o600
        lines = [json.loads(line) for line in done.moved.read_text().splitlines()]
        assert len(lines) == len([change for change in done.changes if change.after == "moved"])


@pytest.mark.parametrize(("fault", "backend"), _IN_SQL)
def test_a_fault_in_a_database(fault: SQLFault, backend: str, tmp_path: Path) -> None:
    place = _SQL_PLACES[backend](tmp_path)
    make(place)
    assert _check(place) == {}
    place.execute(*fault.statements)
    assert _check(place) == _sorted(fault.expected)
    (tmp_path / "kept").mkdir()
    _expect_repaired(place, fault.expected, tmp_path / "kept")


@pytest.mark.parametrize("fault", IN_JSON, ids=lambda fault: fault.name)
def test_a_fault_in_a_snapshot(fault: JSONFault, tmp_path: Path) -> None:
    place = JSONPlace(tmp_path)
    make(place)
    assert _check(place) == {}
    place.edit(fault.change)
    assert _check(place) == _sorted(fault.expected)
    (tmp_path / "kept").mkdir()
    _expect_repaired(place, fault.expected, tmp_path / "kept")


@pytest.fixture(params=["sqlite", "json", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    found = JSONPlace(tmp_path) if request.param == "json" else _SQL_PLACES[request.param](tmp_path)
    make(found)
    return found


def test_a_sound_store_is_untouched(place: Place, tmp_path: Path) -> None:
    before = place.stored()
    with open_store(place.url, environ={}) as store:
        possible = {code for code, fault in FAULTS.items() if fault.repairable}
        codes = possible & store.driver.repairs  # type: ignore[attr-defined]  # of SupportsRepair
        assert repair_store(store, codes).changes == ()
    assert place.stored() == before
    assert sorted(path.name for path in tmp_path.iterdir() if "backup" in path.name or "moved" in path.name) == []


def test_a_dry_run_changes_nothing(place: Place) -> None:
    _spoil(place)
    before = place.stored()
    with open_store(place.url, environ={}, read_only=True) as store:
        plan = repair_store(store, ["counter-drift"], dry_run=True)
        assert [(change.id, change.before, change.after) for change in plan.changes] == [("t1", "7", "2")]
        assert plan.dry_run
        with pytest.raises(ReadOnlyStoreError):
            repair_store(store, ["counter-drift"])
    assert place.stored() == before


def _spoil(place: Place) -> None:
    if isinstance(place, SQL):
        place.execute("UPDATE threads SET message_count = 7")
    elif isinstance(place, JSONPlace):
        place.edit(lambda content: content["threads"]["t1"].update(message_count=7))


@pytest.mark.parametrize("code", ["orphan", "thread-rooms", "no-such-code"])
def test_what_is_not_repaired_is_refused_with_a_reason(place: Place, code: str) -> None:
    with open_store(place.url, environ={}) as store, pytest.raises(ValidationError) as refused:
        repair_store(store, ["counter-drift", code])
    assert code in str(refused.value)


def test_a_server_needs_a_backup_of_ones_own() -> None:
    place = PostgresPlace()
    make(place)
    _spoil(place)
    before = place.stored()
    with open_store(place.url, environ={}) as store, pytest.raises(ValidationError, match="pg_dump"):
        repair_store(store, ["counter-drift"])
    assert place.stored() == before


def test_a_backend_that_repairs_nothing_says_so() -> None:
    with open_store("memory://", environ={}) as store:
        assert check_store(store).findings == ()
        with pytest.raises(UnsupportedCapabilityError):
            repair_store(store, ["counter-drift"])


def test_the_backup_is_the_store_as_it_was(tmp_path: Path) -> None:
    place = SQLitePlace(tmp_path)
    make(place)
    place.execute("DELETE FROM dm_participants WHERE participant_id = 'bob'")
    with open_store(place.url, environ={}) as store:
        done = repair_store(store, ["participant-missing"])
    assert done.backup is not None
    copy = next(done.backup.glob("*.db"))
    with open_store(f"sqlite:///{copy}", environ={}) as store:
        dm = store.get_dm("d1")
        assert dm is not None
        assert dm.participant_ids == ("alice",)


def test_what_is_moved_has_every_column(tmp_path: Path) -> None:
    place = SQLitePlace(tmp_path)
    make(place)
    place.execute(
        "ALTER TABLE messages ADD COLUMN later TEXT DEFAULT 'kept'",
        "UPDATE messages SET parts_json = CAST(x'5b22ff225d' AS TEXT) WHERE id = 'm2'",
    )
    artifacts = place.rows("SELECT id FROM artifacts WHERE message_id = 'm2' ORDER BY id")
    with open_store(place.url, environ={}) as store:
        done = repair_store(store, ["undecodable"])
    assert done.moved is not None
    lines = [json.loads(line) for line in done.moved.read_text().splitlines()]
    assert [(line["table"], line["columns"]["id"]) for line in lines] == [
        *(("artifacts", own_id) for (own_id,) in artifacts),
        ("messages", "m2"),
    ]
    columns = lines[-1]["columns"]
    assert columns["later"] == "kept"
    assert columns["parts_json"] == {"base64": "WyL/Il0="}
    assert columns["room_id"] == "general"
    assert columns["thread_id"] is None


def test_counts_follow_what_was_moved(place: Place) -> None:
    if isinstance(place, SQL):
        place.execute("UPDATE messages SET parts_json = '[' WHERE id = 'm4'")
    elif isinstance(place, JSONPlace):
        place.edit(lambda content: content["thread_messages"]["t1"][1].update(parts=5))
    with open_store(place.url, environ={}) as store:
        repair_store(store, ["undecodable"], backup=None)
        thread, last = store.get_thread("t1"), store.get_message("m3")
        assert thread is not None
        assert last is not None
        assert (thread.message_count, thread.last_message_at) == (1, last.created_at)
        assert store.get_message("m4") is None
        assert check_store(store).of("counter-drift") == ()
