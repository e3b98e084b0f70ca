"""A sound store on each backend, and ways to spoil it beneath the packages."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from tests.postgres.shared import shared_server

from moltnet_core import Actor, AgentRegistration, Message, Part, Room, Store, Target, open_store
from moltnet_sqlite.engine import sqlite3

__all__ = ["SQL", "JSONPlace", "Place", "PostgresPlace", "SQLitePlace", "fill", "make"]

Json = dict[str, Any]


def _message(own_id: str, target: Target, sender: str = "alice", *parts: Part) -> Message:
    return Message("net", target, Actor("agent", sender), parts or (Part("text", own_id),), id=own_id)


def fill(store: Store) -> None:
    """Rooms general, other and gone (removed), threads, DMs, artifacts and a registration."""
    for room in ("general", "other", "gone"):
        store.create_room(Room(room, "net", members=("alice", "bob")))
    general, thread = Target("room", room_id="general"), Target("thread", room_id="general", thread_id="t1")
    dm = Target("dm", dm_id="d1", participant_ids=("alice", "bob"))
    link, data = Part("url", url="https://example.org/a"), Part("data", data={"a": [1, 2.5]})
    store.append_message(_message("m1", general))
    store.append_message(_message("m2", general, "bob", link, Part("text", "no artifact"), data))
    store.append_message(_message("m3", thread))
    store.append_message(_message("m4", thread, "bob"))
    store.append_message(_message("d_1", dm))
    store.append_message(_message("d_2", dm, "bob", data))
    store.append_message(_message("o1", Target("room", room_id="other")))
    store.append_message(_message("g1", Target("room", room_id="gone")))
    store.remove_room("gone")
    store.register_agent(AgentRegistration("alice", "net", "token:secret"))


class Place(ABC):
    """Where a store is.

    :ivar url: opens it.
    """

    url: str

    @abstractmethod
    def stored(self) -> object:
        """All that is stored, exactly, to compare with another time."""


class SQL(Place):
    """A store in a database."""

    @abstractmethod
    def execute(self, *statements: str) -> None:
        """Execute statements, foreign keys not enforced."""

    @abstractmethod
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds."""


class SQLitePlace(SQL):
    """A file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.url = f"sqlite:///{self.path}"

    def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return list(connection.execute(sql).fetchall())

    def stored(self) -> object:
        return {path.name: path.read_bytes() for path in self.path.parent.glob("store.db")}


class PostgresPlace(SQL):
    """A schema of the shared server."""

    def __init__(self) -> None:
        self._server = shared_server()
        self.schema = self._server.new_schema()
        self.url = self._server.url(schema=self.schema)
        self.dropped: set[str] = set()  # foreign keys that are gone, so that rows could be deleted

    def _run(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._server.dsn())) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(f"SET search_path = {self.schema}")
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def execute(self, *statements: str) -> None:
        keys = self.rows(
            f"""SELECT conrelid::regclass::text, conname, attname FROM pg_constraint
                JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
                WHERE contype = 'f' AND connamespace = '{self.schema}'::regnamespace"""
        )
        if any(statement.startswith("DELETE") for statement in statements):
            self._run([f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _ in keys] + ["SELECT 1"])
            self.dropped |= {f"{table}.{column}" for table, _, column in keys}
        self._run([*statements, "SELECT 1"])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._run([sql])

    def stored(self) -> object:
        tables = [row[0] for row in self.rows(f"SELECT tablename FROM pg_tables WHERE schemaname = '{self.schema}'")]
        indexes = self.rows(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{self.schema}' ORDER BY 1")
        return {table: sorted(self.rows(f"SELECT {table}::text FROM {table}")) for table in tables}, indexes


class JSONPlace(Place):
    """A snapshot file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.json"
        self.url = f"json:///{self.path}"

    def edit(self, change: Callable[[Json], object]) -> None:
        """Change the snapshot."""
        content = json.loads(self.path.read_text())
        change(content)
        self.path.write_text(json.dumps(content))

    def stored(self) -> object:
        return self.path.read_bytes()


def make(place: Place) -> None:
    """Make a sound store there."""
    with open_store(place.url, environ={}) as store:
        fill(store)
