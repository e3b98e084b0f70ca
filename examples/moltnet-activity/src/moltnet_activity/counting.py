"""Counting messages, each of them once, however often this is asked for it and by however many processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final, Self

import peewee
from attrs import frozen

from moltnet_core import Message, Store
from moltnet_sql import transaction

__all__ = ["Counted", "count"]

_AT_ONCE: Final = 1000
"""So many that a transaction is short, and that a statement may have parameters for them."""


@frozen
class Counted:
    """What counts of a message.

    :param day: in UTC, as ``2026-01-31``.
    """

    message_id: str
    room_id: str
    day: str
    in_thread: bool

    @classmethod
    def of(cls, message: Message) -> Self | None:
        """Of an appended message; ``None`` in a direct conversation, which is no room's."""
        target = message.target
        if target.kind not in ("room", "thread"):
            return None
        day = message.created_at.astimezone(UTC).date().isoformat()
        return cls(message.id, target.room_id or "", day, target.kind == "thread")


def count(store: Store, found: Sequence[Counted]) -> None:
    """Count those of the messages that nobody has counted.

    The table ``activity_counted`` decides, by its key: who writes a message's id there counts the message, in the same
    transaction. So it does no harm to come twice, or at the same time as another process.
    """
    for start in range(0, len(found), _AT_ONCE):
        with transaction(store) as database:
            _count(database, found[start : start + _AT_ONCE])


def _count(database: peewee.Database, found: Sequence[Counted]) -> None:
    # Everybody takes locks in one order, ids and then rooms, so that no two can wait for each other.
    ids = sorted({each.message_id for each in found})
    rows = ", ".join([f"({database.param})"] * len(ids))
    inserted = database.execute_sql(
        f"INSERT INTO activity_counted (message_id) VALUES {rows} ON CONFLICT (message_id) DO NOTHING "
        "RETURNING message_id",
        ids,
    )
    fresh = {row[0] for row in inserted.fetchall()}
    messages: Counter[tuple[str, str]] = Counter()
    in_threads: Counter[tuple[str, str]] = Counter()
    for each in {each.message_id: each for each in found if each.message_id in fresh}.values():
        messages[each.room_id, each.day] += 1
        in_threads[each.room_id, each.day] += each.in_thread
    values: list[Any] = []
    for cell in sorted(messages):
        values += [*cell, messages[cell], in_threads[cell]]
    if values:
        place = ", ".join([database.param] * 4)
        rows = ", ".join([f"({place})"] * len(messages))
        database.execute_sql(
            f"INSERT INTO activity_day (room_id, day, messages, in_threads) VALUES {rows} "
            "ON CONFLICT (room_id, day) DO UPDATE SET messages = activity_day.messages + excluded.messages, "
            "in_threads = activity_day.in_threads + excluded.in_threads",
            values,
        )
