"""The PostgreSQL databases among the fixtures.

They are for the schema ``public``, so each is loaded into a database of its own, of which tests take copies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex

from tests.postgres.shared import shared_server

from moltnet_core import open_store

from . import postgres_raw as raw
from .case import FED, SERVED, Beneath, Case
from .expected import Expected, coarser, rounded
from .locations import find_fixtures

__all__ = ["POSTGRES", "PostgresCase", "copies_dropped", "new_database"]

_TABLES = {"room": "rooms", "agent": "agents", "thread": "threads", "dm": "dm_conversations", "message": "messages"}
_AGENT = ("agent_id", "network_id", "actor_uid", "actor_uri", "display_name", "credential_key")


@dataclass(frozen=True)
class PostgresCase(Case):
    """A dump in plain SQL."""

    time_digits = 6

    def place(self, folder: Path) -> str:
        return shared_server().url(dbname=self.database())

    def database(self) -> str:
        """A new copy; its name."""
        return _copy(_loaded(self.source))

    def beneath(self, folder: Path) -> Beneath:
        database = _loaded(self.source)
        removed = raw.time_sql("deleted_at") if self.version >= 7 else "NULL"
        rooms = raw.rows(database, f"SELECT id, {raw.time_sql('created_at')}, {removed} FROM rooms")
        return Beneath(
            {kind: raw.rows(database, f"SELECT count(*) FROM {table}")[0][0] for kind, table in _TABLES.items()},
            raw.messages(database),
            {
                key: {"created_at": created} | ({"removed_at": removed} if removed else {})
                for key, created, removed in rooms
            },
            [
                dict(zip(_AGENT, row, strict=True))
                for row in raw.rows(database, f"SELECT {', '.join(_AGENT)} FROM agents")
            ],
        )

    def expected(self, folder: Path) -> Expected:
        return coarser(super().expected(folder), rounded)


@cache
def _loaded(source: Path) -> str:
    """A database with what is in a file; nobody changes it."""
    server = shared_server()
    database = server.create_database()
    with raw.connect(database) as connection:
        connection.cursor().execute(source.read_text(encoding="utf-8"))
    return database


@cache
def _new() -> str:
    server = shared_server()
    database = server.create_database()
    open_store(server.url(dbname=database), environ={}).close()
    return database


def _copy(template: str) -> str:
    server = shared_server()
    name = f"{server.database}_copy_{token_hex(4)}"
    sql = f'CREATE DATABASE {name} OWNER "{server.user["user"]}" TEMPLATE {template}'
    server.execute(sql, database=server.administrator["dbname"])
    server.databases.append(name)
    return name


def new_database() -> str:
    """A database with a store in which nothing is; its name. There is one, which is emptied after each test."""
    return _new()


@contextmanager
def copies_dropped() -> Iterator[None]:
    """Drops the copies that were made inside, and empties :func:`new_database`. It does not make the server."""
    yield
    if _new.cache_info().currsize:
        raw.rows(_new(), "DELETE FROM rooms; DELETE FROM dm_conversations; DELETE FROM agents")
    if _loaded.cache_info().currsize:
        server = shared_server()
        for name in [name for name in server.databases if name.startswith(f"{server.database}_copy_")]:
            server.drop_database(name)


def _found(fixtures: Path | None) -> Iterator[PostgresCase]:
    if fixtures is None:
        return
    for path in sorted(fixtures.glob("postgres/v*.sql")):
        match = re.fullmatch(r"v(\d+)\.sql", path.name)
        if match is not None:
            yield PostgresCase(f"postgres-{path.stem}", int(match[1]), path, path.with_suffix(".served.json"), SERVED)
    edge = fixtures / "edge"
    yield PostgresCase("postgres-edge", 8, edge / "edge.sql", edge / "fed.jsonl", FED)


POSTGRES = list(_found(find_fixtures()))
