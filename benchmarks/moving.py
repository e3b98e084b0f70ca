"""Moving stores against a bare bulk load, verifying and checking them: time at 10⁶ messages, memory at 10⁵ and 10⁶.

``python -m benchmarks.moving 100000`` measures with fewer. Each piece of work is a process of its own, whose peak
memory is told by the system.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
from attrs import frozen
from benchmarks.floor import INSERT, message_row
from benchmarks.measuring import Row, in_process, memory_row, print_measured, print_table, ratio_row, write_json
from benchmarks.work import MILLION, TEXT
from tests.postgres.cluster import Cluster

from moltnet_core import Progress, Room, check_location, copy_store, open_store, verify_stores
from moltnet_core.timestamps import format_time, now
from moltnet_sql.schema import TABLES
from moltnet_sqlite.engine import sqlite3

GOAL = 3
ROOMS = 20
AT_ONCE = 1000


def make_source(path: Path, messages: int) -> None:
    """A database of so many messages in some rooms."""
    with open_store(f"sqlite:///{path}") as store:
        for number in range(ROOMS):
            store.create_room(Room(f"room{number}", "local"))
    with closing(sqlite3.connect(str(path), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for number in range(messages):
            row = list(message_row(f"room{number % ROOMS}", TEXT))
            row[TABLES["messages"].index("created_at")] = format_time(now())
            connection.execute(INSERT, row)
        connection.execute("COMMIT")


@frozen
class Sources:
    """Two databases: the large one of so many messages, the small one of a tenth."""

    messages: int
    small: str
    large: str

    @classmethod
    def made(cls, folder: Path, messages: int) -> Sources:
        """Both of them, in a folder."""
        for name, number in (("small", messages // 10), ("large", messages)):
            make_source(folder / f"{name}.db", number)
        return cls(messages, *(f"sqlite:///{folder}/{name}.db?mode=ro" for name in ("small", "large")))


# -- in a process of its own -------------------------------------------------------------------------


def copy(source: str, target: str) -> dict[str, float]:
    """A copy; seconds of each phase."""
    began: dict[str, float] = {}

    def on_progress(progress: Progress) -> None:
        began.setdefault(progress.phase, time.perf_counter())

    with open_store(source) as one, open_store(target) as other:
        copy_store(one, other, on_progress=on_progress)
        began["end"] = time.perf_counter()
    return {phase: began[after] - began[phase] for phase, after in pairwise(began)}


def verify(source: str, target: str) -> dict[str, float]:
    """A comparison."""
    with open_store(source) as one, open_store(target) as other:
        began = time.perf_counter()
        assert verify_stores(one, other).equal
        return {"verify": time.perf_counter() - began}


def check(place: str) -> dict[str, float]:
    """A check."""
    began = time.perf_counter()
    found = [finding.code for finding in check_location(place, environ={}).findings]
    assert found in ([], ["write-ahead-log"])
    return {"check": time.perf_counter() - began}


def bare(source: str, target: str) -> dict[str, float]:
    """The same rows by nothing but the drivers, in as large transactions."""
    open_store(target).close()
    came_from = closing(sqlite3.connect(source.removeprefix("sqlite:///").split("?")[0]))
    began = time.perf_counter()
    with came_from as connection, closing(_writer(target)) as writer:
        for table, order in (("rooms", ""), ("messages", " ORDER BY created_at, id")):
            rows = connection.execute(f"SELECT {', '.join(TABLES[table])} FROM {table}{order}")
            while some := rows.fetchmany(AT_ONCE):
                writer.insert(table, some)
    return {"bare": time.perf_counter() - began}


class _SQLiteWriter:
    def __init__(self, target: str) -> None:
        self._connection = sqlite3.connect(target.removeprefix("sqlite:///"), isolation_level=None)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA synchronous = FULL")

    def insert(self, table: str, rows: list[Any]) -> None:
        places = ", ".join("?" * len(rows[0]))
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class _PostgresWriter:
    def __init__(self, target: str) -> None:
        dsn, _, schema = target.partition("&schema=") if "&schema=" in target else target.partition("?schema=")
        self._connection = psycopg2.connect(dsn)
        self._schema = schema.split("&")[0]

    def insert(self, table: str, rows: list[Any]) -> None:
        with self._connection, self._connection.cursor() as cursor:
            columns = ", ".join(TABLES[table])
            sql = f'INSERT INTO "{self._schema}".{table} ({columns}) VALUES %s'
            psycopg2.extras.execute_values(cursor, sql, rows, page_size=AT_ONCE)

    def close(self) -> None:
        self._connection.close()


def _writer(target: str) -> Any:
    return _SQLiteWriter(target) if target.startswith("sqlite:") else _PostgresWriter(target)


# -- measuring ---------------------------------------------------------------------------------------


def run(work: Callable[..., dict[str, float]], *places: str) -> dict[str, float]:
    """A piece of work in a process of its own: seconds by phase, and its peak memory in MiB."""
    return in_process("benchmarks.moving", work.__name__, *places)


def works(sources: Sources, name: str, new_target: Callable[[], str]) -> Iterator[Row]:
    """A copy beside a bare load, and what else reads stores from end to end.

    Each is done once with all messages, a round of which is long enough, and with a tenth of them for its memory.
    """
    few, many = sources.messages // 10, sources.messages
    small, large = new_target(), new_target()
    lesser, copied = run(copy, sources.small, small), run(copy, sources.large, large)
    floor = run(bare, sources.large, new_target())["bare"]
    title, ours = f"copy SQLite → {name}, {many:,} messages", copied["check"] + copied["copy"]
    yield ratio_row(f"{title}: check, copy", "bulk load", (ours, floor), GOAL)
    yield _told(f"{title}: check, copy, verify", "bulk load", ours + copied["verify"], floor)
    yield memory_row(f"copy SQLite → {name}", (few, lesser["peak"]), (many, copied["peak"]))
    for work, of_few, of_many in (
        (verify, (sources.small, small), (sources.large, large)),
        (check, (small,), (large,)),
    ):
        lesser, found = run(work, *of_few), run(work, *of_many)
        seconds = found[work.__name__]
        rate = f"{many * len(of_many) / seconds:,.0f} messages a second"
        yield _told(f"{work.__name__} {name}, {many:,} messages: {rate}", "", seconds, seconds)
        yield memory_row(f"{work.__name__} {name}", (few, lesser["peak"]), (many, found["peak"]))


def _told(work: str, against: str, ours: float, floor: float) -> Row:
    """A row without a goal."""
    return Row(work, against, ours, floor, ours / floor, "", met=True)


def main(messages: int) -> int:
    """Measure everything; 1 if a goal is missed."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, Cluster(fsync=True) as server:
        sources = Sources.made(Path(name), messages)
        numbers = count()
        for to, new_target in (
            ("SQLite", lambda: f"sqlite:///{name}/to{next(numbers)}.db"),
            ("PostgreSQL", lambda: server.url(schema=server.new_schema())),
        ):
            for row in works(sources, to, new_target):
                rows.append(row)
                print(f"measured: {row.work}", file=sys.stderr)
    print_table(rows)
    write_json(rows, Path("build/bench/moving.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    if len(sys.argv) > 2:
        taken: dict[str, Callable[..., dict[str, float]]] = {
            "copy": copy,
            "verify": verify,
            "check": check,
            "bare": bare,
        }
        print_measured(taken[sys.argv[1]](*sys.argv[2:]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else MILLION))
