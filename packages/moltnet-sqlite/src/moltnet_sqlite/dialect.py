"""SQLite's spelling of what the SQL backends share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from moltnet_core.errors import (
    CorruptStoreError,
    DriverError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StorageIOError,
    StoreBusyError,
    StoreUnavailableError,
    ValidationError,
)
from moltnet_core.timestamps import parse_time
from moltnet_sql import Dialect
from moltnet_sqlite.engine import sqlite3

__all__ = ["SQLiteDialect"]

_FULL: Final = "no space is left for the database; earlier data is intact; make room and try again"
_STATEMENT: Final = frozenset(
    {"SQLITE_CONSTRAINT", "SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_RANGE"}
    | {"ProgrammingError", "InterfaceError", "DataError", "NotSupportedError"}
)
"""Result codes of what a statement says, and the errors of the module about what it was given."""
_DIGIT: Final = "[0-9]"
_SECOND: Final = "-".join((_DIGIT * 4, _DIGIT * 2, _DIGIT * 2)) + "T" + ":".join([_DIGIT * 2] * 3)
_UNIQUE: Final = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")


class SQLiteDialect(Dialect):
    """Times are RFC 3339 texts, and texts compare by code point already.

    :param place: the file, for errors.
    :param is_full: whether there is no room for the file to grow, which SQLite may take for a failing disk.
    """

    def __init__(self, place: str = "the database", is_full: Callable[[], bool] = lambda: False) -> None:
        self._place = place
        self._is_full = is_full

    named = ":{}"
    keep_row = ""
    take_row = ""
    begin_read = "BEGIN"
    begin_write = "BEGIN IMMEDIATE"
    time_type = "TEXT"
    pages_by_range = True

    def whole_table(self, name: str) -> str:
        return f"main.{name}"

    def by_code_point(self, expression: str) -> str:
        return expression

    def time_key(self, column: str) -> str:
        # One text per instant, ascending with time, however many digits the row has and whether its zeros were
        # trimmed. (Without the zeros "…05.12" and "…05.120000000" would be two.)
        return f"rtrim({column}, 'Z0.')"

    def time_shapes(self, column: str) -> tuple[str, str] | None:
        # Whoever did not say that nearly all are such would have them all sorted.
        text = f"likely(typeof({column}) = 'text')"
        full = f"likely({column} GLOB '{_SECOND}.{_DIGIT * 9}Z') AND {text}"
        return full, f"{column} GLOB '{_SECOND}*Z' AND {text}"

    def unindexed(self, column: str) -> str:
        return f"+{column}"

    def select_time(self, column: str) -> str:
        return column

    def read_time(self, value: Any) -> datetime:
        return parse_time(value)

    def time_text(self, value: Any) -> str:
        parse_time(value)
        return str(value)

    def bind_time(self, text: str) -> Any:
        return text

    def odd_time(self, column: str) -> str | None:
        # Text of any other shape than UTC's sorts by what stands in it, not by when it is.
        return f"{column} NOT GLOB '{_SECOND}*Z'"

    def column_names(self, table: str) -> tuple[str, Sequence[Any]]:
        return "SELECT name FROM pragma_table_info(?)", (table,)

    def stored_columns(self) -> tuple[str, Sequence[Any]]:
        query = """
            SELECT tables.name, columns.name, upper(columns.type) FROM main.sqlite_master AS tables
            JOIN pragma_table_info(tables.name, 'main') AS columns WHERE tables.type = 'table'"""
        return query, ()

    def stored_references(self) -> tuple[str, Sequence[Any]]:
        query = """
            SELECT tables.name, found."from", found."table" FROM main.sqlite_master AS tables
            JOIN pragma_foreign_key_list(tables.name, 'main') AS found WHERE tables.type = 'table'"""
        return query, ()

    def stored_indexes(self) -> tuple[str, Sequence[Any]]:
        return "SELECT name, sql, 1 FROM main.sqlite_master WHERE type = 'index' AND sql IS NOT NULL", ()

    def foreign_objects(self) -> tuple[str, Sequence[Any]]:
        query = """
            SELECT found.name, tables.name, 0 FROM main.sqlite_master AS tables
            JOIN pragma_index_list(tables.name) AS found
            WHERE tables.type = 'table' AND found."unique" = 1 AND found.origin <> 'pk'
            UNION ALL SELECT name, tbl_name, 1 FROM main.sqlite_master WHERE type = 'trigger'"""
        return query, ()

    def column_exists(self, table: str, column: str) -> tuple[str, Sequence[Any]]:
        return "SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (table, column)

    def lock_schema(self, execute: Callable[..., Any]) -> None:
        """Beginning to write has locked all."""

    def is_unique_violation(self, error: BaseException) -> bool:
        if not isinstance(error, sqlite3.IntegrityError):
            return False
        # pysqlite3 gives the primary code only, so the text has to say which constraint it was.
        return getattr(error, "sqlite_errorname", None) in _UNIQUE or "UNIQUE constraint failed" in str(error)

    def blames_statement(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.Error) and _primary(_name(error)) in _STATEMENT

    def translate(self, error: BaseException, *, committing: bool) -> MoltnetError | None:
        if isinstance(error, UnicodeEncodeError):
            return ValidationError("a text", "holds a lone surrogate, which no backend can store")
        if isinstance(error, UnicodeDecodeError):
            # The engine quotes the damaged schema in its error, and its driver cannot read that.
            return CorruptStoreError(f"{self._place} is damaged; it was left as it is; restore a backup")
        if not isinstance(error, sqlite3.Error):
            return None
        name = _name(error)
        translation = _translation(name, str(error), self._place, committing=committing)
        if isinstance(translation, StorageIOError) and name.startswith("SQLITE_IOERR") and self._is_full():
            translation = StorageFullError(_FULL, committed=translation.committed)
        translation.__cause__ = DriverError(type(error).__name__, name)
        return translation


def _name(error: BaseException) -> str:
    """The name of its result code; of an error of the module itself, which has none, its class's."""
    return getattr(error, "sqlite_errorname", None) or type(error).__name__


