"""How a connection is made, and what the server at its other end is."""

from __future__ import annotations

from typing import Any

import psycopg2
from attrs import frozen
from psycopg2.extensions import make_dsn

from moltnet_core.errors import ConfigError, ReadOnlyStoreError, StoreUnavailableError
from moltnet_postgres.connections import DURABLE, Connection
from moltnet_postgres.dialect import milliseconds, quoted
from moltnet_postgres.dsn import parse_dsn
from moltnet_postgres.errors import connect_error
from moltnet_postgres.events import FSYNC_OFF
from moltnet_postgres.settings import PostgresSettings, check_schema
from moltnet_postgres.watchdog import Watchdog
from moltnet_sql.schema import TABLES

__all__ = ["MINIMUM", "Connector", "Server"]

MINIMUM = 140000
"""PostgreSQL 14: the first in which ``extract`` gives the exact number of seconds."""


class Connector:
    """Opens connections to the servers that a DSN names.

    :ivar limits: what every transaction carries along, once the server is known.
    """

    def __init__(self, settings: PostgresSettings, *, read_only: bool) -> None:
        target = parse_dsn(settings.dsn)
        self.place = target.place
        self.server_settings = frozenset(target.server_settings)
        self.limits = ""
        self.watchdog = Watchdog()
        self._patience = settings.call_timeout
        parameters = dict(target.parameters)
        if target.options:
            parameters["options"] = target.options
        if target.host_count > 1 and not read_only:
            # Of several servers one takes writes.
            parameters.setdefault("target_session_attrs", "read-write")
        parameters.setdefault("connect_timeout", str(max(2, round(settings.connect_timeout))))
        parameters.setdefault("fallback_application_name", "moltnet-storage")
        self._parameters = parameters | {"client_encoding": "UTF8"}

    def connect(self) -> Connection:
        """A new connection.

        :raises ConfigError: libpq or the server does not take what the DSN says.
        :raises StoreUnavailableError: the server cannot be reached, or refuses the login.
        """
        failure = None
        try:
            made = psycopg2.connect(make_dsn(**self._parameters), connection_factory=Connection)
        except psycopg2.Error as error:
            failure = connect_error(error, self.place)
        if failure is not None:
            raise failure from failure.__cause__
        made.watchdog = self.watchdog
        made.patience = self._patience
        made.limits = self.limits
        made.durable = "" if "synchronous_commit" in self.server_settings else DURABLE
        return made


@frozen
class Server:
    """What was found at the other end of the first connection.

    :param schema: where the tables are or will be.
    :param version: the server's, as a number: 180004 is 18.4.
    :param may_identify: whether the role may know which cluster it is.
    """

    place: str
    read_only: bool
    schema: str
    version: int
    is_standby: bool
    takes_no_writes: bool
    fsync: str
    may_identify: bool

    @classmethod
    def of(cls, connection: Connection, settings: PostgresSettings, place: str, *, read_only: bool) -> Server:
        """Ask the server.

        :raises ConfigError: there is no schema for the tables.
        """
        cursor = connection.cursor()
        cursor.execute(
            """SELECT current_setting('server_version_num')::int, current_schema(), pg_is_in_recovery(),
                current_setting('transaction_read_only'), current_setting('fsync', true),
                has_function_privilege('pg_control_system()', 'EXECUTE')"""
        )
        version, schema, is_standby, no_writes, fsync, may_identify = cursor.fetchall()[0]
        schema = settings.schema or schema
        if schema is None:
            raise ConfigError(
                "postgres", "schema", f"no schema of the search_path exists in {place}; name one with ?schema=NAME"
            )
        problem = check_schema(schema)
        if problem is not None:
            raise ConfigError(
                "postgres",
                "schema",
                f"the search_path of {place} begins with one: {problem}; name another with ?schema=NAME",
            )
        return cls(place, read_only, schema, version, is_standby, no_writes == "on", fsync or "", may_identify)

    def check(self) -> None:
        """Refuse a server that is too old or takes no writes; warn of one that may lose what it has acknowledged.

        :raises StoreUnavailableError: older than :data:`MINIMUM`.
        :raises ReadOnlyStoreError: the store is to be written, and the server takes no writes.
        """
        if self.version < MINIMUM:
            raise StoreUnavailableError(
                f"{self.place} runs PostgreSQL {self.version // 10000}: at least {MINIMUM // 10000} is needed"
            )
        if self.takes_no_writes and not self.read_only:
            what = "is a standby" if self.is_standby else "is set to read-only"
            raise ReadOnlyStoreError(
                f"{self.place} {what} and takes no writes; open it with mode=ro to read, "
                "or name the primary (with several hosts: target_session_attrs=read-write)"
            )
        if self.fsync == "off":
            FSYNC_OFF.log(
                "the server of %s runs with fsync=off: a crash may lose what it has acknowledged",
                self.place,
                server=self.place,
            )

    def limits(self, settings: PostgresSettings, named: frozenset[str]) -> str:
        """What each transaction sets for itself.

        :param named: settings that the DSN itself names, which stay as it says.
        """
        wanted: dict[str, Any] = {}
        if "statement_timeout" not in named:
            # A little before the watchdog: the server's own word says that nothing was done, and spares the connection.
            wanted["statement_timeout"] = milliseconds(settings.call_timeout - min(1.0, settings.call_timeout / 10))
        if "lock_timeout" not in named:
            wanted["lock_timeout"] = milliseconds(settings.busy_timeout)
        return "".join(f"SET LOCAL {name} = {value}; " for name, value in wanted.items())

    def identity(self, connection: Connection) -> str:
        """The schema, of which database, of which running server: a standby, or a copy of a server, is another."""
        cursor = connection.cursor()
        cursor.execute(
            """SELECT extract(epoch FROM pg_postmaster_start_time())::text, oid::text FROM pg_database
                WHERE datname = current_database()"""
        )
        started, database = cursor.fetchall()[0]
        return f"{started} {database} {self.schema}"

    def describe(self, connection: Connection) -> dict[str, str]:
        """What an operator wants to know."""
        cursor = connection.cursor()
        names = [f"{quoted(self.schema)}.{quoted(table)}" for table in TABLES]
        cursor.execute(
            """SELECT current_setting('server_version'), current_database(), current_user, pg_is_in_recovery(),
                current_setting('server_encoding'), current_setting('synchronous_commit', true),
                (SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(%s) AS name)""",
            (names,),
        )
        version, database, user, is_standby, encoding, waits, size = cursor.fetchall()[0]
        if waits == "off" and connection.durable:
            waits = "on (set by each write)"
        return {
            "engine": f"PostgreSQL {version}",
            "server": self.place,
            "role": "standby" if is_standby else "primary",
            "database": database,
            "schema": self.schema,
            "user": user,
            "encoding": encoding,
            "synchronous_commit": "on (set by each write)"
            if waits == "off" and connection.durable
            else waits or "unknown",
            "size": f"{size or 0} bytes",
        }
