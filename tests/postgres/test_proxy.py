"""The proxy fails exactly where it says, and otherwise nobody notices it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import connection
from tests.postgres.cluster import Cluster
from tests.postgres.link import How
from tests.postgres.proxy import Proxy

WAIT = 30.0


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    cluster.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept (number int); GRANT ALL ON kept TO moltnet")
    with Proxy(cluster.address) as proxy:
        yield proxy


@pytest.fixture
def client(cluster: Cluster, proxy: Proxy) -> Iterator[connection]:
    client = psycopg2.connect(cluster.url(**proxy.login))
    yield client
    client.close()


def run(client: connection, sql: str) -> None:
    with client.cursor() as cursor:
        cursor.execute(sql)


def kept(cluster: Cluster) -> int:
    return int(cluster.execute("SELECT count(*) FROM kept")[0][0])


def test_what_is_forwarded_is_counted(client: connection, proxy: Proxy) -> None:
    assert proxy.round_trips == 0
    with client.cursor() as cursor:
        cursor.execute("SELECT repeat('x', 1000000), 'é'")
        assert cursor.fetchone() == ("x" * 1000000, "é")
        cursor.execute("INSERT INTO kept VALUES (length(%s))", ["y" * 1000000])
    client.commit()
    assert proxy.round_trips == 4
    assert [statement[:6] for statement in proxy.statements] == ["BEGIN", "SELECT", "INSERT", "COMMIT"]
    assert proxy.connections == 1


def test_encryption_is_declined(cluster: Cluster, proxy: Proxy) -> None:
    login = {**proxy.login, "sslmode": "prefer", "gssencmode": "prefer"}
    psycopg2.connect(cluster.url(**login)).close()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("answered", [True, False])
def test_the_connection_is_cut_at_a_commit(
    cluster: Cluster, client: connection, proxy: Proxy, how: How, answered: bool
) -> None:
    cut = proxy.cut(answered=answered, how=how)
    run(client, "INSERT INTO kept VALUES (1)")
    with pytest.raises(psycopg2.OperationalError):
        client.commit()
    assert cut.done.wait(WAIT)
    assert cut.tags == (["COMMIT"] if answered else [])
    assert kept(cluster) == answered
    with psycopg2.connect(cluster.url(**proxy.login)) as again:
        run(again, "INSERT INTO kept VALUES (2)")
    again.close()
    assert kept(cluster) == answered + 1


def test_the_answer_to_one_statement_is_withheld(cluster: Cluster, client: connection, proxy: Proxy) -> None:
    client.autocommit = True
    cut = proxy.cut("^insert into kept", how="silence")
    errors: list[psycopg2.Error] = []

    def write() -> None:
        try:
            run(client, "INSERT INTO kept VALUES (1)")
        except psycopg2.Error as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert cut.done.wait(WAIT)
    assert (cut.tags, kept(cluster)) == (["INSERT 0 1"], 1)
    writer.join(0.2)
    assert writer.is_alive()
    proxy.cut_all()
    writer.join(WAIT)
    assert len(errors) == 1
    assert proxy.connections == 0


def test_what_is_held_goes_on_when_released(cluster: Cluster, client: connection, proxy: Proxy) -> None:
    client.autocommit = True
    proxy.hold()
    writers = [
        threading.Thread(target=run, args=(client, "INSERT INTO kept VALUES (1)")),
        threading.Thread(target=lambda: psycopg2.connect(cluster.url(**proxy.login)).close()),
    ]
    for writer in writers:
        writer.start()
    writers[0].join(0.2)
    assert all(writer.is_alive() for writer in writers)
    assert kept(cluster) == 0
    proxy.release()
    for writer in writers:
        writer.join(WAIT)
        assert not writer.is_alive()
    assert kept(cluster) == 1


def test_a_server_that_is_away_is_an_error(cluster: Cluster, proxy: Proxy) -> None:
    proxy.target = ("127.0.0.1", 1)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(cluster.url(**proxy.login))


def test_what_is_held_ends_with_the_proxy(cluster: Cluster) -> None:
    with Proxy(cluster.address) as proxy:
        client = psycopg2.connect(cluster.url(**proxy.login))
        proxy.hold()
    with pytest.raises(psycopg2.OperationalError):
        run(client, "SELECT 1")
    client.close()
