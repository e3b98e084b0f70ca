"""Moving stores against a bare bulk load: copy and verify at 10⁶ messages, and peak memory at 10⁵ and 10⁶.

``python -m benchmarks.moving 100000`` measures with fewer. Each piece of work is a process of its own, whose peak
memory is told by the system.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
from attrs import evolve
from benchmarks.floor import INSERT, message_row
from benchmarks.measuring import Row, print_table, ratio_row, write_json
from benchmarks.work import MILLION, TEXT
from tests.postgres.cluster import Cluster

from moltnet_core import Progress, Room, copy_store, open_store, verify_stores
from moltnet_core.timestamps import format_time, now
from moltnet_sql.schema import TABLES
from moltnet_sqlite.engine import sqlite3

GOAL = 3
ROOMS = 20
ROUNDS = 3
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


def run(work: Callable[..., dict[str, float]], source: str, target: str) -> dict[str, float]:
    """A piece of work in a process of its own: seconds by phase, and its peak memory in MiB."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.moving", work.__name__, source, target]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def copies(source: str, messages: int, name: str, new_target: Callable[[], str]) -> Iterator[Row]:
    """Copies beside bare loads."""
    rounds = []
    for _ in range(ROUNDS):
        target = new_target()
        rounds.append((run(copy, source, target), run(bare, source, new_target()), run(verify, source, target)))
    for phases in (("check", "copy"), ("check", "copy", "verify")):
        pairs = [(sum(one[phase] for phase in phases), other["bare"]) for one, other, _ in rounds]
        ours, floor = sorted(pairs, key=lambda pair: pair[0] / pair[1])[ROUNDS // 2]
        row = ratio_row(
            f"copy SQLite → {name}, {messages} messages: {', '.join(phases)}", "bulk load", (ours, floor), GOAL
        )
        yield row if "verify" not in phases else evolve(row, goal="", met=True)
    seconds = sorted(each["verify"] for *_, each in rounds)[ROUNDS // 2]
    rate = f"{2 * messages / seconds:,.0f} records a second"
    yield Row(f"verify SQLite and {name}, {rate}", "", seconds, seconds, 1, "", True)


def memory(folder: Path, large: str, messages: int) -> Row:
    """Peak memory of a copy of a tenth beside that of the whole."""
    small = folder / "small.db"
    make_source(small, messages // 10)
    peaks = [
        run(copy, source, f"sqlite:///{folder}/peak{number}.db")["peak"]
        for number, source in enumerate((f"sqlite:///{small}?mode=ro", large))
    ]
    work = f"peak memory of a copy: {peaks[0]:.0f} MiB of {messages // 10}, {peaks[1]:.0f} MiB of {messages} messages"
    return Row(work, "a tenth of them", 0, 0, peaks[1] / peaks[0], "≤ 1.3 times", peaks[1] <= 1.3 * peaks[0])


def main(messages: int) -> int:
    """Measure everything; 1 if a goal is missed."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, Cluster(fsync=True) as server:
        folder = Path(name)
        path = folder / "source.db"
        make_source(path, messages)
        source = f"sqlite:///{path}?mode=ro"
        numbers = iter(range(100))
        for to, new_target in (
            ("SQLite", lambda: f"sqlite:///{folder}/to{next(numbers)}.db"),
            ("PostgreSQL", lambda: server.url(schema=server.new_schema())),
        ):
            for row in copies(source, messages, to, new_target):
                rows.append(row)
                print(f"measured: {row.work}", file=sys.stderr)
        rows.append(memory(folder, source, messages))
    print_table(rows)
    write_json(rows, Path("build/bench/moving.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    if len(sys.argv) == 4:
        taken = {"copy": copy, "verify": verify, "bare": bare}[sys.argv[1]](*sys.argv[2:])
        taken["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(taken))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else MILLION))
