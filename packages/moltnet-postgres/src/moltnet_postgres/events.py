"""What this backend logs: see :mod:`moltnet_core.events`."""

from __future__ import annotations

from typing import Final

from moltnet_core.events import Event, Level

__all__ = ["EVENTS"]

CONNECTION_LOST: Final = Event(
    "moltnet.postgres.connection_lost",
    "moltnet_postgres",
    Level.WARNING,
    ("server", "idle"),
    "A connection is dead, so none that is as old is used again, `idle` ones among them; others are opened as they are "
    "needed. Once after a restart or failover it is no reason to worry.",
)
WRONG_SERVER: Final = Event(
    "moltnet.postgres.wrong_server",
    "moltnet_postgres",
    Level.WARNING,
    ("server", "idle"),
    "The server takes no writes any more, as after a failover. All its connections are replaced.",
)
FSYNC_OFF: Final = Event(
    "moltnet.postgres.fsync_off",
    "moltnet_postgres",
    Level.WARNING,
    ("server",),
    "The server runs with `fsync=off`: a crash of its machine may lose what was acknowledged.",
)
UNWATCHED: Final = Event(
    "moltnet.postgres.unwatched",
    "moltnet_postgres",
    Level.WARNING,
    (),
    "No thread could be started that ends calls which the server does not answer.",
)
FEED_MADE: Final = Event(
    "moltnet.postgres.feed_made",
    "moltnet_postgres",
    Level.INFO,
    ("server",),
    "The first watch of a database: a table and a trigger keep the order of its new messages from now on.",
)
FEED_MENDED: Final = Event(
    "moltnet.postgres.feed_mended",
    "moltnet_postgres",
    Level.WARNING,
    ("server", "messages"),
    "So many messages had no place among the new ones, as the trigger could not write it, and were put at their end.",
)
FEED_BROKEN: Final = Event(
    "moltnet.postgres.feed_broken",
    "moltnet_postgres",
    Level.WARNING,
    ("server",),
    "Some messages are not followed, and this store may not mend that. Let the tables' owner begin a watch.",
)
FEED_HELD_BACK: Final = Event(
    "moltnet.postgres.feed_held_back",
    "moltnet_postgres",
    Level.WARNING,
    ("server",),
    "A transaction that has been writing for long holds back what was committed after it began. See `backend_xid` in "
    "`pg_stat_activity`, and `pg_prepared_xacts`.",
)

EVENTS: Final = (
    CONNECTION_LOST,
    WRONG_SERVER,
    FSYNC_OFF,
    UNWATCHED,
    FEED_MADE,
    FEED_MENDED,
    FEED_BROKEN,
    FEED_HELD_BACK,
)
