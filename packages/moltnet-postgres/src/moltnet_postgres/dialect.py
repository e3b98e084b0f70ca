"""PostgreSQL's spelling of what the SQL backends share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg2

from moltnet_core.errors import MoltnetError, ValidationError
from moltnet_core.timestamps import format_time
from moltnet_postgres.connections import BEGIN_READ, BEGIN_WRITE
from moltnet_postgres.errors import READ_ONLY_TRANSACTION, UNIQUE_VIOLATION, is_statement_error, translate_error
from moltnet_sql import Dialect

__all__ = ["FEED_TRIGGER", "MIGRATION_LOCK", "PostgresDialect", "quoted"]

MIGRATION_LOCK: Final = 715308742994555159
"""The advisory lock under which the Go server migrates, too."""

FEED_TRIGGER: Final = "moltnet_ext_feed"
"""The trigger on messages that a watch needs: see :mod:`moltnet_postgres.feed_schema`."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_ALL_TIMES: Final = "20000-01-01T00:00:00Z"
_NO_TIME_AT_ALL: Final = 2**63 - 1


def quoted(name: str) -> str:
    """A name as SQL takes it to the letter."""
    return '"' + name.replace('"', '""') + '"'


def milliseconds(seconds: float) -> int:
    """A duration as the server's time-outs take it: at least one, as 0 would be no limit."""
    return max(1, round(seconds * 1000))


