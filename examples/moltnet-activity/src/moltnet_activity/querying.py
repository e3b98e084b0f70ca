"""What a service asks the tally."""

from __future__ import annotations

from datetime import UTC, date, datetime

from attrs import frozen

from moltnet_activity.migrations import SERIES
from moltnet_core import MigrationRequiredError, Store
from moltnet_sql import transaction

__all__ = ["RoomActivity", "busiest_rooms"]


@frozen
class RoomActivity:
    """How busy a room was.

    :param messages: how many it had, its threads included.
    :param in_threads: how many of those were in threads.
    :param last_day: the last day that had any.
    """

    room_id: str
    messages: int
    in_threads: int
    last_day: str


def busiest_rooms(store: Store, *, since: date | None = None, limit: int = 10) -> list[RoomActivity]:
    """The rooms with the most messages, removed rooms included; equally busy ones by id.

    It reads the tally and no message, so it costs the same in a store of a thousand messages as in one of millions.

    :param since: the first day that counts, in UTC; without it all do.
    :param limit: how many rooms.
    :raises UnsupportedCapabilityError: the store is not kept in an SQL database.
    :raises MigrationRequiredError: a store that was opened read-only has no tally of this version.
    """
    if isinstance(since, datetime):
        since = since.astimezone(UTC).date()
    if store.read_only:  # as any other has been migrated when it was opened
        pending = [step.label for step in store.migration_status().pending if step.series == SERIES]
        if pending:
            raise MigrationRequiredError(pending)
    with transaction(store, write=False) as database:
        rows = database.execute_sql(
            f"""SELECT room_id, sum(messages), sum(in_threads), max(day) FROM activity_day
            WHERE room_id <> '' AND day >= {database.param}
            GROUP BY room_id ORDER BY 2 DESC, 1 LIMIT {database.param}""",
            (since.isoformat() if since else "", limit),
        ).fetchall()
    return [RoomActivity(room, int(messages), int(in_threads), day) for room, messages, in_threads, day in rows]
