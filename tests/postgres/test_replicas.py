"""A standby holds what its primary acknowledged, and can take over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg2
import pytest
from tests.postgres.cluster import Cluster
from tests.postgres.replicas import Standby, both, replicated

WAIT = 30.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Cluster, Standby]]:
    with replicated() as pair:
        yield pair


def test_a_commit_is_acknowledged_when_the_standby_has_it(pair: tuple[Cluster, Standby]) -> None:
    primary, standby = pair
    standby.pause()
    writer = threading.Thread(target=primary.execute, args=["CREATE TABLE kept AS SELECT 1 AS number"])
    writer.start()
    until = time.monotonic() + WAIT
    while primary.execute(WAITING) == [(0,)]:
        assert time.monotonic() < until, primary.log
    assert writer.is_alive()
    standby.resume()
    writer.join(WAIT)
    assert not writer.is_alive()


def test_the_standby_takes_over(pair: tuple[Cluster, Standby]) -> None:
    primary, standby = pair
    primary.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 1 AS number; GRANT ALL ON kept TO moltnet")
    where = primary.url(**both(primary, standby))
    client = psycopg2.connect(where)
    assert client.info.port == primary.port
    client.close()
    primary.kill()
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        standby.execute("INSERT INTO kept VALUES (2)")
    standby.promote()
    with psycopg2.connect(where) as client, client.cursor() as cursor:
        assert client.info.port == standby.port
        cursor.execute("INSERT INTO kept VALUES (2)")
        cursor.execute("SELECT number FROM kept ORDER BY number")
        assert cursor.fetchall() == [(1,), (2,)]
    client.close()
