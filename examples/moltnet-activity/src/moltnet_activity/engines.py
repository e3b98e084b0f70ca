"""What SQLite and PostgreSQL spell differently in the SQL of this plugin, but for placeholders: ``database.param``."""

from __future__ import annotations

from typing import Final

from attrs import frozen

__all__ = ["ENGINES", "Engine"]


@frozen
class Engine:
    """One engine's spelling.

    :param text: the type of the columns that order: by code point on both.
    :param key: what makes a table of nothing but its key small.
    :param day: the day of ``messages.created_at``, in UTC.
    :param lock: keeps others from writing the tables until the transaction ends, where beginning it does not.
    """

    text: str
    key: str
    day: str
    lock: str | None


ENGINES: Final = {
    "sql:sqlite": Engine(
        text="TEXT",
        key=" WITHOUT ROWID",
        day="substr(created_at, 1, 10)",
        lock=None,
    ),
    "sql:postgres": Engine(
        text='TEXT COLLATE "C"',
        key="",
        day="""coalesce(to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), '') COLLATE "C\"""",
        lock="LOCK TABLE activity_counted, activity_day IN EXCLUSIVE MODE",
    ),
}
"""By ``Backend.migration_target``. On any other backend this plugin does nothing."""
