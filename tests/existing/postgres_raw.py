"""A PostgreSQL database beneath the packages: its rows and its catalogue, by connections of our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from tests.postgres.shared import shared_server

from .expected import Json
from .raw import MESSAGE, Dump, messages_of

__all__ = ["catalogue", "connect", "dump", "messages", "rows", "time_sql"]

_OURS = "moltnet_ext_%"


@contextmanager
def connect(database: str) -> Iterator[Any]:
    """A connection of the stores' role, which commits each statement by itself."""
    with closing(psycopg2.connect(shared_server().dsn(dbname=database))) as connection:
        connection.autocommit = True
        yield connection


def rows(database: str, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def time_sql(column: str) -> str:
    """SQL of a time as records give it: nine digits, of which the engine keeps six."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"000Z"')"""


def messages(database: str) -> list[Json]:
    """All stored messages, by nothing but the JSON in their columns."""
    return messages_of(rows(database, f"SELECT {', '.join(MESSAGE)}, {time_sql('created_at')} FROM messages"))


def dump(database: str) -> Dump:
    """Every row of every table that is not ours, each column as the bytes that the server sends for it."""
    keys: dict[str, list[int]] = {}
    found: Dump = {}
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'")
        cursor.execute(
            """SELECT conrelid::regclass::text, conkey FROM pg_constraint
               WHERE contype = 'p' AND connamespace = 'public'::regnamespace AND conname NOT LIKE %s""",
            (_OURS,),
        )
        keys = dict(cursor.fetchall())
        for table, places in keys.items():
            cursor.execute(f"SELECT * FROM {table} LIMIT 0")
            columns = [column.name for column in cursor.description]
            selected = ", ".join(f"convert_to({column}::text, 'UTF8')" for column in columns)
            cursor.execute(f"SELECT {selected} FROM {table}")
            found[table] = {}
            for row in cursor.fetchall():
                values = [None if value is None else bytes(value) for value in row]
                key = tuple(values[place - 1] or b"" for place in places)
                found[table][key] = dict(zip(columns, values, strict=True))
    return found


_CATALOGUE = {
    "columns": """SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default,
        collation_name, is_identity, is_generated FROM information_schema.columns WHERE table_schema = 'public'""",
    "constraints": """SELECT conrelid::regclass::text, conname, contype, convalidated, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "objects": """SELECT relname, relkind, relpersistence, reloptions FROM pg_class
        WHERE relnamespace = 'public'::regnamespace""",
    "triggers": "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT proname, 1 FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "schemas": "SELECT nspname, 1 FROM pg_namespace WHERE NOT starts_with(nspname, 'pg_')",
}


def catalogue(database: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the server says of everything in the schema: the tables' columns, defaults, constraints and indexes."""
    return {kind: sorted(rows(database, sql), key=repr) for kind, sql in _CATALOGUE.items()}
