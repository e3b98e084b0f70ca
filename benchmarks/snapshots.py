"""The JSON rows of the performance table: ``python -m benchmarks.snapshots`` prints them.

The floor does the least that keeps the same promise: encode the message, put it into the bytes that are there, write
them to a new file, sync that, rename it, sync the folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from benchmarks.crowd import THREADS, Crowd, crowd_rows
from benchmarks.measuring import Row, alternate, print_table, ratio_row, write_json

from moltnet_core import Actor, Message, PageRequest, Part, Room, Store, Target, open_store

__all__ = ["snapshots"]

ALPHA = Actor(type="agent", id="alpha")
TEXT = "The deployment of this morning went well; the second half follows at noon."
ROOM = Target.room("general")
SIZES = (100, 2_000, 10_000)
CROWDED = 2_000


def message() -> Message:
    """What is appended."""
    return Message("local", ROOM, ALPHA, [Part("text", TEXT)])


class Floor:
    """The bytes of a snapshot with one room, and its file."""

    def __init__(self, content: bytes, path: Path) -> None:
        self._before, end, after = content.partition(b']},"threads"')
        self._after = end + after
        self._path = path
        self._folder = os.open(path.parent, os.O_RDONLY)

    def append(self) -> None:
        """Append one message, durably."""
        own_id = f"msg_{uuid4()}"
        stored = {
            "id": own_id,
            "network_id": "local",
            "origin": {"network_id": "local", "message_id": own_id},
            "target": {"kind": "room", "room_id": "general"},
            "from": {"type": "agent", "id": "alpha", "network_id": "local", "fqid": "molt://local/agents/alpha"},
            "parts": [{"kind": "text", "text": TEXT}],
            "created_at": "2026-01-01T00:00:00.000000000Z",
        }
        self._before += b"," + json.dumps(stored, separators=(",", ":")).encode()
        temporary = self._path.with_name(f".{uuid4().hex}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, self._before + self._after)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(self._path)
        os.fsync(self._folder)

    def close(self) -> None:
        """Free its folder."""
        with suppress(OSError):
            os.close(self._folder)


def snapshots(folder: Path) -> Iterator[Row]:
    """Appends to snapshots of several sizes, a page, and opening."""
    for size in SIZES:
        path = folder / f"{size}.json"
        with open_store(f"json:///{path}") as store:
            store.create_room(Room("general", "local"))
            store.append_messages(message() for _ in range(size))
            floor = Floor(path.read_bytes(), folder / f"floor-{size}.json")
            times = alternate(lambda: store.append_message(message()), floor.append, 200)
            yield ratio_row(f"append to a snapshot of {size:,} messages, durable", "floor", times, 1.5)
            yield from crowd(store, floor, size) if size == CROWDED else ()
            floor.close()
    with open_store(f"json:///{path}") as store, open_store(f"json:///{folder / '100.json'}") as small:
        page = PageRequest(limit=100)
        times = alternate(
            lambda: store.list_room_messages("general", page), lambda: small.list_room_messages("general", page), 300
        )
        yield ratio_row(f"newest page of 100 of {size:,} messages", "the same of 100", times, 1.3)
    times = alternate(lambda: open_store(f"json:///{path}").close(), lambda: json.loads(path.read_bytes()), 15)
    yield ratio_row(f"open a snapshot of {size:,} messages", "json.loads", times, 5)


def crowd(store: Store, floor: Floor, size: int) -> Iterator[Row]:
    """Sixteen threads that append one message at a time; of the floor, one after the other."""
    turn = threading.Lock()

    def append() -> None:
        with turn:
            floor.append()

    ours = Crowd([lambda: store.append_message(message())] * THREADS, 4)
    work = f"{THREADS} threads append to a snapshot of {size:,}, each message durable"
    yield from crowd_rows(work, "floor, a rewrite each", ours, Crowd([append] * THREADS, 4), 0.33)


def main() -> int:
    """Measure; 1 if a goal is missed."""
    with tempfile.TemporaryDirectory() as folder:
        rows = list(snapshots(Path(folder)))
    print_table(rows)
    write_json(rows, Path("build/bench/snapshots.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
