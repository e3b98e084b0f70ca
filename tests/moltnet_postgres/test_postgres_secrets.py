"""No byte of a password in an error, its chain, a log or a representation, however wrong the DSN is."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from urllib.parse import quote

import pytest
from tests.children import chain, foreign_in_chain
from tests.moltnet_postgres.support import Place

from moltnet_core import ConfigError, MoltnetError, StorageConfig, StoreUnavailableError, open_store
from moltnet_core.config import redact_url
from moltnet_postgres.dsn import parse_dsn
from moltnet_postgres.settings import PostgresSettings

MARKER = "qZ7vXq9KwJ3xQ"  # no piece of which is in any other text
PIECES = [MARKER[place : place + 4] for place in range(len(MARKER) - 3)]

# What is wrong with each, and what it is; {at} is a server that is there, and nothing listens on {off}.
DSNS = {
    "wrong password": "postgres://moltnet:{p}@{at}/{db}",
    "wrong password in the query": "postgres://moltnet@{at}/{db}?password={p}",
    "wrong password in words": "host={host} port={port} user=moltnet password={p} dbname={db}",
    "wrong user": "postgres://nobody:{p}@{at}/{db}",
    "wrong host": "postgres://moltnet:{p}@no-such-host.invalid/{db}",
    "wrong port": "postgres://moltnet:{p}@127.0.0.1:1/{db}",
    "port that is no number": "postgres://moltnet:{p}@127.0.0.1:54x2/{db}",
    "port out of range": "postgres://moltnet:{p}@127.0.0.1:99999/{db}",
    "password taken for a port": "postgres://moltnet:{p}/{db}",
    "wrong sslmode": "postgres://moltnet:{p}@{at}/{db}?sslmode=perhaps",
    "tls that is not there": "postgres://moltnet:{p}@{at}/{db}?sslmode=require",
    "slash in the password": "postgres://moltnet:a/{p}@{at}/{db}",
    "digits and a slash in the password": "postgres://moltnet:1/{p}@{at}/{db}",
    "escaped slash before a folder": "postgres://moltnet@{at}/{db}?host=a%20password={p}",
    "at sign in the password": "postgres://moltnet:a@{p}@{at}/{db}",
    "question mark in the password": "postgres://moltnet:a?{p}@{at}/{db}",
    "hash in the password": "postgres://moltnet:a#{p}@{at}/{db}",
    "bad escape": "postgres://moltnet:{p}%zz@{at}/{db}",
    "escaped zero": "postgres://moltnet:{p}%00@{at}/{db}",
    "escape that is no text": "postgres://moltnet:{p}%ff@{at}/{db}",
    "lone surrogate": "postgres://moltnet:{p}\udcff@{at}/{db}",
    "unicode": "postgres://moltnet:{p}é雪@{at}/{db}",
    "unclosed quote": "host={host} port={port} user=moltnet password='{p} dbname={db}",
    "unquoted space": "host={host} port={port} user=moltnet password=a {p} dbname={db}",
    "space around the equals sign": "host={host} port={port} user=moltnet password = {p} dbname={db}",
    "backslash at the end": "host={host} port={port} user=moltnet dbname={db} password={p}\\",
    "misspelt key": "host={host} port={port} user=moltnet dbname={db} pasword={p}",
    "unknown setting": "postgres://moltnet@{at}/{db}?{p}=1",
    "unclosed bracket": "postgres://moltnet:{p}@[::1/{db}",
    "unbalanced hosts": "postgres://moltnet:{p}@127.0.0.1:1,127.0.0.1/{db}?port=1,2,3",
    "no scheme": "moltnet:{p}@{at}/{db}",
    "zero byte": "postgres://moltnet:{p}\0@{at}/{db}",
}


def from_url(dsn: str) -> None:
    open_store(dsn, environ={}).close()


def from_environment(dsn: str) -> None:
    open_store(environ={"MOLTNET_POSTGRES_DSN": dsn}).close()


def from_config(dsn: str) -> None:
    open_store(StorageConfig(kind="postgres", settings={"dsn": dsn, "connect_timeout": 2}), environ={}).close()


def assert_clean(text: str) -> None:
    assert not [piece for piece in PIECES if piece in text], text.replace(MARKER, "<the password>")


@pytest.mark.parametrize("way", [from_config, from_environment, from_url])
@pytest.mark.parametrize("name", DSNS)
def test_nothing_of_the_password_is_shown(
    place: Place, caplog: pytest.LogCaptureFixture, name: str, way: Callable[[str], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    host, port = place.address
    dsn = DSNS[name].format(p=MARKER, host=host, port=port, at=f"{host}:{port}", db=place.server.database)
    if way is from_url and not dsn.startswith("postgres"):
        dsn = f"postgres://moltnet@{host}:{port}/{place.server.database}?{quote(dsn, safe='=&')}"
    with pytest.raises(MoltnetError) as caught:
        way(dsn)
    error = caught.value
    assert isinstance(error, ConfigError | StoreUnavailableError)
    assert foreign_in_chain(error) == []
    for found in chain(error):
        assert_clean(str(found))
        assert_clean(repr(found))
    assert_clean("".join(traceback.TracebackException.from_exception(error).format()))
    assert_clean(str(pickle.loads(pickle.dumps(error))))
    for record in caplog.records:
        assert_clean(f"{record.getMessage()} {vars(record)!r}")


def test_nothing_of_a_right_password_is_shown(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    role = place.server.create_role(password=MARKER)
    place.server.execute(f"GRANT CREATE ON DATABASE {place.server.database} TO {role}")
    url, dsn = place.url(user=role, password=MARKER), place.server.dsn(user=role, password=MARKER)
    with open_store(url, environ={}) as store:
        driver = store.driver
        connection = driver._pool.take()  # type: ignore[attr-defined]
        shown = [repr(each) for each in (store, driver, connection, connection.dsn, parse_dsn(dsn))]
        shown += [repr(PostgresSettings(dsn=dsn)), str(store.describe()), redact_url(url)]
        driver._pool.give(connection)  # type: ignore[attr-defined]
        place.server.terminate_backends("moltnet-storage")
        for _ in range(2):
            try:
                store.ping()
            except MoltnetError as error:
                shown += [repr(found) for found in chain(error)]
    assert_clean(" ".join(shown))
    # The connections that were ended are told of, with the server's name.
    assert "moltnet.postgres.connection_lost" in [vars(record).get("event") for record in caplog.records]
    assert_clean(" ".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records))
    place.server.execute(f"DROP SCHEMA IF EXISTS {place.schema} CASCADE; DROP OWNED BY {role}; DROP ROLE {role}")


def test_the_password_is_in_no_frame_of_a_connection_that_fails(place: Place) -> None:
    """Of our own code below the pool, whose callers hold settings that hide it."""
    from moltnet_postgres.server import Connector

    host, port = place.address
    connector = Connector(
        PostgresSettings(dsn=f"postgres://moltnet:{MARKER}@{host}:{port}/{place.server.database}"), read_only=False
    )
    with pytest.raises(StoreUnavailableError) as caught:
        connector.connect()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    of_ours = [frame for frame in frames.stack if "moltnet_postgres/src" in frame.filename or frame.name == "connect"]
    assert of_ours
    for frame in of_ours:
        assert_clean(str(frame.locals))
