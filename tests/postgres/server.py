"""A PostgreSQL server for tests: how to reach it, and fresh databases and schemas in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from secrets import token_hex
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode

import psycopg2
from psycopg2.extensions import connection, make_dsn, parse_dsn

__all__ = ["Host", "Login", "Server", "ServerError"]

Host = Literal["tcp", "socket"]
Login = Mapping[str, str]  # libpq's parameters

DROP_PATIENCE = "20s"  # until a schema's drop says that somebody holds it


class ServerError(Exception):
    """A server that tests need cannot be had. That fails them; nothing is skipped for it."""


class Server:
    """A server that is there already. Each object uses databases of its own.

    :param administrator: how to log in as a role that may create databases, and where it can do so from.
    :param user: how to log in as the role that stores are opened with, which is made; without it, as the administrator.
    :param database: one that is there, with that role, so that none is made.
    """

    def __init__(self, administrator: Login, user: Login | None = None, database: str | None = None) -> None:
        self.administrator = dict(administrator)
        self.user = dict(administrator if user is None else user)
        self._prefix = f"moltnet_{token_hex(4)}"
        self._names = 0
        self.databases: list[str] = []
        self.schemas: list[str] = []
        if user is not None and database is None:
            self.execute(
                f'CREATE ROLE "{user["user"]}" LOGIN PASSWORD %s', [user["password"]], self.administrator["dbname"]
            )
        self.database = self.create_database() if database is None else database

    @classmethod
    def at(cls, dsn: str) -> Server:
        """The server that a DSN names, by a role that may create databases.

        :raises ServerError: it is not reached, or the role may not.
        """
        try:
            words = {key: str(value) for key, value in parse_dsn(dsn).items()}
            with closing(psycopg2.connect(dsn)) as connected:  # which knows what the DSN leaves to libpq
                there = connected.info
                found = {"host": there.host, "port": str(there.port), "user": there.user, "dbname": there.dbname}
            return cls({**found, **words})
        except psycopg2.Error as error:
            raise ServerError(str(error)) from error

    def close(self) -> None:
        """Drop what was made here."""
        for name in list(self.databases):
            self.drop_database(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- ways in -------------------------------------------------------------------------------------

    def login(self, host: Host = "tcp", /, **changes: str | None) -> dict[str, str]:
        """libpq's parameters for the stores' role and this object's database, but for the changes.

        :param host: ``socket`` goes through the Unix socket, of a server of our own.
        """
        login = {**self.user, "dbname": self.database, **self._host(host)}
        for key, value in changes.items():
            if value is None:
                login.pop(key, None)
            else:
                login[key] = value
        return login

    def dsn(self, host: Host = "tcp", /, **changes: str | None) -> str:
        """A DSN in libpq's words: ``dsn(user="ann", password="secret")``; ``None`` leaves a word out."""
        return str(make_dsn(**self.login(host, **changes)))

    def url(self, host: Host = "tcp", /, *, schema: str | None = None, **changes: str | None) -> str:
        """A store's URL: ``url(schema=server.new_schema())`` is a place where no store is yet."""
        words = self.login(host, **changes)
        user, password, database = (quote(words.pop(key, ""), safe="") for key in ("user", "password", "dbname"))
        address = ""
        if "/" not in words.get("host", "/"):  # a socket's folder can stand in the query only
            hosts, ports = words.pop("host").split(","), words.pop("port", "5432").split(",")
            address = ",".join(f"{name}:{port}" for name, port in zip(hosts, ports, strict=True))
        if schema is not None:
            words["schema"] = schema
        login = user + (f":{password}" if password else "")
        return f"postgres://{login}@{address}/{database}" + (f"?{urlencode(words, quote_via=quote)}" if words else "")

    @contextmanager
    def connect(self, database: str | None = None, **changes: str) -> Iterator[connection]:
        """A connection of the administrator, which commits each statement by itself."""
        words = {"application_name": "tests", **self.administrator, "dbname": database or self.database, **changes}
        connected = psycopg2.connect(make_dsn(**words))
        try:
            connected.autocommit = True
            yield connected
        finally:
            connected.close()

    def execute(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None, database: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator and return its rows."""
        with self.connect(database) as connected, connected.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def _host(self, host: Host) -> dict[str, str]:
        if host == "socket":
            raise ValueError("only a server of our own has a socket that we know")
        return {}

    # -- what is in it -------------------------------------------------------------------------------

    def create_database(self, options: str = "") -> str:
        """A new database; its name.

        :param options: more of ``CREATE DATABASE``, such as ``LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'``.
        """
        name = self._new_name("")
        sql = f"CREATE DATABASE {name} OWNER \"{self.user['user']}\" TEMPLATE template0 ENCODING 'UTF8' {options}"
        self.execute(sql, database=self.administrator["dbname"])
        self.databases.append(name)
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", database=self.administrator["dbname"])
        self.databases.remove(name)

    def new_schema(self) -> str:
        """The name of a schema that is nowhere yet: whoever opens a store there makes it."""
        self.schemas.append(self._new_name("s_"))
        return self.schemas[-1]

    def drop_schemas(self, names: Sequence[str]) -> None:
        """Drop schemas of this object's database, those that were made.

        :raises psycopg2.errors.LockNotAvailable: somebody is in the middle of a transaction there.
        """
        if not names:
            return
        options = f"-c lock_timeout={DROP_PATIENCE} -c client_min_messages=warning"
        with self.connect(options=options) as connected, connected.cursor() as cursor:
            for name in names:
                cursor.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
                self.schemas.remove(name)

    def create_role(self, options: str = "", password: str | None = None) -> str:
        """A new role that may log in; its name."""
        name = self._new_name("r_")
        self.execute(f"CREATE ROLE {name} LOGIN {options}")
        if password is not None:
            self.execute(f"ALTER ROLE {name} PASSWORD %s", [password])
        return name

    def terminate_backends(self, application_name: str | None = None) -> int:
        """End the sessions in this object's database, of one application or all but our own; how many there were."""
        # Materialized, as the planner would otherwise be free to end sessions before it looks whose they are.
        rows = self.execute(
            "WITH chosen AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE datname = %s"
            " AND pid <> pg_backend_pid() AND application_name = coalesce(%s, application_name))"
            " SELECT count(*) FROM chosen WHERE pg_terminate_backend(pid)",
            [self.database, application_name],
        )
        return int(rows[0][0])

    def _new_name(self, kind: str) -> str:
        self._names += 1
        return f"{self._prefix}_{kind}{self._names}"
