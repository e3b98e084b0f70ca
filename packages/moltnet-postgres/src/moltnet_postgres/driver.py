"""The PostgreSQL driver: the shared SQL driver on this package's connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import peewee

from moltnet_core.driver import Appended, NewMessage
from moltnet_core.errors import CorruptStoreError, RoomNotFoundError, StoreUnavailableError
from moltnet_postgres.appending import make_at_once
from moltnet_postgres.connections import PostgresSession
from moltnet_postgres.dialect import PostgresDialect
from moltnet_postgres.pool import PostgresPool
from moltnet_postgres.readonly import Covers, columns_of
from moltnet_postgres.server import Connector, Server
from moltnet_postgres.settings import PostgresSettings
from moltnet_sql import SqlDatabase, SqlDriver, SqlMigrationLog, Unit
from moltnet_sql.schema import TABLES, missing_from

if TYPE_CHECKING:
    from moltnet_core.checking import Check
    from moltnet_core.feeds import Feed

__all__ = ["PostgresDriver"]


class PostgresDatabase(SqlDatabase, peewee.PostgresqlDatabase):
    """peewee's side of a database."""


class PostgresDriver(SqlDriver):
    """Keeps a store in one schema of a PostgreSQL database.

    :raises ConfigError: the DSN cannot be used.
    :raises StoreUnavailableError: the server cannot be reached, or refuses the login; or there is no schema to read.
    :raises ReadOnlyStoreError: it takes no writes, and the store is not opened read-only.
    :raises CorruptStoreError: the schema holds the tables of another program.
    """

    session_class = PostgresSession

    def __init__(self, settings: PostgresSettings, *, read_only: bool = False) -> None:
        connector = Connector(settings, read_only=read_only)
        self._settings = settings
        self._connect = connector.connect
        self._feed: Feed | None = None
        self._place = connector.place
        self._connections = PostgresPool(
            connector.connect,
            connector.watchdog,
            place=connector.place,
            size=settings.pool_size,
            timeout=settings.pool_timeout,
            lifetime=settings.pool_lifetime,
            check_after=settings.pool_check_after,
            check_patience=settings.connect_timeout,
        )
        plain = PostgresDialect(place=self._place, read_only=read_only)
        try:
            with Unit(self._connections, plain, None) as connection:
                self._server = Server.of(connection, settings, self._place, read_only=read_only)
                self._server.check()
                connector.limits = self._server.limits(settings, connector.server_settings)
                connection.limits = connector.limits
                found = columns_of(connection, self._server.schema)
            if read_only and not found:
                raise StoreUnavailableError(
                    f"there is no store to read in the schema {self._server.schema!r} of {self._place}; check its name "
                    "and the database's; the first that opens it to write creates it"
                )
            _check_content(found, self._place, self._server.schema)
        except BaseException:
            self._connections.close()
            raise
        dialect = PostgresDialect(
            self._server.schema,
            self._place,
            busy_timeout=settings.busy_timeout,
            migration_timeout=settings.migration_timeout,
            read_only=read_only,
            on_wrong_server=self._connections.retire_all,
        )
        if read_only:
            self._connections.on_take = Covers(dialect).put_on
        super().__init__(PostgresDatabase(self._place), self._connections, dialect)
        self._log = SqlMigrationLog(self._database, dialect, self._migrating)
        self._at_once = make_at_once(dialect)

    @contextmanager
    def _migrating(self, *, write: bool) -> Iterator[peewee.Database]:
        """A transaction that may take as long as a migration may."""
        with self.transaction(write=write) as database:
            connection = database.connection()
            if write:
                connection.patience = self._settings.migration_timeout + self._settings.call_timeout
            try:
                yield database
            finally:
                connection.patience = self._settings.call_timeout

    def _append_fresh(self, batch: Sequence[NewMessage]) -> Sequence[Appended]:
        if len(batch) != 1 or self._database.in_transaction():
            return super()._append_fresh(batch)
        with Unit(self._pool, self._dialect, None, write=True) as connection, self._taken_ids():
            appended = self._at_once.append(self.session_class(connection), self._tools.rows, batch[0])
        if appended is None:
            # Or its thread is another room's. It is only to be found out by whom it concerns.
            raise RoomNotFoundError(batch[0].message.target.room_id or "")
        return (appended,)

    @property
    def concurrency(self) -> int:
        return self._settings.pool_size

    @property
    def identity(self) -> str:
        with Unit(self._pool, self._dialect, None) as connection:
            return self._server.identity(connection)

    def describe(self) -> Mapping[str, str]:
        """Engine, place, role and size, for people."""
        with Unit(self._pool, self._dialect, None) as connection:
            described = self._server.describe(connection)
        return described | {"connections": f"at most {self._settings.pool_size} at once"}

    def feed(self) -> Feed:
        """See :class:`moltnet_core.driver.SupportsWatch`. The first in a database makes what keeps the order there."""
        from moltnet_postgres.feed import make_feed

        feed = make_feed(
            self._looking, self._log, self._migrating, self._connect, self._server, self._dialect, self._tools.rows
        )
        self._feed = feed
        return feed

    def check_engine(self, check: Check) -> None:
        """See :class:`moltnet_core.driver.SupportsCheck`."""
        from moltnet_postgres.checking import check_engine

        check_engine(self._reading, self.session_class, self._server.schema, check)

    def close(self) -> None:
        if self._feed is not None:
            self._feed.rest()
        self._connections.close()


def _check_content(found: Mapping[str, set[str]], place: str, schema: str) -> None:
    """Refuse tables of other programs that have our names.

    :raises CorruptStoreError: some of them are there, and they are not a Moltnet server's.
    """
    if not set(found) & set(TABLES):
        return
    lacking = missing_from(found)
    if lacking:
        raise CorruptStoreError(
            f"the schema {schema!r} of {place} does not hold a Moltnet store: {lacking}; "
            "it was left as it is; choose another with ?schema=NAME"
        )
