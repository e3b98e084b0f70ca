"""Places beside a given one, for tests that need many: schemas of one database."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from moltnet_core.config import check_label, dsn_url, parse_url, settings_from_url
from moltnet_postgres.settings import PostgresSettings

__all__ = ["drop_schema", "schema_beside"]

LONGEST = 63  # bytes of a name


def schema_beside(location: str, label: str) -> str:
    """The same database, with a schema of its own whose name ends in the label.

    :raises ValueError: it is no label, or too long for one.
    :raises ConfigError: the location is no URL.
    """
    check_label(label)
    url = parse_url(location)
    left = LONGEST - len(label) - 1
    if left < 1:
        raise ValueError(f"a label has at most {LONGEST - 2} characters")
    # Bytes count, and a name that is cut stays text.
    name = url.query.get("schema", "moltnet").encode()[:left].decode(errors="ignore")
    kept = url.without(["schema"])
    return f"{kept}{'&' if '?' in kept else '?'}schema={quote(f'{name}_{label}', safe='')}"


def drop_schema(location: str, label: str) -> None:
    """Drop the schema that :func:`schema_beside` names, with everything in it.

    It waits for locks as a store's calls do, ``busy_timeout`` seconds, and for an answer ``call_timeout`` seconds.

    :raises ValueError: it is no label. Nothing is dropped.
    :raises ConfigError: the URL's settings or its DSN cannot be used. Nothing is dropped.
    :raises StoreUnavailableError: the server cannot be reached, or is gone.
    :raises StoreBusyError: somebody is in the middle of a transaction there.
    :raises ReadOnlyStoreError: this role may not drop it, or the server takes no writes.
    """
    url = parse_url(schema_beside(location, label))
    settings = settings_from_url(PostgresSettings, url, partial(dsn_url, settings=PostgresSettings))

    import psycopg2

    from moltnet_postgres.dialect import quoted
    from moltnet_postgres.errors import translate_error
    from moltnet_postgres.server import Connector, Server

    connector = Connector(settings, read_only=False)
    connection = connector.connect()
    failure = None
    try:
        server = Server.of(connection, settings, connector.place, read_only=False)
        connection.limits = server.limits(settings, connector.server_settings)
        connection.cursor().execute(f"DROP SCHEMA IF EXISTS {quoted(server.schema)} CASCADE")
    except psycopg2.Error as error:
        failure = translate_error(error, connector.place, committing=True)
    finally:
        connection.close()
        connector.watchdog.rest()
    if failure is not None:
        raise failure from failure.__cause__
