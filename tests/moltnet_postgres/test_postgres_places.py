"""Schemas beside a schema: how they are named, and that dropping one touches nothing else."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from tests.moltnet_postgres.conftest import PASSWORD, Refused
from tests.postgres.cluster import Cluster
from tests.postgres.server import Server

from moltnet_core import (
    ConfigError,
    ReadOnlyStoreError,
    Room,
    StoreBusyError,
    StoreUnavailableError,
    open_store,
)
from moltnet_core.config import parse_url
from moltnet_postgres.places import drop_schema, schema_beside

LABEL = "kit_0123456789ab"


def schemas(server: Server) -> set[str]:
    return {name for (name,) in server.execute("SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'")}


def named(location: str, label: str = LABEL) -> str:
    """The schema's name."""
    return parse_url(schema_beside(location, label)).query["schema"]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
@pytest.mark.parametrize(
    ("location", "beside"),
    [
        ("://u:p%40@h:5432/db", f"://u:p%40@h:5432/db?schema=moltnet_{LABEL}"),
        ("://h/db?schema=chat", f"://h/db?schema=chat_{LABEL}"),
        ("://h/db?sslmode=disable&schema=chat&pool_size=3", f"://h/db?sslmode=disable&pool_size=3&schema=chat_{LABEL}"),
        ("://h/db?mode=ro&search_path=x", f"://h/db?search_path=x&schema=moltnet_{LABEL}"),
        ("://h/db?schema=it%22s%20%26%20%C3%A4", f"://h/db?schema=it%22s%20%26%20%C3%A4_{LABEL}"),
        ("://h/db?%73chema=chat", f"://h/db?schema=chat_{LABEL}"),
    ],
)
def test_a_schema_beside(scheme: str, location: str, beside: str) -> None:
    assert schema_beside(scheme + location, LABEL) == scheme + beside


@pytest.mark.parametrize("letter", ["a", "ä", "€", "🦀"])
@pytest.mark.parametrize("length", [1, 11, 15, 16, 20, 63])
def test_a_long_name_is_cut_at_a_letter(letter: str, length: int) -> None:
    for shift in ("", "x", "xx", "xxx"):
        schema = shift + letter * length
        name = named(f"postgres://h/db?schema={quote(schema)}")
        base, label = name[: -len(LABEL) - 1], name[-len(LABEL) :]
        assert (label, schema.startswith(base)) == (LABEL, True)
        whole = len(f"{schema}_{LABEL}".encode())
        assert base == schema if whole <= 63 else 63 - len(letter.encode()) < len(name.encode()) <= 63
    assert len(named("postgres://h/db?schema=ab", "b" * 61).encode()) == 63
    with pytest.raises(ValueError, match="label"):
        schema_beside("postgres://h/db?schema=ab", "b" * 62)


@pytest.mark.parametrize("schema", [None, 'it\'s "odd" $$ \\ ä;--', "Ä" * 31, "MiXed"])
@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_only_the_places_own_schema_is_dropped(cluster: Cluster, schema: str | None, scheme: str) -> None:
    own = schema or cluster.new_schema()
    location = cluster.url(schema=own).replace("postgres://", f"{scheme}://")
    # Without a schema in the URL it is the first of the search_path that counts.
    given = location if schema else cluster.url()
    before = schemas(cluster)
    with open_store(location, environ={}) as store:
        store.create_room(Room("kept", "net"))
    kept = schemas(cluster)
    assert kept == before | {own}
    for label in ("one", "one_more"):
        with open_store(schema_beside(given, label), environ={}) as store:
            store.create_room(Room("gone", "net"))
    both = schemas(cluster)
    assert both == kept | {named(given, "one"), named(given, "one_more")}
    drop_schema(given, "one")
    assert schemas(cluster) == both - {named(given, "one")}
    drop_schema(given, "one")  # it is not there any more
    drop_schema(given, "one_more")
    assert schemas(cluster) == kept
    with open_store(location, environ={}) as store:
        assert store.get_room("kept") is not None
    cluster.execute(f'DROP SCHEMA "{own.replace(chr(34), chr(34) * 2)}" CASCADE')


def test_a_dsn_that_leads_nowhere_or_is_wrong(refused: Refused) -> None:
    gone = f"postgres://u:{PASSWORD}@127.0.0.1:1/db?schema=x"
    refused(StoreUnavailableError, lambda: drop_schema(gone, LABEL), "127.0.0.1:1")
    refused(ConfigError, lambda: drop_schema(f"{gone}&pool_size=none", LABEL), "pool_size")
    refused(ConfigError, lambda: drop_schema(f"postgres://u:{PASSWORD}@h:x/db", LABEL))
    refused(ConfigError, lambda: drop_schema("postgres://h/db?schema=pg_x", LABEL), "pg_")


def test_a_login_that_is_refused(own_cluster: Cluster, refused: Refused) -> None:
    wrong = own_cluster.url(password=f"{PASSWORD}-not")
    refused(StoreUnavailableError, lambda: drop_schema(wrong, LABEL), "login")


def test_a_schema_of_somebody_else_stays(own_cluster: Cluster, refused: Refused) -> None:
    with open_store(schema_beside(own_cluster.url(), "ours"), environ={}):
        pass
    theirs = own_cluster.url(user="reader", password=PASSWORD)
    refused(ReadOnlyStoreError, lambda: drop_schema(theirs, "ours"), "privilege")
    assert "moltnet_ours" in schemas(own_cluster)
    drop_schema(own_cluster.url(), "ours")
    assert "moltnet_ours" not in schemas(own_cluster)


def test_a_schema_that_somebody_uses_is_waited_for_as_a_call_waits(own_cluster: Cluster, refused: Refused) -> None:
    location = own_cluster.url(schema="used")
    beside = schema_beside(location, "one")
    with open_store(beside, environ={}) as store:
        store.create_room(Room("kept", "net"))
        with own_cluster.connect() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT count(*) FROM used_one.rooms")
            refused(StoreBusyError, lambda: drop_schema(f"{location}&busy_timeout=0.2", "one"), "busy_timeout")
        assert store.get_room("kept") is not None
    drop_schema(location, "one")
    assert "used_one" not in schemas(own_cluster)
