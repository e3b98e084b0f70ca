"""Schemas and what a role may do in them: nothing is written where it may not, or where it is not ours."""

from __future__ import annotations

from typing import Any

import pytest
from tests.moltnet_postgres.conftest import PASSWORD, Refused
from tests.postgres.cluster import Cluster

from moltnet_core import (
    Actor,
    AgentRegistration,
    ConfigError,
    CorruptStoreError,
    Message,
    Part,
    ReadOnlyStoreError,
    Room,
    Store,
    StoreUnavailableError,
    Target,
    open_store,
)
from moltnet_sql import transaction
from moltnet_sql.schema import TABLES


def objects(cluster: Cluster) -> list[Any]:
    """Every schema, table and index, with its file and how long that is: a first row makes a page."""
    return cluster.execute(
        """SELECT nspname, relname, relkind, pg_relation_size(pg_class.oid), pg_relation_filenode(pg_class.oid)
           FROM pg_namespace LEFT JOIN pg_class ON relnamespace = pg_namespace.oid
           WHERE NOT starts_with(nspname, 'pg_') AND nspname <> 'information_schema' ORDER BY 1, 2"""
    )


@pytest.fixture
def schema(own_cluster: Cluster) -> Any:
    """A schema with a store of one room, which ``reader`` may read."""
    schema = own_cluster.new_schema()
    with open_store(own_cluster.url(schema=schema), environ={}) as store:
        store.create_room(Room("general", "net"))
        store.append_message(message("m1"))
    own_cluster.execute(
        f"GRANT USAGE ON SCHEMA {schema} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader"
    )
    yield schema
    own_cluster.drop_schemas([schema])


def message(own_id: str) -> Message:
    return Message("net", Target.room("general"), Actor("agent", "ann"), [Part("text", "x")], id=own_id)


def as_role(cluster: Cluster, role: str, **changes: str | None) -> str:
    return cluster.url(user=role, password=PASSWORD, **changes)


# -- privileges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"schema": "not_there_yet"}])
def test_a_role_that_may_create_nothing(own_cluster: Cluster, refused: Refused, changes: dict[str, str]) -> None:
    before = objects(own_cluster)
    url = as_role(own_cluster, "nobody", **changes)
    refused(ReadOnlyStoreError, url, "CREATE on the schema", "mode=ro")
    assert objects(own_cluster) == before


def test_a_role_that_may_only_read(own_cluster: Cluster, refused: Refused, schema: str) -> None:
    with open_store(as_role(own_cluster, "reader", schema=schema, mode="ro"), environ={}) as store:
        assert [room.id for room in store.list_rooms().items] == ["general"]
        refused(ReadOnlyStoreError, lambda: store.append_message(message("m2")))
    with open_store(as_role(own_cluster, "reader", schema=schema), environ={}) as store:
        assert [item.id for item in store.list_room_messages("general").items] == ["m1"]
        writes: list[Any] = [
            lambda: store.append_message(message("m2")),
            lambda: store.append_messages([message("m2"), message("m3")]),
            lambda: store.create_room(Room("other", "net")),
            lambda: store.update_room_members("general", add=["ann"]),
            lambda: store.remove_room("general"),
            lambda: store.register_agent(AgentRegistration("ann", "net", PASSWORD)),
        ]
        for write in writes:
            refused(ReadOnlyStoreError, write, "INSERT", "mode=ro")
        assert (store.counts().messages, store.counts().rooms, store.counts().members) == (1, 1, 0)


def test_a_role_that_may_only_read_does_not_migrate(own_cluster: Cluster, refused: Refused, schema: str) -> None:
    own_cluster.execute(f"DELETE FROM {schema}.moltnet_ext_migrations")
    before = objects(own_cluster)
    refused(ReadOnlyStoreError, as_role(own_cluster, "reader", schema=schema), "to migrate", "mode=ro")
    assert objects(own_cluster) == before
    with open_store(as_role(own_cluster, "reader", schema=schema, mode="ro"), environ={}) as store:
        assert store.counts().messages == 1


def test_a_role_that_may_not_even_read(own_cluster: Cluster, refused: Refused, schema: str) -> None:
    url = as_role(own_cluster, "nobody", schema=schema)
    refused(ReadOnlyStoreError, url, "USAGE on the schema")
    error = refused(StoreUnavailableError, as_role(own_cluster, "nobody", schema=schema, mode="ro"), "SELECT")
    assert "mode=ro" not in str(error)


def test_a_store_is_closed_when_it_cannot_be_opened(own_cluster: Cluster, refused: Refused, schema: str) -> None:
    for url in (as_role(own_cluster, "nobody", schema=schema), as_role(own_cluster, "nobody")):
        refused(ReadOnlyStoreError, url)
    held = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'nobody' AND state IS NOT NULL AND state <> 'idle'"
    assert own_cluster.execute(held) == [(0,)]


