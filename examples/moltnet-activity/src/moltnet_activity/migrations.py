"""The series ``activity``. What is applied somewhere never changes again: a change is a further version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moltnet_activity.engines import Engine
from moltnet_core.migrations import Migration

__all__ = ["SERIES", "migrations"]

SERIES: Final = "activity"


def migrations(engine: Engine) -> Sequence[Migration]:
    """All versions, for one engine. They touch no table of the Moltnet server's, and refer to none."""
    return (
        # No message is counted here: a migration keeps everybody from writing until it is done. ``reconcile`` counts
        # them, a few at a time, when the store is opened.
        Migration.of_statements(
            SERIES,
            1,
            "tally",
            (
                f"CREATE TABLE activity_counted (message_id TEXT NOT NULL PRIMARY KEY){engine.key}",
                f"""CREATE TABLE activity_day (
                    room_id {engine.text} NOT NULL,
                    day {engine.text} NOT NULL,
                    messages BIGINT NOT NULL,
                    PRIMARY KEY (room_id, day)
                )""",
            ),
        ),
        # What is counted already has to be filled in at once, or the new column would be wrong for ever.
        Migration.of_statements(
            SERIES,
            2,
            "threads_apart",
            (
                "ALTER TABLE activity_day ADD COLUMN in_threads BIGINT NOT NULL DEFAULT 0",
                f"""UPDATE activity_day SET in_threads = found.messages
                FROM (
                    SELECT coalesce(room_id, '') AS room_id, {engine.day} AS day, count(*) AS messages
                    FROM messages JOIN activity_counted ON message_id = id
                    WHERE target_kind = 'thread'
                    GROUP BY 1, 2
                ) AS found
                WHERE activity_day.room_id = found.room_id AND activity_day.day = found.day""",
                "CREATE INDEX activity_day_by_day ON activity_day (day)",
            ),
            passes_over=("messages",),
        ),
    )
