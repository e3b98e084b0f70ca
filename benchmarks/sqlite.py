"""The SQLite rows of the performance table; ``python3 dev.py bench`` prints it and writes build/bench/sqlite.json.

It measures on one machine, in one run, in turn; a figure means nothing on its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.crowd import THREADS, Crowd, crowd_rows
from benchmarks.floor import Floor
from benchmarks.measuring import Row, alternate, difference_row, print_table, ratio_row, write_json
from benchmarks.work import MILLION, PAGE, TEXT, THOUSAND, message

from moltnet_core import PageRequest, Room, Store, Target, open_store
from moltnet_sql.schema import TABLES
from moltnet_sqlite.engine import sqlite3


@contextmanager
def database(folder: Path, name: str) -> Iterator[tuple[Store, Floor]]:
    """A new store with a room, and the floor's connection to the same file."""
    path = folder / f"{name}.db"
    with open_store(f"sqlite:///{path}") as store:
        store.create_room(Room("general", "local"))
        floor = Floor(path)
        with closing(floor.connection):
            yield store, floor


def fill(floor: Floor, count: int, room: str = "general") -> None:
    """Put messages into a room, as fast as can be."""
    for _ in range(0, count, 10_000):
        floor.append_batch(room, [TEXT] * min(10_000, count))


def middle(floor: Floor, room: str = "general") -> str:
    """The id of the message in the middle of a room."""
    (count,) = floor.connection.execute("SELECT count(*) FROM messages WHERE room_id = ?", (room,)).fetchone()
    query = (
        "SELECT id FROM messages WHERE target_kind = 'room' AND room_id = ? ORDER BY created_at, id LIMIT 1 OFFSET ?"
    )
    (found,) = floor.connection.execute(query, (room, count // 2)).fetchone()
    return str(found)


def appends(folder: Path) -> Iterator[Row]:
    """Appending one by one, and in batches."""
    with database(folder, "append") as (store, floor):
        fill(floor, 5 * THOUSAND)
        room = Target.room("general")
        times = alternate(lambda: store.append_message(message(room)), lambda: floor.append("general", TEXT), 1500)
        yield ratio_row("append one message, durable", "floor", times, 1.3)
        times = alternate(
            lambda: store.append_messages([message(room) for _ in range(THOUSAND)]),
            lambda: floor.append_batch("general", [TEXT] * THOUSAND),
            15,
        )
        yield ratio_row("append a batch of 1000", "floor executemany", times, 2)


def crowds(folder: Path) -> Iterator[Row]:
    """Sixteen threads that append one message at a time; of the floor, one after the other."""
    with database(folder, "crowd") as (store, floor):
        fill(floor, 5 * THOUSAND)
        turn = threading.Lock()

        def append() -> None:
            with turn:
                floor.append("general", TEXT)

        ours = Crowd([lambda: store.append_message(message(Target.room("general")))] * THREADS, 40)
        work = f"{THREADS} threads append, each message durable"
        yield from crowd_rows(work, "floor, a transaction each", ours, Crowd([append] * THREADS, 40), 0.33)


def pages(folder: Path) -> Iterator[Row]:
    """Pages of small and large rooms."""
    with database(folder, "small") as (small, small_floor), database(folder, "large") as (large, large_floor):
        fill(small_floor, THOUSAND)
        fill(large_floor, MILLION)
        for work, request, cursor in (
            ("newest page of 100", None, None),
            ("page of 100 in the middle", "before", middle(large_floor)),
        ):
            if cursor is None:
                ours = partial(large.list_room_messages, "general", PageRequest(limit=PAGE))
                other = partial(small.list_room_messages, "general", PageRequest(limit=PAGE))
                bare = partial(large_floor.newest, "general", PAGE + 1)
            else:
                ours = partial(large.list_room_messages, "general", PageRequest(before=cursor, limit=PAGE))
                place = middle(small_floor)
                other = partial(small.list_room_messages, "general", PageRequest(before=place, limit=PAGE))
                bare = partial(large_floor.before, "general", cursor, PAGE + 1)
            assert [item.id for item in ours().items] == [item["id"] for item in bare()][-PAGE:], request
            yield ratio_row(f"{work}, 10⁶ messages", "floor", alternate(ours, bare, 300), 2)
            yield ratio_row(f"{work}, 10⁶ messages", "the same at 10³", alternate(ours, other, 300), 1.3)


def busy_threads(folder: Path) -> Iterator[Row]:
    """A room's page beside its threads' messages."""
    with database(folder, "quiet") as (quiet, quiet_floor), database(folder, "busy") as (busy, busy_floor):
        thread = Target.thread("general", "busy")
        busy.append_messages([message(thread) for _ in range(THOUSAND)])
        copied = ", ".join(column for column in TABLES["messages"] if column != "id")
        template = (
            f"SELECT lower(hex(randomblob(16))), {copied} FROM messages WHERE target_kind = 'thread' LIMIT 100000"
        )
        while busy_floor.connection.execute("SELECT count(*) FROM messages").fetchone()[0] < MILLION:
            busy_floor.connection.execute(f"INSERT INTO messages (id, {copied}) {template}")
        for floor in (quiet_floor, busy_floor):
            fill(floor, THOUSAND)
        times = alternate(lambda: busy.list_room_messages("general"), lambda: quiet.list_room_messages("general"), 300)
        yield ratio_row("page of a room of 10³ whose threads hold 10⁶", "itself without threads", times, 1.3)


def starting(folder: Path) -> Iterator[Row]:
    """Opening, importing, and asking for help."""
    with database(folder, "open"):
        pass
    path = folder / "open.db"

    def bare() -> None:
        with closing(sqlite3.connect(str(path))) as connection:
            connection.execute("SELECT version FROM schema_migrations").fetchall()

    times = alternate(lambda: open_store(f"sqlite:///{path}").close(), bare, 100)
    yield difference_row("open an up-to-date store", "connect and one query", times, 0.020)

    def process(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    python = partial(process, sys.executable, "-c")
    times = alternate(lambda: python("import moltnet_core"), lambda: python("import attrs, cattrs, pluggy"), 20)
    yield ratio_row("import moltnet_core", "import attrs, cattrs, pluggy", times, 1.3)
    command = str(Path(sys.executable).with_name("moltnet-storage"))
    times = alternate(lambda: process(command, "--help"), lambda: python("pass"), 20)
    yield difference_row("moltnet-storage --help", "python -c pass", times, 0.200)


def main() -> int:
    """Measure everything; 1 if a goal is missed."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for measure in (appends, crowds, pages, busy_threads, starting):
            for row in measure(Path(folder)):
                rows.append(row)
                print(f"measured: {row.work}", file=sys.stderr)
    print(f"SQLite {sqlite3.sqlite_version} ({sqlite3.__name__}), Python {sys.version.split()[0]}")
    print_table(rows)
    write_json(rows, Path("build/bench/sqlite.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
