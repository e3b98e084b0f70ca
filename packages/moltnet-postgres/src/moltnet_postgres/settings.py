"""The settings of the PostgreSQL backend."""

from __future__ import annotations

from attrs import frozen

from moltnet_core.config import redact_url, setting
from moltnet_postgres.dsn import check_dsn

__all__ = ["PostgresSettings"]


def _check_schema(schema: str) -> str | None:
    if not schema.strip() or "\0" in schema or "%" in schema:
        return "expected the name of a schema, without '%'"
    if len(schema.encode()) > 63:
        return "a schema's name has at most 63 bytes"
    if schema.startswith("pg_") or schema == "information_schema":
        return "names that begin with pg_, and information_schema, are the server's own"
    return None


@frozen
class PostgresSettings:
    """Where the database is and how it is used."""

    dsn: str = setting(
        help="the database: a URL (postgres://user@host:5432/name) or libpq's key=value words",
        secret=True,
        check=check_dsn,
        redact=redact_url,
    )
    schema: str | None = setting(
        default=None,
        help="the schema that holds the tables, created if it is missing; else the first of the search_path",
        check=_check_schema,
    )
    connect_timeout: float = setting(
        default=10.0, help="how long to wait for a connection, for each host", unit="s", minimum=2, maximum=3600
    )
    call_timeout: float = setting(
        default=30.0,
        help="how long one statement may take before it is given up, and its connection closed",
        unit="s",
        minimum=0.1,
        maximum=86400,
    )
    busy_timeout: float = setting(
        default=5.0, help="how long to wait for a lock that somebody else holds", unit="s", minimum=0.001, maximum=3600
    )
    migration_timeout: float = setting(
        default=3600.0,
        help="how long one schema migration may take, and wait for one that runs elsewhere",
        unit="s",
        minimum=1,
        maximum=86400,
    )
    pool_size: int = setting(default=10, help="how many connections a store has at most", minimum=1, maximum=1000)
    pool_timeout: float = setting(
        default=10.0, help="how long a call waits for a connection of the pool", unit="s", minimum=0, maximum=3600
    )
    pool_lifetime: float = setting(
        default=1800.0, help="the age at which a connection is closed, between two calls", unit="s", minimum=1
    )
    pool_check_after: float = setting(
        default=30.0,
        help="after being idle for so long a connection is tried by a round trip before it is used",
        unit="s",
        minimum=0,
    )
