"""The ``postgres`` backend: ``postgres://user@host:5432/database``, also as ``postgresql://``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from moltnet_core.backend import Backend, Power, Trait
from moltnet_core.config import dsn_url
from moltnet_core.driver import Driver
from moltnet_core.migrations import Migration
from moltnet_core.plugins import hookimpl
from moltnet_postgres.limits import refused
from moltnet_postgres.places import drop_schema, schema_beside
from moltnet_postgres.settings import PostgresSettings

__all__ = ["BACKEND"]


def _open(settings: PostgresSettings, *, read_only: bool = False) -> Driver:
    from moltnet_postgres.driver import PostgresDriver

    return PostgresDriver(settings, read_only=read_only)


BACKEND = Backend(
    name="postgres",
    summary="a PostgreSQL database, shared by processes and machines",
    durability="persistent, shared: a returned write survives a crash of the server, as far as its disk does",
    settings=PostgresSettings,
    open=_open,
    from_url=partial(dsn_url, settings=PostgresSettings),
    traits=(Trait.PERSISTENT, Trait.MULTI_PROCESS),
    powers=(Power.READ_ONLY, Power.MIGRATIONS, Power.WATCH),
    time_digits=6,
    refuses=refused,
    migration_target="sql:postgres",
    sublocation=schema_beside,
    drop_sublocation=drop_schema,
)


@hookimpl
def moltnet_register_backend() -> Backend:
    """The backend."""
    return BACKEND


@hookimpl
def moltnet_migrations(backend: Backend) -> Sequence[Migration]:
    """The Go server's versions, and the indexes that this backend adds."""
    if backend is not BACKEND:
        return ()
    from moltnet_postgres.migrations import MIGRATIONS

    return MIGRATIONS