# -- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["We ird", "UPPER", 'q"uote', "it's", "ünï", "a.b", "select", "x" * 63, "$1", "-c x=y"]
)
def test_a_schema_of_any_name(own_cluster: Cluster, name: str) -> None:
    url = own_cluster.url(schema=name)
    try:
        with open_store(url, environ={}) as store:
            store.create_room(Room("general", "net"))
            store.append_message(message("m1"))
            store.append_messages([message("m2")])
            assert store.describe()["schema"] == name
            assert int(store.describe()["size"].split()[0]) > 0
            with transaction(store) as database:
                assert database.execute_sql("SELECT count(*) FROM messages").fetchone() == (2,)
        with open_store(url, environ={}, read_only=True) as store, store.snapshot() as snapshot:
            assert len(list(snapshot.records())) == 3
        tables = own_cluster.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE nspname = %s AND relkind = 'r'",
            [name],
        )
        assert {row[0] for row in tables} == {*TABLES, "schema_migrations", "moltnet_ext_migrations"}
    finally:
        quoted = name.replace('"', '""')
        own_cluster.execute(f'DROP SCHEMA IF EXISTS "{quoted}" CASCADE')


@pytest.mark.parametrize("name", ["", "pg_x", "a%b", "x" * 64, "information_schema"])
def test_a_schema_that_cannot_be(own_cluster: Cluster, refused: Refused, name: str) -> None:
    before = objects(own_cluster)
    refused(ConfigError, own_cluster.url(schema=name), "schema")
    assert objects(own_cluster) == before


def test_a_search_path_says_the_schema(own_cluster: Cluster, schema: str) -> None:
    with open_store(own_cluster.url(search_path=f"nosuch,{schema},public"), environ={}) as store:
        assert store.describe()["schema"] == schema
        assert store.get_room("general") is not None
    words = f"{own_cluster.dsn()} search_path={schema}"
    with open_store(environ={"MOLTNET_POSTGRES_DSN": words}) as store:
        assert store.get_room("general") is not None


def test_a_missing_schema_is_not_read_as_an_empty_store(own_cluster: Cluster, refused: Refused) -> None:
    before = objects(own_cluster)
    refused(StoreUnavailableError, own_cluster.url(schema="mistyped", mode="ro"), "'mistyped'", "check its name")
    assert objects(own_cluster) == before


# -- other programs' tables --------------------------------------------------------------------------

FOREIGN = {
    "tables of our names": "CREATE TABLE {0}.rooms (id int, beds int); INSERT INTO {0}.rooms VALUES (1, 2)",
    "one table of ours": "CREATE TABLE {0}.agents (agent_id text)",
    "a view of our name": "CREATE VIEW {0}.messages AS SELECT 1 AS id",
    "another's versions": "CREATE TABLE {0}.schema_migrations (version varchar PRIMARY KEY)",
    "versions of another kind": "CREATE TABLE {0}.schema_migrations (version varchar PRIMARY KEY, name text);"
    "INSERT INTO {0}.schema_migrations VALUES ('20200101', 'x')",
    "dirty versions": "CREATE TABLE {0}.schema_migrations (version bigint, dirty boolean);"
    "INSERT INTO {0}.schema_migrations VALUES (20200101, false)",
}


@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN.keys())
def test_another_programs_tables_are_left_alone(own_cluster: Cluster, refused: Refused, statement: str) -> None:
    schema = own_cluster.new_schema()
    own_cluster.execute(f"CREATE SCHEMA {schema} AUTHORIZATION moltnet; SET ROLE moltnet; {statement.format(schema)}")
    before = objects(own_cluster)
    for mode in ("rw", "ro"):
        refused(CorruptStoreError, own_cluster.url(schema=schema, mode=mode))
    assert objects(own_cluster) == before
    own_cluster.drop_schemas([schema])


# -- settings of the connection ----------------------------------------------------------------------


def shown(store: Store, name: str) -> str:
    with transaction(store) as database:
        found: str = database.execute_sql(f"SHOW {name}").fetchone()[0]
        return found


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({}, "statement_timeout", "29s"),
        ({"call_timeout": "7"}, "statement_timeout", "6300ms"),
        ({"statement_timeout": "1234"}, "statement_timeout", "1234ms"),
        ({}, "lock_timeout", "5s"),
        ({"busy_timeout": "0.25"}, "lock_timeout", "250ms"),
        ({"lock_timeout": "777"}, "lock_timeout", "777ms"),
        ({"timezone": "Asia/Tokyo"}, "timezone", "Asia/Tokyo"),
        ({"application_name": "own name"}, "application_name", "own name"),
        ({}, "application_name", "moltnet-storage"),
        ({"options": "-c work_mem=5MB"}, "work_mem", "5MB"),
        ({"client_encoding": "LATIN1"}, "client_encoding", "UTF8"),
        ({"default_query_exec_mode": "exec", "statement_cache_capacity": "0"}, "search_path", "{schema}"),
    ],
)
def test_what_a_dsn_sets(own_cluster: Cluster, schema: str, changes: dict[str, str], name: str, value: str) -> None:
    with open_store(own_cluster.url(schema=schema, **changes), environ={}) as store:
        assert shown(store, name).strip('"') == value.format(schema=schema)
        store.append_message(message("m2"))
        assert len(store.list_room_messages("general").items) == 2
