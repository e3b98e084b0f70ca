"""All messages in order, whatever their times look like, and without a sort of all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import CorruptRecordError, RecordKind, Room, Snapshot, open_store
from moltnet_core.transfer.streaming import Entry
from moltnet_sql.scanning import make_scan
from moltnet_sql.schema import TABLES
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.engine import sqlite3

TIMES = (
    "2026-01-01T10:00:00Z",
    "2026-01-01T10:00:00.1Z",
    "2026-01-01T10:00:00.12Z",
    "2026-01-01T10:00:00.120000000Z",
    "2026-01-01T10:00:00.120000001Z",
    "2026-01-01T10:00:00.100000000Z",
    "2026-01-01T10:00:00.000000000Z",
    "2026-01-01T10:00:01Z",
    "2026-01-01T09:59:59.999999999Z",
    "2026-01-01T12:00:00.5+02:00",
    "2026-01-01T10:00:00.12+00:00",
    "yesterday",
    "",
    7,
    b"2026-01-01T10:00:00.120000000Z",
)
IN_ORDER = "SELECT id FROM messages ORDER BY rtrim(created_at, 'Z0.'), id"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of messages of each time, written in no order, some ids of which are no texts."""
    path = tmp_path / "chat.db"
    with open_store(f"sqlite:///{path}", environ={}) as store:
        store.create_room(Room("general", "local"))
    ids: list[Any] = [f"m{number}" for number in range(3 * len(TIMES))]
    rows = [(ids[number], TIMES[number % len(TIMES)]) for number in range(len(ids))]
    rows += [(b"m1", TIMES[3]), (b"m2", TIMES[0])]
    random.Random(1).shuffle(rows)
    with closing(sqlite3.connect(path)) as connection, connection:
        insert(connection, rows)
    return path


def insert(connection: Any, rows: list[tuple[Any, Any]]) -> None:
    usual = {
        "network_id": "local",
        "target_kind": "room",
        "room_id": "general",
        "target_json": '{"kind":"room","room_id":"general"}',
        "from_json": '{"type":"agent","id":"a"}',
        "parts_json": '[{"kind":"text","text":"é"}]',
        "mentions_json": "null",
        "origin_json": "{}",
    }
    names = ", ".join(TABLES["messages"])
    for own_id, time in rows:
        values = [({"id": own_id, "created_at": time} | usual).get(name) for name in TABLES["messages"]]
        connection.execute(f"INSERT INTO messages ({names}) VALUES ({', '.join('?' * len(values))})", values)


def entries(view: Snapshot, limit: int, after: str | None = None) -> Iterator[Entry]:
    while found := view.entries(RecordKind.MESSAGE, after, limit):
        yield from found
        after = own_id(found[-1])


def own_id(entry: Entry) -> str:
    return entry.record_id if isinstance(entry, CorruptRecordError) else entry.id


def expected(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] if isinstance(row[0], str) else repr(row[0]) for row in connection.execute(IN_ORDER)]


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_messages_come_by_time_and_id_however_the_time_is_spelt(path: Path, limit: int) -> None:
    with open_store(f"sqlite:///{path}?mode=ro", environ={}) as store, store.snapshot() as view:
        assert [own_id(entry) for entry in entries(view, limit)] == expected(path)


def test_a_scan_goes_on_after_any_message(path: Path) -> None:
    order = expected(path)
    with open_store(f"sqlite:///{path}?mode=ro", environ={}) as store, store.snapshot() as view:
        for place, after in enumerate(order):
            if after.startswith("m"):
                assert [own_id(entry) for entry in view.entries(RecordKind.MESSAGE, after, 1000)] == order[place + 1 :]


def test_a_row_that_is_not_utf_8_is_corrupt_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET parts_json = CAST(x'5bff5d' AS TEXT) WHERE id = 'm3'")
    with open_store(f"sqlite:///{path}?mode=ro", environ={}) as store, store.snapshot() as view:
        found = list(entries(view, 5))
    assert [own_id(entry) for entry in found] == expected(path)
    times = {number for number in range(3 * len(TIMES)) if number % len(TIMES) >= TIMES.index("yesterday")}
    corrupt = {own_id(entry) for entry in found if isinstance(entry, CorruptRecordError)}
    assert corrupt == {f"m{number}" for number in times} | {"m3", "b'm1'", "b'm2'"}


def test_a_time_that_is_missing_has_its_place(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET created_at = NULL WHERE id IN ('m0', 'm7')")
        connection.execute("UPDATE messages SET created_at = '' WHERE id = 'm3'")
    with open_store(f"sqlite:///{path}?mode=ro", environ={}) as store, store.snapshot() as view:
        found = [own_id(entry) for entry in entries(view, 1000)]
    assert found[:2] == ["m0", "m7"]
    assert found == expected(path)


def test_a_time_that_is_not_utf_8_has_its_place(path: Path) -> None:
    times = {
        "m0": b"2026-01-01T10:00:00\xffZ",
        "m1": b"2026-01-01T10:00:00.1\xff",
        "m2": b"\xff",
        "m3": b"2026-01\xffZ",
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "UPDATE messages SET created_at = CAST(? AS TEXT) WHERE id = ?",
            [(time, key) for key, time in times.items()],
        )
    with open_store(f"sqlite:///{path}?mode=ro", environ={}) as store, store.snapshot() as view:
        found = list(entries(view, 5))
    assert [own_id(entry) for entry in found] == expected(path)
    assert times.keys() <= {own_id(entry) for entry in found if isinstance(entry, CorruptRecordError)}


@pytest.mark.parametrize("after", [False, True])
def test_an_index_gives_the_order_of_all_but_odd_times(path: Path, after: bool) -> None:
    scan = make_scan(SQLiteDialect(), after=after)
    with closing(sqlite3.connect(path)) as connection:
        for sql in (scan.along, scan.by_second):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", {"cursor": "m1"})]
            assert plan[0] == "SCAN messages USING INDEX idx_messages_created"
            assert not [step for step in plan if "TEMP B-TREE" in step]


def test_an_old_database_is_read_in_order_too(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP INDEX idx_messages_created")
    with open_store(f"sqlite:///{path}?mode=ro", environ={}) as store, store.snapshot() as view:
        assert [own_id(entry) for entry in entries(view, 10)] == expected(path)
