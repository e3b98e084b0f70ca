"""What ``AsyncStore`` costs; ``python -m benchmarks.asynchronous`` prints it.

Each call goes to a thread and back. The floor is the same call of a ``Store`` by ``asyncio.to_thread``, the least that
keeps it off the event loop. Twenty are measured at a time, so that entering the loop does not count.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Row, alternate, print_table, ratio_row, write_json
from benchmarks.work import PAGE, THOUSAND, message

from moltnet_core import AsyncStore, PageRequest, Room, Store, Target, open_store

ROOM = Target.room("general")
CALLS = 20
GOAL = 1.3


def calls(store: Store, runner: asyncio.Runner) -> Iterator[Row]:
    """One call after the other, of each kind."""
    beside = AsyncStore(store)
    page = PageRequest(limit=PAGE)
    first = store.list_room_messages("general").items[0].id

    for work, call, bare in (
        (
            "append one message, durable",
            lambda: beside.append_message(message(ROOM)),
            lambda: store.append_message(message(ROOM)),
        ),
        ("get one message", lambda: beside.get_message(first), lambda: store.get_message(first)),
        (
            "newest page of 100",
            lambda: beside.list_room_messages("general", page),
            lambda: store.list_room_messages("general", page),
        ),
    ):
        floor = partial(asyncio.to_thread, bare)
        mine, its = alternate(partial(_awaited, runner, call), partial(_awaited, runner, floor), 30)
        yield ratio_row(f"{work}, AsyncStore", "asyncio.to_thread", (mine / CALLS, its / CALLS), GOAL)
    runner.run(beside.close())


def _awaited(runner: asyncio.Runner, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
    async def calls() -> None:
        for _ in range(CALLS):
            await call()

    runner.run(calls())


def main() -> int:
    """Measure; 1 if a goal is missed."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        store = open_store(f"sqlite:///{folder}/chat.db")
        store.create_room(Room("general", "local"))
        store.append_messages(message(ROOM) for _ in range(THOUSAND))
        rows = list(calls(store, runner))
    print_table(rows)
    write_json(rows, Path("build/bench/asynchronous.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
