"""What the tests of the PostgreSQL backend share: places of stores, messages, and looks at the tables beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlencode

from tests.moltnet_sqlite.support import a_message, a_room, all_messages, dm_message, thread_message
from tests.postgres.server import Server

from moltnet_core import MoltnetError, Store, open_store

__all__ = [
    "Place",
    "a_message",
    "a_room",
    "all_messages",
    "dm_message",
    "in_threads",
    "seconds_of",
    "thread_message",
    "told",
]


class Place:
    """A schema of a server, the stores opened there, and looks at its tables beside them."""

    def __init__(self, server: Server, schema: str | None = None) -> None:
        self.server = server
        self.schema = schema or server.new_schema()
        self._stores: list[Store] = []

    def url(self, **options: object) -> str:
        """The URL of a store. Options are settings, or libpq's."""
        base = self.server.url(schema=self.schema, **{key: options.pop(key) for key in _OF_LOGIN & options.keys()})  # type: ignore[arg-type]
        return base + (f"&{urlencode(options)}" if options else "")

    def open(self, **options: object) -> Store:
        """A store there."""
        migrate = options.pop("migrate", True)
        store = open_store(self.url(**options), environ={}, migrate=migrate)  # type: ignore[arg-type]
        self._stores.append(store)
        return store

    def made(self, **options: object) -> Store:
        """A store there that has a room."""
        store = self.open(**options)
        store.create_room(a_room())
        return store

    @property
    def address(self) -> tuple[str, int]:
        """The server's host and port, for a proxy."""
        return self.server.user["host"], int(self.server.user["port"])

    def query(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """All rows of a query on the tables there, through a connection of its own."""
        with self.server.connect(options=f"-c search_path={self.schema}") as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def stored(self) -> list[str]:
        """Ids of all messages."""
        return sorted(row[0] for row in self.query("SELECT id FROM messages"))

    def connections(self) -> int:
        """How many connections stores have to the server's database, whichever these are."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'moltnet-storage'"
        return int(self.query(sql, [self.server.database])[0][0])

    def close_stores(self) -> None:
        """Close them."""
        for store in self._stores:
            store.close()

    def close(self) -> None:
        """Close the stores and drop the schema."""
        self.close_stores()
        self.server.drop_schemas([self.schema])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_OF_LOGIN = {"host", "port", "user", "password", "dbname", "sslmode", "gssencmode", "target_session_attrs", "options"}


def told(call: Callable[[], object]) -> MoltnetError | None:
    """The error that a call ends with."""
    try:
        call()
    except MoltnetError as error:
        return error
    return None


def seconds_of(call: Callable[[], object]) -> tuple[float, MoltnetError | None]:
    """How long a call takes, and the error that it ends with."""
    began = time.monotonic()
    error = told(call)
    return time.monotonic() - began, error


def in_threads(count: int, work: Callable[[int], object], patience: float = 60.0) -> list[BaseException]:
    """Run something in threads, each with its number, wait for all, and return what went wrong."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - returned
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "a thread does not come to its end"
    return errors
