"""An upgrade beside others: under the Go server's own lock, and no longer than it is told to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.children import wait_until
from tests.postgres.shared import shared_server

from moltnet_core import StoreBusyError, open_store

from . import postgres_raw as raw
from .postgres_case import POSTGRES

LOCK = 715308742994555159
"""The one that the Go server takes."""

WAITING = f"""SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND NOT granted
    AND classid = {LOCK >> 32} AND objid = {LOCK & 0xFFFFFFFF}
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

OLD = [case for case in POSTGRES if case.version < 8]


@pytest.fixture
def database() -> str:
    """A copy of the old one."""
    return OLD[0].database()


@contextmanager
def _holding(database: str, statement: str) -> Iterator[Any]:
    """Another session in a transaction, which has executed a statement."""
    with raw.connect(database) as connection:
        connection.cursor().execute(f"BEGIN; {statement}")
        yield connection
        if not connection.closed:
            connection.cursor().execute("ROLLBACK")


def _versions(database: str) -> int:
    return int(raw.rows(database, "SELECT max(version) FROM schema_migrations")[0][0])


@pytest.mark.parametrize("held", [f"SELECT pg_advisory_lock({LOCK})", f"SELECT pg_advisory_xact_lock({LOCK})"])
def test_it_waits_for_the_servers_lock(database: str, held: str) -> None:
    url, opened = shared_server().url(dbname=database), []

    def upgrade() -> None:
        with open_store(url) as store:
            opened.append(store.migration_status().is_current)

    thread = threading.Thread(target=upgrade)
    with raw.connect(database) as holder:
        holder.cursor().execute(f"BEGIN; {held}")
        thread.start()
        wait_until(lambda: raw.rows(database, WAITING) == [(1,)], "the upgrade waits for the lock")
        assert thread.is_alive()
        assert _versions(database) == OLD[0].version
    thread.join()
    assert opened == [True]
    assert _versions(database) == 8


def test_it_gives_up_when_the_lock_is_not_had(database: str) -> None:
    before = raw.catalogue(database), raw.dump(database)
    with _holding(database, f"SELECT pg_advisory_xact_lock({LOCK})"):
        began = time.monotonic()
        with pytest.raises(StoreBusyError) as caught:
            open_store(shared_server().url(dbname=database, migration_timeout="1"))
        assert 0.9 < time.monotonic() - began < 20
    assert caught.value.committed is False
    assert "migration_timeout" in str(caught.value)
    assert (raw.catalogue(database), raw.dump(database)) == before
    open_store(shared_server().url(dbname=database)).close()
    assert _versions(database) == 8


def test_it_gives_up_when_somebody_uses_a_table(database: str) -> None:
    """While a change of a table waits, everybody who wants the table waits behind it."""
    before = raw.catalogue(database), raw.dump(database)
    with _holding(database, "SELECT 1 FROM agents LIMIT 1; LOCK TABLE agents IN SHARE UPDATE EXCLUSIVE MODE") as holder:
        with pytest.raises(StoreBusyError) as caught:
            open_store(shared_server().url(dbname=database, busy_timeout="0.2"))
        assert raw.rows(database, "SELECT count(*) FROM agents") != [(0,)]
        assert not holder.closed
    assert caught.value.committed is False
    assert "busy_timeout" in str(caught.value)
    assert (raw.catalogue(database), raw.dump(database)) == before


def test_who_looks_takes_no_lock(database: str) -> None:
    with _holding(database, f"SELECT pg_advisory_xact_lock({LOCK})"):
        with open_store(shared_server().url(dbname=database), migrate="later") as store:
            assert [step.version for step in store.migration_status().pending] == [6, 7, 8, 1]
        with open_store(shared_server().url(dbname=database), read_only=True) as store:
            assert store.counts().messages == 245
