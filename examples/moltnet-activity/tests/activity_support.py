"""Messages, what the tally says of them, and what it has to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import moltnet_sql
from moltnet_activity import plugin
from moltnet_core import Actor, Message, Part, Room, Store, Target, open_store

__all__ = ["ROOMS", "Tally", "fill", "message", "opened", "tally", "truth"]

ROOMS = ("general", "ops")
Tally = dict[tuple[str, str], tuple[int, int]]
"""By room and day: messages, and those in threads."""


def opened(location: str, plugins: Sequence[Any] = (plugin,), **options: Any) -> Store:
    return open_store(location, environ={}, plugins=plugins, **options)


def message(
    number: int, name: str = "m", *, target: Target | None = None, created_at: datetime | None = None
) -> Message:
    """One of many: in both rooms, a thread of each and a DM, on seven days."""
    room = ROOMS[number % 2]
    targets = (Target.room(room), Target.thread(room, f"t-{room}"), Target.room(room), Target.dm("d", ["a", "b"]))
    day = datetime(2026, 3, 1 + number % 7, 23, 59, 59, 999_999 - number, tzinfo=UTC)
    return Message(
        "net",
        target or targets[number % 4],
        Actor("agent", "a"),
        [Part("text", "x")],
        id=f"{name}-{number}",
        created_at=created_at or day,
    )


def fill(store: Store, count: int, name: str = "m") -> None:
    """Append many messages, by ones and in batches."""
    for room in ROOMS:
        if store.get_room(room) is None:
            store.create_room(Room(room, "net"))
    messages = [message(number, name) for number in range(count)]
    for each in messages[: count // 2]:
        store.append_message(each)
    store.append_messages(messages[count // 2 :])


def tally(store: Store) -> Tally:
    with moltnet_sql.transaction(store, write=False) as database:
        rows = database.execute_sql("SELECT room_id, day, messages, in_threads FROM activity_day").fetchall()
    return {(room, day): (messages, in_threads) for room, day, messages, in_threads in rows}


def truth(store: Store) -> Tally:
    """What the tally has to be, by the messages themselves."""
    messages: Counter[tuple[str, str]] = Counter()
    in_threads: Counter[tuple[str, str]] = Counter()
    with store.snapshot() as snapshot:
        for record in snapshot.records("message"):
            assert isinstance(record.value, Message)
            target = record.value.target
            if target.kind != "dm":
                cell = target.room_id or "", record.times["created_at"][:10]
                messages[cell] += 1
                in_threads[cell] += target.kind == "thread"
    return {cell: (number, in_threads[cell]) for cell, number in messages.items()}
