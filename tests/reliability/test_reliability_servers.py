"""The PostgreSQL servers that only the long tests use, as they need packages of Debian's, are what they say."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
from tests.postgres import locales, pooler
from tests.postgres.cluster import Cluster
from tests.postgres.pooler import Pooler
from tests.postgres.server import ServerError


def test_a_server_that_sorts_as_people_do() -> None:
    with Cluster(locale="en_US.UTF-8") as cluster:
        words = ["Zoe", "ann", "É", "e"]
        query = "SELECT word FROM unnest(%s) AS word ORDER BY word"
        found = [row[0] for row in cluster.execute(query, [words])]
        assert found == ["ann", "e", "É", "Zoe"]
        assert found != sorted(words)


def test_a_pooler_whose_clients_share_a_session() -> None:
    with Cluster() as cluster, Pooler(cluster, sessions=1) as between, ExitStack() as stack:
        clients = [psycopg2.connect(cluster.url(**between.login)) for _ in range(2)]
        for client in clients:
            stack.callback(client.close)
        seen = set()
        for client in clients:
            with client.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                seen.add(cursor.fetchone())
            client.commit()
        assert len(seen) == 1
        with pytest.raises(psycopg2.OperationalError, match="SASL authentication failed"):
            psycopg2.connect(cluster.url(**{**between.login, "password": "wrong"}))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(locales, "SOURCES", tmp_path)
    with pytest.raises(ServerError, match="apt-get install locales"):
        Cluster(locale="en_US.UTF-8")
    monkeypatch.setattr(pooler, "SEARCHED", str(tmp_path))
    with Cluster() as cluster, pytest.raises(ServerError, match="apt-get install pgbouncer"):
        Pooler(cluster)
