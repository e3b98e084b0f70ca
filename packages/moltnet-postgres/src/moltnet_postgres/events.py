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

EVENTS: Final = (CONNECTION_LOST, WRONG_SERVER, FSYNC_OFF, UNWATCHED)
