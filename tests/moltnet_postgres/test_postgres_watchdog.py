"""The watchdog: it ends what is not answered, that alone, and is gone when there is nothing to watch."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from tests.children import foreign_in_chain, wait_until
from tests.moltnet_postgres.support import Place, a_message, seconds_of
from tests.postgres.cluster import Cluster
from tests.postgres.proxy import Proxy

from moltnet_core import StoreUnavailableError
from moltnet_postgres.connections import Connection, DeadlineError
from moltnet_postgres.watchdog import Watchdog

NAME = "moltnet-postgres-watchdog"


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def descriptors() -> set[str]:
    """The numbers of what this process has open, but for the folder that they are read from."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}


class Call:
    """A call that notes when it was cut."""

    def __init__(self) -> None:
        self.was_cut = threading.Event()

    def cut(self) -> None:
        self.was_cut.set()


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog()
    yield watchdog
    watchdog.rest()


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection]:
    made = psycopg2.connect(cluster.dsn(), connection_factory=Connection)
    made.watchdog = Watchdog()
    with closing(made):
        yield made
    made.watchdog.rest()


def test_a_call_past_its_deadline_is_cut_and_no_other(watchdog: Watchdog) -> None:
    late, punctual, ended = Call(), Call(), Call()
    watchdog.begin(punctual, 30)
    watchdog.begin(ended, 0.05)
    assert watchdog.end(ended) is False
    watchdog.begin(late, 0.05)
    assert late.was_cut.wait(30)
    assert watchdog.end(late) is True
    assert watchdog.end(punctual) is False
    assert not punctual.was_cut.is_set()
    assert not ended.was_cut.is_set()


def test_its_thread_ends_when_told_to_rest_and_comes_back(watchdog: Watchdog) -> None:
    before = len(watchers())
    for _ in range(3):
        call = Call()
        watchdog.begin(call, 30)
        assert len(watchers()) == before + 1
        watchdog.end(call)
        watchdog.rest()
        assert len(watchers()) == before


def test_it_does_not_rest_while_a_call_goes_on(watchdog: Watchdog) -> None:
    call = Call()
    watchdog.begin(call, 0.2)
    watchdog.rest()
    assert call.was_cut.wait(30)


def test_a_call_goes_on_unwatched_where_no_thread_can_be_had(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is when the interpreter ends: functions of ``atexit`` may use a store."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr("moltnet_postgres.watchdog.threading.Thread.start", refuse)
        store = place.made()
        store.append_message(a_message("m1"))
    assert "no thread can be started" in caplog.text
    store.append_message(a_message("m2"))
    assert len(watchers()) == 1
    assert place.stored() == ["m1", "m2"]


def test_it_ends_with_the_store(place: Place) -> None:
    store = place.made()
    store.append_message(a_message("m1"))
    assert len(watchers()) == 1
    store.close()
    assert watchers() == []


def test_it_ends_with_the_last_call_of_a_pool_that_is_closed(place: Place) -> None:
    store: Any = place.made()
    pool = store.driver._pool
    connection = pool.take()
    pool.close()
    connection.cursor().execute("SELECT 1")
    pool.give(connection)
    assert watchers() == []


# -- descriptors -------------------------------------------------------------------------------------------


def test_another_socket_with_the_number_of_a_closed_one_is_not_cut(connection: Connection) -> None:
    """libpq closes its descriptor the moment it finds the connection broken, and the next socket gets the number."""
    number = connection.fileno()
    one, other = socket.socketpair()
    with one, other:
        kept = os.dup(number)
        os.dup2(one.fileno(), number)
        try:
            connection.cut()
            one.sendall(b"still there")
            assert other.recv(20) == b"still there"
        finally:
            os.dup2(kept, number)
            os.close(kept)


def test_a_connection_that_is_dropped_leaves_no_descriptor(cluster: Cluster) -> None:
    before = descriptors()
    made = psycopg2.connect(cluster.dsn(), connection_factory=Connection)
    assert len(descriptors() - before) == 2
    del made
    assert descriptors() - before == set()
    made = psycopg2.connect(cluster.dsn(), connection_factory=Connection)
    made.close()
    made.close()
    assert descriptors() - before == set()


def test_an_answer_at_the_very_last_moment_stands_and_the_connection_goes(connection: Connection) -> None:
    class Late(Watchdog):
        def end(self, connection: Any) -> bool:
            connection.cut()
            super().end(connection)
            return True

    connection.watchdog = Late()
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]
    assert not connection.is_usable
    connection.watchdog.rest()


# -- with a server that does not answer ------------------------------------------------------------------------


def test_a_statement_past_its_deadline_fails_in_time(connection: Connection) -> None:
    connection.patience = 0.2
    began = time.monotonic()
    with pytest.raises(DeadlineError):
        connection.cursor().execute("SELECT pg_sleep(30)")
    assert 0.2 <= time.monotonic() - began < 5
    assert connection.closed


def test_the_server_speaks_before_the_watchdog_and_the_connection_stays(place: Place, proxy: Proxy) -> None:
    """It alone knows that nothing was done."""
    store = place.made(call_timeout=1, busy_timeout=30, pool_size=1, **proxy.login)
    made = len(proxy.statements)
    with place.server.connect() as other, other.cursor() as cursor:
        cursor.execute(f"BEGIN; LOCK TABLE {place.schema}.messages IN EXCLUSIVE MODE")
        seconds, error = seconds_of(lambda: store.append_message(a_message("m1")))
    assert isinstance(error, StoreUnavailableError)
    assert error.committed is False
    assert foreign_in_chain(error) == []
    assert 0.8 < seconds < 1
    store.append_message(a_message("m1"))
    assert proxy.connections == 1
    assert len(proxy.statements) - made < 6


def test_a_silent_server_is_given_up_within_the_deadline(place: Place, proxy: Proxy) -> None:
    store = place.made(call_timeout=1, pool_size=2, **proxy.login)
    proxy.hold()
    seconds, error = seconds_of(lambda: store.append_message(a_message("m1")))
    proxy.release()
    assert isinstance(error, StoreUnavailableError)
    assert error.committed is None
    assert "call_timeout" in str(error)
    assert 0.9 < seconds < 3
    store.append_message(a_message("m2"), retry=True)
    wait_until(lambda: "m2" in place.stored(), "it is stored")


def test_looking_whether_a_connection_still_works_takes_no_longer_than_connecting(place: Place, proxy: Proxy) -> None:
    store = place.made(call_timeout=25, connect_timeout=2, pool_check_after=0, pool_size=1, **proxy.login)
    proxy.hold()
    seconds, error = seconds_of(store.ping)
    proxy.release()
    assert isinstance(error, StoreUnavailableError)
    assert seconds < 10
    store.ping()
