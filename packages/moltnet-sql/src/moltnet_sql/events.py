"""What the SQL backends have in common to log: see :mod:`moltnet_core.events`."""

from __future__ import annotations

from typing import Final

from moltnet_core.events import Event, Level

__all__ = ["EVENTS"]

STATEMENT: Final = Event(
    "moltnet.sql.statement",
    "moltnet_sql",
    Level.DEBUG,
    ("sql",),
    "A statement of a migration or a plugin, without its parameters.",
)
WRITE_REPEATED: Final = Event(
    "moltnet.sql.write_repeated",
    "moltnet_sql",
    Level.DEBUG,
    ("attempt",),
    "A write begins anew, as another writer has just stored what it was about to store.",
)

EVENTS: Final = (STATEMENT, WRITE_REPEATED)
