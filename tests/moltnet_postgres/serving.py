"""A Moltnet server's own writes beside a store: sessions whose transactions are open for as long as a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Self

import psycopg2
from tests.existing.server import message_rows
from tests.moltnet_postgres.support import Place

__all__ = ["ServerSession", "serving"]


class ServerSession:
    """A session in which the server stores messages, with its own statements."""

    def __init__(self, place: Place, **login: str) -> None:
        self._connection = psycopg2.connect(
            place.server.dsn(options=f"-c search_path={place.schema}", application_name="server", **login)
        )

    def insert(self, *message_ids: str, room_id: str = "hall", at: str = "2026-05-01T00:00:00Z") -> Self:
        """Store messages; the transaction stays open."""
        for message_id in message_ids:
            for sql, parameters in message_rows(message_id, {"kind": "room", "room_id": room_id}, at):
                self.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
        return self

    def execute(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """A statement in the transaction, which it begins where none is open."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    @property
    def notifications(self) -> list[str]:
        """The channels of what it was told since it listened."""
        return [each.channel for each in self._connection.notifies]

    def commit(self) -> None:
        """End the transaction."""
        self._connection.commit()

    def roll_back(self) -> None:
        """End the transaction without a trace."""
        self._connection.rollback()

    def close(self) -> None:
        """End the session."""
        self._connection.close()


@contextmanager
def serving(place: Place, **login: str) -> Iterator[ServerSession]:
    """A session that ends with the block."""
    session = ServerSession(place, **login)
    try:
        yield session
    finally:
        session.close()
