"""Places beside a given one, for tests that need many: schemas of one database."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from moltnet_core.config import dsn_url, parse_url
from moltnet_postgres.dsn import parse_dsn
from moltnet_postgres.settings import PostgresSettings

__all__ = ["drop_schema", "schema_beside"]

LONGEST = 63  # bytes of a name


def schema_beside(location: str, label: str) -> str:
    """The same database, with a schema of its own whose name ends in the label."""
    url = parse_url(location)
    kept = url.without(["schema"])
    name = f"{url.query.get('schema', 'moltnet')[: LONGEST - len(label) - 1]}_{label}"
    return f"{kept}{'&' if '?' in kept else '?'}schema={quote(name, safe='')}"


def drop_schema(location: str) -> None:
    """Drop the schema that :func:`schema_beside` named, with everything in it."""
    import psycopg2
    from psycopg2.sql import SQL, Identifier

    found = dsn_url(parse_url(location), PostgresSettings)
    parameters: dict[str, Any] = dict(parse_dsn(found["dsn"]).parameters)
    connection = psycopg2.connect(**parameters)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
            cursor.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(found["schema"])))
    finally:
        connection.close()
