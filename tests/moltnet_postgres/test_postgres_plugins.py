"""Plugins' tables on PostgreSQL: bare names mean the store's schema, as long as a transaction lasts and no longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.postgres.server import Server

import moltnet_sql
from moltnet_core import MigrationFailedError, Store, hookimpl, open_store
from moltnet_core.migrations import Migration


class Notes:
    """A plugin with a table."""

    @hookimpl
    def moltnet_migrations(self, backend: Any) -> Sequence[Migration]:
        table = "CREATE TABLE notes_seen (message_id TEXT PRIMARY KEY)"
        return [
            Migration.of_statements("notes", 1, "seen", [table, "CREATE INDEX notes_by_id ON notes_seen (message_id)"])
        ]


@pytest.fixture
def schemas(postgres_server: Server) -> tuple[str, str]:
    """Two, of which a connection looks into the first."""
    return postgres_server.new_schema(), postgres_server.new_schema()


@pytest.fixture
def stores(postgres_server: Server, schemas: tuple[str, str]) -> Iterator[list[Store]]:
    """A store in each; the second is reached with a search path that finds the first's tables first."""
    first = open_store(postgres_server.url(schema=schemas[0]), environ={}, plugins=[Notes()])
    url = postgres_server.url(schema=schemas[1], search_path=f"{schemas[0]},public", pool_size="1")
    with first, open_store(url, environ={}, plugins=[Notes()]) as second:
        yield [first, second]


def test_bare_names_are_the_stores_own(postgres_server: Server, schemas: tuple[str, str], stores: list[Store]) -> None:
    for store, schema in zip(stores, schemas, strict=True):
        with moltnet_sql.transaction(store) as database:
            database.execute_sql("INSERT INTO notes_seen VALUES (%s)", (schema,))
            with database.atomic():
                database.execute_sql("CREATE TABLE notes_more (id TEXT)")
    for schema in schemas:
        assert postgres_server.execute(f"SELECT * FROM {schema}.notes_seen") == [(schema,)]
        tables = "SELECT relname FROM pg_class WHERE starts_with(relname, 'notes_') AND relnamespace = %s::regnamespace"
        found = {row[0] for row in postgres_server.execute(tables, [schema])}
        assert found == {"notes_seen", "notes_seen_pkey", "notes_by_id", "notes_more"}
        series = postgres_server.execute(f"SELECT series, version FROM {schema}.moltnet_ext_migrations ORDER BY 1")
        assert series == [("notes", 1), ("postgres", 1)]


def test_a_connection_keeps_nothing_of_it(stores: list[Store], schemas: tuple[str, str]) -> None:
    """As it may be another's next, through a pooler."""
    store = stores[1]
    with moltnet_sql.transaction(store) as database:
        database.execute_sql("SELECT 1")
        connection = database.connection()
    cursor = connection.cursor()
    cursor.execute("SHOW search_path")
    assert cursor.fetchone() == (f"{schemas[0]},public",)
    cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'")
    assert cursor.fetchone() == (0,)


def test_a_migration_that_hides_a_failed_statement_is_not_recorded(
    postgres_server: Server, schemas: tuple[str, str]
) -> None:
    class Hiding:
        @hookimpl
        def moltnet_migrations(self, backend: Any) -> Sequence[Migration]:
            return [Migration("hiding", 1, "hides", "checksum", up)]

    def up(handle: Any) -> None:
        handle.execute("CREATE TABLE hiding_first (id TEXT)")
        with pytest.raises(Exception, match="nosuch"):
            handle.execute("SELECT * FROM nosuch")

    url = postgres_server.url(schema=schemas[0])
    for _ in range(2):
        with pytest.raises(MigrationFailedError) as caught:
            open_store(url, environ={}, plugins=[Hiding()])
        assert caught.value.committed is False
    with open_store(url, environ={}, migrate=False) as store:
        assert store.counts().rooms == 0
    found = postgres_server.execute("SELECT to_regclass(%s)", [f"{schemas[0]}.hiding_first"])
    assert found == [(None,)]
