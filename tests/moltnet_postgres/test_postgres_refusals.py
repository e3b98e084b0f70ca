"""Servers that are not there, do not let us in, or are not what the DSN says."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from tests.moltnet_postgres.conftest import PASSWORD, Refused
from tests.moltnet_postgres.tls_front import AUTHORITY, STRANGER, tls_front
from tests.postgres.cluster import Cluster
from tests.postgres.process import LOOPBACK

from moltnet_core import ConfigError, ReadOnlyStoreError, Room, StoreUnavailableError, open_store
from moltnet_postgres.errors import connect_error
from moltnet_postgres.server import Server


def test_nobody_listens(own_cluster: Cluster, refused: Refused) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind((LOOPBACK, 0))
        port = str(bound.getsockname()[1])
        error = refused(StoreUnavailableError, own_cluster.url(port=port), f"127.0.0.1:{port}", "check host and port")
        assert isinstance(error, ConnectionError)
        refused(StoreUnavailableError, own_cluster.url("socket", host="/nowhere"), "check host and port")


def test_what_listens_is_no_postgresql(own_cluster: Cluster, refused: Refused) -> None:
    import threading

    def hang_up(listener: socket.socket) -> None:
        for _ in range(2):
            listener.accept()[0].close()

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        port = str(listener.getsockname()[1])
        url = own_cluster.url(port=port, sslmode="disable", gssencmode="disable")
        refused(StoreUnavailableError, url, "is it a PostgreSQL server")
        refused(StoreUnavailableError, url, "is it a PostgreSQL server")
        thread.join()


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"password": f"{PASSWORD}-not"}, "check user and password"),
        ({"password": None, "passfile": "/dev/null"}, "check user and password"),
        ({"user": "who"}, "check user and password"),
        ({"dbname": "nosuch"}, "no such database"),
        ({"require_auth": "none"}, "require_auth"),
        ({"sslmode": "require"}, "does not speak TLS"),
        ({"sslmode": "verify-full", "sslrootcert": "/missing"}, "does not speak TLS"),
        ({"target_session_attrs": "standby"}, "target_session_attrs"),
    ],
)
def test_the_login_is_refused(
    own_cluster: Cluster, refused: Refused, changes: dict[str, str | None], advice: str
) -> None:
    refused(StoreUnavailableError, own_cluster.url(**changes), advice)


@pytest.mark.parametrize(
    ("changes", "key", "advice"),
    [
        ({"sslmode": "bogus"}, "dsn (sslmode)", "verify-full"),
        ({"sslmode": "require", "sslrootcert": "system"}, "dsn (sslrootcert)", "verify-full"),
        ({"sslnegotiation": "direct"}, "dsn (sslnegotiation)", "sslmode=require"),
        ({"target_session_attrs": "bogus"}, "dsn", "libpq"),
        ({"service": "nosuch"}, "dsn", "libpq"),
        ({"keepalives": "x"}, "dsn", "libpq"),
        ({"statement_timeout": "bogus"}, "dsn", "value that the server does not take"),
        ({"nosuch_setting": PASSWORD}, "dsn", "setting that the server does not have"),
        ({"session_authorization": "postgres"}, "dsn", "may not change"),
        ({"role": "postgres"}, "dsn", "may not change"),
        ({"options": "-bogus"}, "dsn (options)", "-c name=value"),
        ({"search_path": "nosuch"}, "schema", "?schema=NAME"),
        ({"search_path": "pg_catalog"}, "schema", "?schema=NAME"),
        ({"search_path": "information_schema,public"}, "schema", "?schema=NAME"),
    ],
)
def test_the_dsn_says_what_cannot_be(
    own_cluster: Cluster, refused: Refused, changes: dict[str, str], key: str, advice: str
) -> None:
    error = refused(ConfigError, own_cluster.url(**changes), advice)
    assert isinstance(error, ConfigError)
    assert error.key == key


# -- TLS ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kind", "advice"),
    [
        ({"sslmode": "verify-full", "sslrootcert": str(STRANGER)}, StoreUnavailableError, "check the certificates"),
        ({"sslmode": "verify-ca", "sslrootcert": str(STRANGER)}, StoreUnavailableError, "check the certificates"),
        ({"sslmode": "verify-full", "sslrootcert": "/missing"}, ConfigError, "cannot be read"),
        ({"sslmode": "require", "sslcert": str(AUTHORITY), "sslkey": "/missing"}, ConfigError, "cannot be read"),
    ],
)
def test_tls_is_not_agreed_on(
    own_cluster: Cluster, refused: Refused, changes: dict[str, str], kind: Any, advice: str
) -> None:
    with tls_front(own_cluster.address) as port:
        refused(kind, own_cluster.url(port=str(port), gssencmode="disable", **changes), advice)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_is_right_is_taken(own_cluster: Cluster, host: str) -> None:
    with tls_front(own_cluster.address) as port:
        changes = {"host": host, "port": str(port), "sslmode": "verify-full", "sslrootcert": str(AUTHORITY)}
        with open_store(own_cluster.url(gssencmode="disable", pool_size="1", **changes), environ={}) as store:
            store.ping()


def test_a_certificate_of_another_host_is_refused(own_cluster: Cluster, refused: Refused) -> None:
    with tls_front(own_cluster.address) as port:
        changes = {"host": "elsewhere", "hostaddr": LOOPBACK, "port": str(port), "sslrootcert": str(AUTHORITY)}
        refused(StoreUnavailableError, own_cluster.url(sslmode="verify-full", **changes), "check the certificates")


# -- busy, starting, old -----------------------------------------------------------------------------


def test_there_are_too_many_connections(own_cluster: Cluster, refused: Refused) -> None:
    held: list[Any] = []

    def take_all() -> None:
        while len(held) < 50:
            held.append(psycopg2.connect(own_cluster.dsn()))

    try:
        with pytest.raises(psycopg2.OperationalError):
            take_all()
        refused(StoreUnavailableError, own_cluster.url(), "pool_size")
    finally:
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("statement", "undone", "advice"),
    [
        ("ALTER ROLE moltnet CONNECTION LIMIT 0", "ALTER ROLE moltnet CONNECTION LIMIT -1", "too many connections"),
        ("ALTER ROLE moltnet NOLOGIN", "ALTER ROLE moltnet LOGIN", "check user and password"),
        (
            "REVOKE CONNECT ON DATABASE {} FROM PUBLIC, moltnet",
            "GRANT CONNECT ON DATABASE {} TO PUBLIC",
            "GRANT CONNECT",
        ),
        ("ALTER DATABASE {} ALLOW_CONNECTIONS false", "ALTER DATABASE {} ALLOW_CONNECTIONS true", "ALLOW_CONNECTIONS"),
    ],
)
def test_nobody_is_let_in(own_cluster: Cluster, refused: Refused, statement: str, undone: str, advice: str) -> None:
    own_cluster.execute(statement.format(own_cluster.database), database="postgres")
    try:
        refused(StoreUnavailableError, own_cluster.url(), advice)
    finally:
        own_cluster.execute(undone.format(own_cluster.database), database="postgres")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("FATAL:  the database system is starting up", "try again in a moment"),
        ("FATAL:  the database system is not yet accepting connections", "try again in a moment"),
        ("FATAL:  the database system is in recovery mode", "try again in a moment"),
        ("FATAL:  the database system is shutting down", "try again in a moment"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ('could not translate host name "x" to address: Name or service not known', "host's name"),
        ("timeout expired", "connect_timeout"),
        ("something that nobody has seen yet", "could not be made"),
    ],
)
def test_what_libpq_says_becomes_advice_and_is_not_shown(text: str, advice: str) -> None:
    error = connect_error(psycopg2.OperationalError(f'connection to server at "h" failed: {text}\n'), "the place")
    assert type(error) is StoreUnavailableError
    assert advice in str(error)
    assert "FATAL" not in str(error)
    assert '"h"' not in str(error)


def _server(**changes: Any) -> Server:
    known: dict[str, Any] = {
        "place": "h, database 'd'",
        "read_only": False,
        "schema": "public",
        "version": 180004,
        "may_identify": True,
    }
    return Server(**(known | {"is_standby": False, "takes_no_writes": False, "fsync": "on"} | changes))


def test_a_server_that_is_too_old_is_refused(refused: Refused) -> None:
    refused(StoreUnavailableError, _server(version=130015).check, "PostgreSQL 13", "at least 14")
    refused(StoreUnavailableError, _server(version=90624, read_only=True).check, "PostgreSQL 9")
    _server(version=140000).check()


def test_a_server_that_takes_no_writes_is_refused(own_cluster: Cluster, refused: Refused) -> None:
    refused(ReadOnlyStoreError, _server(is_standby=True, takes_no_writes=True).check, "standby", "mode=ro")
    url = own_cluster.url(default_transaction_read_only="on")
    refused(ReadOnlyStoreError, url, "set to read-only", "mode=ro")
    with open_store(url, environ={}, read_only=True) as store:
        store.ping()


def test_a_server_that_does_not_sync_is_warned_of(own_cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), open_store(own_cluster.url(), environ={}):
        pass
    assert any("fsync=off" in record.getMessage() for record in caplog.records)
    assert PASSWORD not in caplog.text


# -- where the DSN stands ----------------------------------------------------------------------------


def test_the_dsn_may_stand_in_the_environment_or_a_file(
    own_cluster: Cluster, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for dsn in (own_cluster.dsn(), own_cluster.url(), own_cluster.url().replace("postgres:", "postgresql:")):
        with open_store(environ={"MOLTNET_POSTGRES_DSN": dsn}) as store:
            assert store.backend.name == "postgres"
        file = tmp_path / "moltnet.yaml"
        file.write_text(f'storage:\n  kind: postgres\n  postgres:\n    dsn: "{dsn}"\n')
        file.chmod(0o600)
        with open_store(environ={}) as store:
            assert store.backend.name == "postgres"
        file.unlink()
    with open_store(own_cluster.url().replace("postgres:", "postgresql:"), environ={}) as store:
        store.create_room(Room("by-the-other-scheme", "net"))
    wrong = own_cluster.dsn(password=f"{PASSWORD}-not")
    refused(StoreUnavailableError, None, "check user", environ={"MOLTNET_POSTGRES_DSN": wrong})
