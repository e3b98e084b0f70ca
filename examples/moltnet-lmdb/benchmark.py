"""Measures the backend against bare LMDB with the same keys and values made by orjson, in one process.

``python examples/moltnet-lmdb/benchmark.py`` (needs orjson) prints how long a durable append and a page of 100 take,
and the ratio of the two. A page is measured in a room of 1,000 messages and in one of 100,000.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import lmdb
import orjson

from moltnet_core import Actor, Message, Part, Record, Room, Target, open_store, to_json
from moltnet_lmdb.keys import key, part, prefix

APPENDS, PAGES, BATCH = 300, 200, 1000


def message(number: int) -> Message:
    return Message(
        "local", Target.room("r"), Actor("agent", "alpha", "Alpha"), [Part("text", f"Message {number}. " * 8)]
    )


class Bare:
    """LMDB as a program without a storage layer would use it."""

    def __init__(self, path: Path) -> None:
        self.env = lmdb.Environment(str(path), subdir=False, map_size=2**32)

    def append(self, messages: list[Message]) -> None:
        with self.env.begin(write=True) as txn:
            for each in messages:
                moment, own = Record.of(each).times["created_at"].encode(), part(each.id)
                txn.put(key("place", own), moment)
                txn.put(key("message", moment, own), orjson.dumps(to_json(each)))
                txn.put(key("line", b"room", b"r", moment, own), b"")

    def page(self) -> list[object]:
        line = prefix("line", b"room", b"r")
        found: list[object] = []
        with self.env.begin() as txn, txn.cursor() as cursor:
            if cursor.prev() if cursor.set_range(line + b"\xff") else cursor.last():
                for at in cursor.iterprev(values=False):
                    if not at.startswith(line) or len(found) == 101:
                        break
                    found.append(orjson.loads(txn.get(b"message\0" + at[len(line) :], b"")))
        return found[:100][::-1]


def seconds(call: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return median(taken)


def show(what: str, ours: float, bare: float) -> None:
    print(f"{what:<28} {ours * 1e6:>9.0f} µs {bare * 1e6:>9.0f} µs {ours / bare:>7.2f}")


def main() -> None:
    print(f"{'median':<28} {'store':>12} {'bare LMDB':>12} {'ratio':>7}")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        bare = Bare(Path(folder, "bare.lmdb"))
        with open_store(f"lmdb:///{folder}/store.lmdb") as store:
            store.create_room(Room("r", "local"))
            appending = seconds(lambda: store.append_message(message(0)), APPENDS)
            show("durable append", appending, seconds(lambda: bare.append([message(0)]), APPENDS))
            for size in (1000, 100_000):
                while (missing := size - store.counts().messages) > 0:
                    batch = [message(number) for number in range(min(missing, BATCH))]
                    store.append_messages(batch)
                    bare.append(batch)
                show(
                    f"page of 100, of {size:,}",
                    seconds(lambda: store.list_room_messages("r"), PAGES),
                    seconds(bare.page, PAGES),
                )


if __name__ == "__main__":
    main()
