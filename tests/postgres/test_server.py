"""Fresh places in a PostgreSQL server, the shared one and one that a developer names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest
from tests.postgres.cluster import Cluster
from tests.postgres.server import Host, Server
from tests.postgres.shared import DSN_VARIABLE, new_location, schemas_dropped

ROOT = Path(__file__).parents[2]
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = %s"


def test_a_location_is_a_new_schema_that_is_dropped_afterwards(postgres_server: Server) -> None:
    with schemas_dropped():
        earlier = postgres_server.new_schema()
        with schemas_dropped():
            first, second = new_location(), new_location()
            schema = parse_qs(urlsplit(first).query)["schema"][0]
            assert first != second
            assert postgres_server.execute(SCHEMAS, [schema]) == []
            with psycopg2.connect(postgres_server.dsn()) as connected, connected.cursor() as cursor:
                cursor.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.kept (id text)")
            connected.close()
        assert postgres_server.execute(SCHEMAS, [schema]) == []
        assert earlier in postgres_server.schemas
    assert postgres_server.schemas == []


def test_the_stores_role_is_no_superuser(cluster: Cluster) -> None:
    found = cluster.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [cluster.user["user"]])
    assert found == [(False,)]


@pytest.mark.parametrize("host", ["tcp", "socket"])
def test_a_url_and_a_dsn_lead_to_the_same_place(cluster: Cluster, host: Host) -> None:
    words = {"user": f"{host} b@c/d", "password": "p:w&d%", "application_name": "one two"}
    cluster.execute(f'CREATE ROLE "{words["user"]}" LOGIN PASSWORD %s', [words["password"]])
    for text in (cluster.dsn(host, **words), cluster.url(host, **words)):
        with psycopg2.connect(text) as connected, connected.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database(), current_setting('application_name')")
            assert cursor.fetchone() == (words["user"], cluster.database, "one two")
        connected.close()


def test_on_a_named_server_a_role_that_may_create_databases_is_enough_and_nothing_stays(cluster: Cluster) -> None:
    databases = "SELECT datname FROM pg_database ORDER BY datname"
    before = cluster.execute(databases)
    role = cluster.create_role("CREATEDB", password="secret")
    with Server.at(cluster.dsn(user=role, password="secret")) as server:
        psycopg2.connect(server.url(dbname=server.create_database())).close()
        assert server.execute("SELECT current_user") == [(role,)]
    assert cluster.execute(databases) == before


def test_without_a_server_tests_fail_and_say_why() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from tests.postgres.shared import *; new_location()"],
        cwd=ROOT,
        env={**os.environ, DSN_VARIABLE: "host=/nowhere user=ann"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ServerError: The tests have no PostgreSQL server" in done.stderr
    assert DSN_VARIABLE in done.stderr