class PostgresDialect(Dialect):
    """Times are ``timestamptz``; texts compare by code point where the collation ``C`` says so.

    :param schema: where the tables are.
    :param place: the database, for errors.
    :param busy_timeout: seconds to wait for a lock.
    :param migration_timeout: seconds that a migration may take.
    :param read_only: whether the store is opened to read only.
    :param on_wrong_server: called when the server turns out to take no writes.
    """

    named = "%({})s"
    keep_row = " FOR SHARE"
    take_row = " FOR NO KEY UPDATE"
    # Of an inserted row the field is 0; of one that was there it is the transaction that holds the row, which is ours.
    inserted = "xmax = 0"
    gather = "ARRAY"
    begin_read = BEGIN_READ
    begin_write = BEGIN_WRITE
    time_type = "TIMESTAMPTZ"

    def __init__(
        self,
        schema: str = "public",
        place: str = "the database",
        *,
        busy_timeout: float = 5.0,
        migration_timeout: float = 3600.0,
        read_only: bool = False,
        on_wrong_server: Callable[[], None] = lambda: None,
    ) -> None:
        self.schema = schema
        self._place = place
        self._busy = milliseconds(busy_timeout)
        self._migration = milliseconds(migration_timeout)
        self._read_only = read_only
        self._on_wrong_server = on_wrong_server

    def table(self, name: str) -> str:
        return f"{quoted(self.schema or 'public')}.{quoted(name)}"

    def use_names(self) -> str | None:
        return f"SET LOCAL search_path = {quoted(self.schema or 'public')}"

    def by_code_point(self, expression: str) -> str:
        return f'{expression} COLLATE "C"'

    def time_key(self, column: str) -> str:
        return column

    def select_time(self, column: str) -> str:
        # As a number: psycopg2's own datetime fails for years that Python does not have, and with it the whole page.
        # The server's last years are too many microseconds for a bigint, and infinity is no number.
        return (
            f"CASE WHEN {column} > '-infinity' AND {column} < '{_AFTER_ALL_TIMES}' "
            f"THEN (extract(epoch FROM {column}) * 1000000)::bigint "
            f"WHEN {column} IS NOT NULL THEN {_NO_TIME_AT_ALL} END"
        )

    def read_time(self, value: Any) -> datetime:
        if type(value) is not int:
            raise ValueError("not a time")
        try:
            return _EPOCH + timedelta(microseconds=value)
        except OverflowError:
            raise ValueError("a time before year 1 or after year 9999") from None

    def time_text(self, value: Any) -> str:
        return format_time(self.read_time(value))

    def bind_time(self, text: str) -> Any:
        return text

    def moment(self, placeholder: str) -> str:
        return f"{placeholder}::timestamptz"

    def column_names(self, table: str) -> tuple[str, Sequence[Any]]:
        return (
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (self.table(table),),
        )

    def raw_value(self, column: str) -> str:
        return f"{quoted(column)}::text" if column.endswith("_at") else quoted(column)

    def stored_columns(self) -> tuple[str, Sequence[Any]]:
        query = """
            SELECT relname, attname,
                replace(upper(format_type(atttypid, atttypmod)), 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ')
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE nspname = %s AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped"""
        return query, (self.schema,)

    def stored_references(self) -> tuple[str, Sequence[Any]]:
        query = """
            SELECT own.relname, attname, other.relname FROM pg_constraint
            JOIN pg_class AS own ON own.oid = conrelid JOIN pg_class AS other ON other.oid = confrelid
            JOIN pg_namespace ON pg_namespace.oid = own.relnamespace
            JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
            WHERE nspname = %s AND contype = 'f' AND cardinality(conkey) = 1 AND convalidated
                AND other.relnamespace = own.relnamespace"""
        return query, (self.schema,)

    def stored_indexes(self) -> tuple[str, Sequence[Any]]:
        query = """
            SELECT pg_class.relname, pg_get_indexdef(pg_class.oid), indisvalid AND indisready FROM pg_index
            JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
            WHERE nspname = %s"""
        return query, (self.schema,)

    def index_condition(self, text: str) -> str:
        # The server keeps what it has made of a condition, in words of its own.
        return "where" if text else ""

    def foreign_objects(self) -> tuple[str, Sequence[Any]]:
        query = """
            SELECT found.relname, tables.relname, false FROM pg_index
            JOIN pg_class AS found ON found.oid = indexrelid JOIN pg_class AS tables ON tables.oid = indrelid
            JOIN pg_namespace ON pg_namespace.oid = tables.relnamespace
            WHERE nspname = %s AND indisunique AND NOT indisprimary
            UNION ALL SELECT tgname, tables.relname, true FROM pg_trigger
            JOIN pg_class AS tables ON tables.oid = tgrelid
            JOIN pg_namespace ON pg_namespace.oid = tables.relnamespace
            WHERE nspname = %s AND NOT tgisinternal AND tgname <> %s"""
        return query, (self.schema, self.schema, FEED_TRIGGER)

    def lock_tables(self, tables: Sequence[str]) -> str | None:
        return f"LOCK TABLE {', '.join(self.table(name) for name in tables)} IN SHARE ROW EXCLUSIVE MODE"

    def column_exists(self, table: str, column: str) -> tuple[str, Sequence[Any]]:
        return (
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
            (self.table(table), column),
        )

    def lock_schema(self, execute: Callable[..., Any]) -> None:
        # Another's migration may take as long as ours, and it is the lock that is not had then, no statement that takes
        # too long. Our statements then wait for others' locks only as long as any other call does, for while they wait,
        # everybody waits behind them.
        execute(
            f"""SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {self._migration};
                SELECT pg_advisory_xact_lock({MIGRATION_LOCK});
                SET LOCAL statement_timeout = {self._migration}; SET LOCAL lock_timeout = {self._busy}"""
        )
        # Not IF NOT EXISTS, for which a role needs the right to create even where nothing has to be created.
        if execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchone() is None:
            execute(f"CREATE SCHEMA {quoted(self.schema or 'public')}")

    def is_unique_violation(self, error: BaseException) -> bool:
        return isinstance(error, psycopg2.IntegrityError) and error.pgcode == UNIQUE_VIOLATION

    def blames_statement(self, error: BaseException) -> bool:
        return isinstance(error, psycopg2.Error) and is_statement_error(error)

    def translate(self, error: BaseException, *, committing: bool) -> MoltnetError | None:
        if isinstance(error, UnicodeEncodeError):
            return ValidationError("a text", "holds a lone surrogate, which no backend can store")
        if not isinstance(error, psycopg2.Error):
            return None
        if error.pgcode == READ_ONLY_TRANSACTION:
            self._on_wrong_server()
        return translate_error(error, self._place, committing=committing, read_only=self._read_only)