def _primary(name: str) -> str:
    """The name of the result code that an extended one is a case of."""
    return "_".join(name.split("_")[:2])


def _translation(name: str, text: str, place: str, *, committing: bool) -> MoltnetError:
    """The contract's error for a result code's name. The text is looked at where there is no code, and never shown."""
    match _primary(name):
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return StoreBusyError(
                f"another connection held the lock of {place} for longer than busy_timeout; try again, "
                "or open with a longer ?busy_timeout=SECONDS"
            )
        case "SQLITE_FULL":
            return StorageFullError(_FULL)
        case "SQLITE_READONLY":
            return ReadOnlyStoreError(f"{place} cannot be written; open it with mode=ro to read it")
        case "SQLITE_IOERR":
            return StorageIOError(f"the disk or file system of {place} failed", committed=None if committing else False)
        case "SQLITE_CANTOPEN" | "SQLITE_PERM" | "SQLITE_AUTH":
            return StoreUnavailableError(
                f"{place}, or its -wal or -shm, cannot be opened; see that it is there and that this user may read it"
            )
        case "SQLITE_NOTADB":
            return CorruptStoreError(f"{place} is not an SQLite database; it was left as it is; check the path")
        case "SQLITE_CORRUPT":
            return CorruptStoreError(f"{place} is damaged; it was left as it is; restore a backup")
        case "SQLITE_CONSTRAINT":
            return CorruptStoreError(f"a constraint in {place} refused what was written; nothing was changed")
        case "SQLITE_NOMEM" | "SQLITE_TOOBIG":
            return StorageIOError("SQLite ran out of memory, or was given a value that is too large for it")
        case "SQLITE_INTERRUPT":
            return StoreUnavailableError("the call was interrupted")
    if "no such table" in text or "no such column" in text:
        return CorruptStoreError("a table or column of the store is missing; is this the database of another program?")
    return StorageIOError("the database refused the operation")
