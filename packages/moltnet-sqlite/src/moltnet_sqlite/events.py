"""What this backend logs: see :mod:`moltnet_core.events`."""

from __future__ import annotations

from typing import Final

from moltnet_core.events import Event, Level

__all__ = ["EVENTS"]

ENGINE_UNSAFE: Final = Event(
    "moltnet.sqlite.engine_unsafe",
    "moltnet_sqlite",
    Level.WARNING,
    ("version", "engine"),
    "This SQLite can lose committed data when a checkpoint races a commit. Install `pysqlite3` for a fixed one.",
)
LOG_GROWN: Final = Event(
    "moltnet.sqlite.log_grown",
    "moltnet_sqlite",
    Level.WARNING,
    ("path", "bytes"),
    "Somebody has been reading for so long that the write-ahead log could not begin anew. Find who holds a snapshot "
    "or a transaction open.",
)

EVENTS: Final = (ENGINE_UNSAFE, LOG_GROWN)
