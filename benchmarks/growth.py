"""Cost as it grows: appends and pages at 10³ to 10⁶ messages, 1 to 64 writers, and the memory of a long walk.

``python -m benchmarks.growth`` goes to 10⁶ messages, ``--large`` to 10⁷, and ``--small`` to 10⁴ to see that it works.
It prints a table as the others do and writes ``build/bench/growth.json``, and with it ``build/bench/curves.json``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from attrs import evolve
from benchmarks.curves import Curve, write_curves
from benchmarks.floor import Floor
from benchmarks.measuring import Row, alternate, peak_memory, print_table, ratio_row, write_json
from benchmarks.work import MILLION, PAGE, TEXT, message
from benchmarks.writers import writers
from tests.postgres.cluster import Cluster
from tests.postgres.server import Server
from tests.postgres.shared import DSN_VARIABLE

from moltnet_core import PageRequest, Room, Store, Target, open_store
from moltnet_sql.schema import TABLES

ROOM = Target.room("general")
SMALLEST = 1_000
AT_ONCE = 200_000
GOAL = 1.3

# As many messages as are asked for, each with an id of its own and a time a millisecond after the one before.
BULK = f"""
WITH RECURSIVE numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :first + :count)
INSERT INTO messages (id, {", ".join(column for column in TABLES["messages"] if column != "id")})
SELECT 'msg_' || lower(hex(randomblob(16))), network_id, target_kind, room_id, thread_id, parent_message_id, dm_id,
    target_json, from_json, parts_json, mentions_json,
    strftime('%Y-%m-%dT%H:%M:%S', 1700000000 + n / 1000, 'unixepoch') || printf('.%03d000000Z', n % 1000), origin_json
FROM numbers, (SELECT * FROM messages WHERE id = 'first')
"""


def grow(floor: Floor, present: int, messages: int) -> None:
    """Fill a room up, as fast as can be: it is not what is measured."""
    execute = floor.connection.execute
    execute("PRAGMA synchronous = OFF")
    execute("PRAGMA cache_size = -1000000")  # random ids go all over their index
    for first in range(present, messages, AT_ONCE):
        execute(BULK, {"first": first, "count": min(AT_ONCE, messages - first)})
    execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    execute("PRAGMA cache_size = -2000")  # SQLite's own, which the store leaves alone
    execute("PRAGMA synchronous = FULL")


def middle(floor: Floor, messages: int) -> str:
    """The id of a message in the middle."""
    query = "SELECT id FROM messages WHERE room_id = 'general' ORDER BY created_at, id LIMIT 1 OFFSET ?"
    return str(floor.connection.execute(query, (messages // 2,)).fetchone()[0])


def sizes(folder: Path, largest: int) -> tuple[list[Curve], Row]:
    """Appends and pages beside the floor's, in one room that grows tenfold again and again.

    The row is an append to the room at its largest, in turn with one to a room that stays small.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    with room(folder, "grows") as (store, floor), room(folder, "small") as (small, small_floor):
        present, messages = 1, SMALLEST
        while messages <= largest:
            grow(floor, present, messages)
            for work, (ours, bare) in _costs(store, floor, messages):
                found.setdefault(f"{work}: store", []).append((messages, ours))
                found.setdefault(f"{work}: bare SQLite", []).append((messages, bare))
            print(f"measured: {messages:,} messages", file=sys.stderr)
            present, messages = messages, messages * 10
        grow(small_floor, 1, SMALLEST)
        times = alternate(lambda: store.append_message(message(ROOM)), lambda: small.append_message(message(ROOM)), 300)
    row = ratio_row(f"append one message, durable, {present:,} messages", f"the same of {SMALLEST:,}", times, GOAL)
    return [Curve("size", work, "messages", "seconds", points) for work, points in found.items()], row


@contextmanager
def room(folder: Path, name: str) -> Iterator[tuple[Store, Floor]]:
    """A new store with a room and one message, and the floor's connection to the same file."""
    path = folder / f"{name}.db"
    with open_store(f"sqlite:///{path}") as store:
        store.create_room(Room("general", "local"))
        store.append_message(evolve(message(ROOM), id="first"))
        with closing((floor := Floor(path)).connection):
            yield store, floor


def _costs(store: Store, floor: Floor, messages: int) -> Iterator[tuple[str, tuple[float, float]]]:
    rounds = 300
    inside = middle(floor, messages)
    newest = partial(store.list_room_messages, "general", PageRequest(limit=PAGE))
    before = partial(store.list_room_messages, "general", PageRequest(before=inside, limit=PAGE))
    yield "newest page of 100", alternate(newest, partial(floor.newest, "general", PAGE + 1), rounds)
    yield "page of 100 in the middle", alternate(before, partial(floor.before, "general", inside, PAGE + 1), rounds)
    yield (
        "append, durable",
        alternate(lambda: store.append_message(message(ROOM)), lambda: floor.append("general", TEXT), rounds),
    )


# -- memory ------------------------------------------------------------------------------------------


def walk(path: str, step: int) -> None:
    """In a process of its own: go through all messages of the room, and print the peak memory at each step."""
    with open_store(f"sqlite:///{path}?mode=ro") as store:
        for number, _ in enumerate(store.room_messages("general"), 1):
            if number % step == 0:
                print(number, peak_memory(), flush=True)


def memory(folder: Path, messages: int) -> tuple[Curve, Row]:
    """The peak memory of a walk, as it goes on."""
    command = [sys.executable, "-m", "benchmarks.growth", "walk", str(folder / "grows.db"), str(messages // 10)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    points = [(float(number), float(peak)) for number, peak in (line.split() for line in said.splitlines())]
    (_, early), (_, late) = points[0], points[-1]
    row = Row(
        f"peak memory of a walk over {messages:,} messages",
        f"after {messages // 10:,}",
        late / 2**20,
        early / 2**20,
        late / early,
        "≤ 1.1 times",
        late <= 1.1 * early,
        "MiB",
    )
    return Curve("memory", "walk over a room", "messages walked", "bytes", points), row


def main(largest: int) -> int:
    """Measure everything; 1 if a goal is missed."""
    dsn = os.environ.get(DSN_VARIABLE)
    with tempfile.TemporaryDirectory() as name, Server.at(dsn) if dsn else Cluster(fsync=True) as server:
        folder = Path(name)
        curves, append = sizes(folder, largest)
        curve, walked = memory(folder, min(largest, MILLION))
        curves.append(curve)
        rows = [append, walked]
        (folder / "grows.db").unlink()
        most, together = (64, 2_400) if largest >= MILLION else (4, 100)
        places = (("SQLite", f"sqlite:///{folder}/writers.db"), ("PostgreSQL", server.url(schema=server.new_schema())))
        for engine, location in places:
            curves += writers(engine, location, most, together)
            print(f"measured: {engine}, 1 to {most} writers", file=sys.stderr)
    print_table(rows)
    write_json(rows, Path("build/bench/growth.json"))
    write_curves(curves, Path("build/bench/curves.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["walk"]:
        walk(sys.argv[2], int(sys.argv[3]))
    else:
        chosen = {(): MILLION, ("--large",): 10 * MILLION, ("--small",): 10_000}
        sys.exit(main(chosen[tuple(sys.argv[1:])]))
