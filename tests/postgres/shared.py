"""The one server that a test run shares, made when the first test wants it. Importing this costs nothing."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.postgres.server import Server

__all__ = ["DSN_VARIABLE", "new_location", "schemas_dropped", "shared_server"]

DSN_VARIABLE = "MOLTNET_TEST_POSTGRES_DSN"


def shared_server() -> Server:
    """The run's server: the one that ``MOLTNET_TEST_POSTGRES_DSN`` names, else one of our own.

    It ends with the run. Tests share it, so none suspends, kills or configures it: for that there is
    :class:`~tests.postgres.cluster.Cluster`.

    :raises ServerError: there is none. Asking again does not try again.
    """
    made = _make()
    if isinstance(made, Exception):
        raise made
    return made


def new_location() -> str:
    """The URL of a store in the shared server, with the name of a schema that is not there yet."""
    server = shared_server()
    return server.url(schema=server.new_schema())


@contextmanager
def schemas_dropped() -> Iterator[None]:
    """Drops the schemas of the shared server that were named inside. It does not make the server."""
    before = set(_schemas())
    yield
    if names := [name for name in _schemas() if name not in before]:
        shared_server().drop_schemas(names)


def _schemas() -> list[str]:
    made = _make() if _make.cache_info().currsize else None
    return [] if made is None or isinstance(made, Exception) else made.schemas


@cache
def _make() -> Server | Exception:
    from tests.postgres.cluster import Cluster
    from tests.postgres.server import Server, ServerError

    dsn = os.environ.get(DSN_VARIABLE, "").strip()
    try:
        server = Server.at(dsn) if dsn else Cluster()
    except ServerError as error:
        advice = "a role that may create databases" if dsn else "a server to use instead"
        return ServerError(f"The tests have no PostgreSQL server. {error}\n{DSN_VARIABLE} names {advice}.")
    atexit.register(_close, server, os.getpid())
    return server


def _close(server: Server, process: int) -> None:
    if os.getpid() == process:  # a forked child has a copy
        server.close()
