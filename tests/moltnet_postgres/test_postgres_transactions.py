"""Transactions: begun late, ended as was asked or with an error, and never half."""

from __future__ import annotations

from typing import Any

import peewee
import psycopg2
import pytest
from tests.children import foreign_in_chain, wait_until
from tests.moltnet_postgres.support import Place, a_message, all_messages, told
from tests.postgres.proxy import Proxy

from moltnet_core import MoltnetError, StorageIOError, StoreUnavailableError
from moltnet_postgres.connections import BEGIN_READ, BEGIN_WRITE
from moltnet_sql import transaction

MESSAGE, MARKER = "m1", "SELECT 'marker'"


def test_a_transaction_with_a_failed_statement_is_not_taken_for_committed(place: Place) -> None:
    """PostgreSQL answers its COMMIT by ROLLBACK, which is no error."""
    store = place.made()

    def fail() -> None:
        with transaction(store) as database:
            store.append_message(a_message(MESSAGE))
            with pytest.raises(peewee.PeeweeException):
                database.execute_sql("SELECT 1 / 0")

    error = told(fail)
    assert isinstance(error, StorageIOError)
    assert error.committed is False
    assert place.stored() == []
    with transaction(store) as database:
        store.append_message(a_message(MESSAGE))
        with pytest.raises(peewee.PeeweeException), database.atomic():
            database.execute_sql("SELECT 1 / 0")
    assert place.stored() == [MESSAGE]


def test_a_transaction_whose_connection_was_lost_before_was_not_committed(place: Place) -> None:
    """Though somebody caught the error that told it."""
    store = place.made()

    def fail() -> None:
        with transaction(store) as database:
            store.append_message(a_message(MESSAGE))
            place.server.terminate_backends("moltnet-storage")
            with pytest.raises(peewee.PeeweeException):
                database.execute_sql(MARKER)

    error = told(fail)
    assert isinstance(error, StoreUnavailableError)
    assert error.committed is False
    assert foreign_in_chain(error) == []
    assert place.stored() == []
    store.append_message(a_message(MESSAGE))


def test_a_session_ended_while_a_transaction_is_idle_is_lost(place: Place) -> None:
    store = place.made(options="-c idle_in_transaction_session_timeout=50")
    errors = []

    def wait() -> None:
        with transaction(store) as database:
            database.execute_sql(MARKER)
            wait_until(lambda: place.connections() == 0, "the server ends the session")
            errors.append(told(lambda: store.append_message(a_message(MESSAGE))))

    errors.append(told(wait))
    assert [type(error) for error in errors] == [StoreUnavailableError] * 2
    assert [error.committed for error in errors if error is not None] == [False, False]
    assert place.stored() == []


@pytest.mark.parametrize("begin", [BEGIN_READ, BEGIN_WRITE])
def test_a_transaction_begins_with_its_first_statement(place: Place, proxy: Proxy, begin: str) -> None:
    store: Any = place.made(**proxy.login)
    pool = store.driver._pool
    connection = pool.take()
    cursor = connection.cursor()
    before = proxy.round_trips
    for end in ("COMMIT", "ROLLBACK"):
        cursor.execute(begin)
        cursor.execute(end)
    assert proxy.round_trips == before
    assert connection.is_usable
    cursor.execute(begin)
    cursor.execute(MARKER)
    assert proxy.round_trips == before + 1
    assert connection.in_transaction
    assert not connection.is_usable
    cursor.execute("COMMIT")
    assert proxy.statements[-2].startswith(f"{begin}; SET LOCAL ")
    assert connection.is_usable
    pool.give(connection)


@pytest.mark.parametrize(
    "statement", ["SELECT 1 / 0", "SELEKT", "SELECT '\x00'"], ids=["fails", "unreadable", "unsent"]
)
def test_a_first_statement_that_fails_leaves_a_usable_connection(place: Place, proxy: Proxy, statement: str) -> None:
    store = place.made(pool_size=1, **proxy.login)

    def fail() -> None:
        with transaction(store) as database:
            database.connection().cursor().execute("ROLLBACK")  # of the one that names the schema
            database.connection().cursor().execute(BEGIN_WRITE)
            database.execute_sql(statement)

    with pytest.raises((MoltnetError, ValueError)):
        fail()
    store.append_message(a_message(MESSAGE))
    assert all_messages(store) == [MESSAGE]
    assert proxy.connections == 1


def test_an_error_leaves_the_cursor_and_the_connection_fit(place: Place) -> None:
    store: Any = place.made()
    pool = store.driver._pool
    connection = pool.take()
    cursor = connection.cursor()
    with pytest.raises(psycopg2.errors.DivisionByZero):
        cursor.execute("SELECT 1 / 0")
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [(1,)]
    assert connection.is_usable
    pool.give(connection)
    assert pool.take() is connection
    pool.give(connection)


def test_a_transaction_that_a_connection_is_given_back_in_is_rolled_back(place: Place) -> None:
    store: Any = place.made(pool_size=1)
    pool = store.driver._pool
    connection = pool.take()
    connection.cursor().execute(BEGIN_WRITE)
    connection.cursor().execute(f"DELETE FROM {place.schema}.rooms")
    pool.give(connection)
    assert connection.closed
    assert store.get_room("hall") is not None


def test_limits_are_set_within_transactions(place: Place) -> None:
    """Outside of one, SET LOCAL sets nothing, and the server warns."""
    place.made().close()
    store: Any = place.open(pool_size=1)
    store.append_message(a_message(MESSAGE))
    store.append_messages([a_message("m2"), a_message("m3")])
    store.list_rooms()
    told(lambda: store.append_message(a_message(MESSAGE)))
    told(lambda: store.append_message(a_message("m4", room_id="nowhere")))
    pool = store.driver._pool
    connection = pool.take()
    assert connection.notices == []
    cursor = connection.cursor()
    cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    assert cursor.fetchall() == [("29s", "5s")]
    pool.give(connection)
    with place.server.connect() as other, other.cursor() as looking:
        looking.execute("SELECT setting FROM pg_settings WHERE name = 'statement_timeout'")
        assert looking.fetchall() == [("0",)]
