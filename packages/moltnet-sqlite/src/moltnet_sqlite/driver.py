"""The SQLite driver: the shared SQL driver on this package's connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moltnet_core.driver import Appended, NewMessage
from moltnet_core.errors import CorruptStoreError
from moltnet_core.files import file_identity
from moltnet_core.grouping import GroupCounts, Groups
from moltnet_sql import SqlDriver, Unit
from moltnet_sql.errors import translated
from moltnet_sql.reading import Reader
from moltnet_sql.schema import missing_from
from moltnet_sql.session import Session
from moltnet_sqlite.backup import back_up
from moltnet_sqlite.connections import SQLiteDatabase, SQLitePool
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.engine import check_engine, module_name, sqlite3
from moltnet_sqlite.feed import SQLiteFeed
from moltnet_sqlite.files import is_full, needs_immutable, prepare_file, sidecar
from moltnet_sqlite.grouped import append_grouped
from moltnet_sqlite.sessions import SQLiteSession
from moltnet_sqlite.settings import SQLiteSettings

if TYPE_CHECKING:
    from moltnet_core.checking import Check

__all__ = ["SQLiteDriver"]


class SQLiteDriver(SqlDriver):
    """Keeps a store in one SQLite file.

    :raises MoltnetError: the file cannot be opened or is no database; see :mod:`moltnet_sqlite.files`.
    """

    session_class = SQLiteSession

    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        check_engine()
        self._path: Path = settings.path
        self._synchronous = settings.synchronous
        prepare_file(self._path, read_only=read_only)
        self._connections = SQLitePool(
            self._path,
            read_only=read_only,
            immutable=read_only and needs_immutable(self._path),
            busy_timeout=settings.busy_timeout,
            synchronous=settings.synchronous,
        )
        dialect = SQLiteDialect(str(self._path), lambda: is_full(self._path))
        super().__init__(SQLiteDatabase(str(self._path)), self._connections, dialect)
        self._groups: Groups[Sequence[NewMessage]] = Groups(
            "moltnet-sqlite-writer", self._append_all, settings.busy_timeout
        )
        try:
            with Unit(self._connections, dialect, None) as connection:
                _check_content(connection, self._path)
        except BaseException:
            self.close()
            raise

    # -- messages ------------------------------------------------------------------------------------

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        is_crowded = self._connections.writing.is_held or self._groups.is_running
        if not is_crowded or self._database.in_transaction():
            return super().append(batch, retry=retry)
        return self._groups.write(batch, len(batch), partial(super().append, batch, retry=retry))

    def _append_all(self, take: Callable[[], Sequence[Sequence[NewMessage]]]) -> Sequence[Any]:
        """Append what waits, in one transaction; see :class:`moltnet_core.grouping.Groups`."""
        with self._writing() as connection:
            return append_grouped(connection, self._dialect.begin_write, self._writer(connection), take())

    @property
    def concurrency(self) -> int:
        """Sixteen: appends that wait share a commit, so more of them at a time are done sooner."""
        return 16

    @property
    def groups(self) -> GroupCounts:
        """How many appends shared a commit."""
        return self._groups.counts

    def stats(self) -> Mapping[str, float]:
        return {**super().stats(), **self.groups.stats()}

    # -- the file ------------------------------------------------------------------------------------
    @property
    def identity(self) -> str | None:
        return file_identity(self._path)

    def describe(self) -> dict[str, str]:
        """Engine, file and sizes, for people."""
        described = {
            "engine": f"SQLite {sqlite3.sqlite_version} ({module_name()})",
            "file": str(self._path),
            "synchronous": self._synchronous,
            "size": f"{self._path.stat().st_size} bytes",
        }
        wal = sidecar(self._path, "-wal")
        if wal.exists():
            described["write-ahead log"] = f"{wal.stat().st_size} bytes"
        return described

    def backup(self, destination: Path) -> None:
        with Unit(self._connections, self._dialect, None) as connection:
            back_up(connection, destination)

    def feed(self) -> SQLiteFeed:
        """See :class:`moltnet_core.driver.SupportsWatch`."""
        return SQLiteFeed(self._connections, self._lend, lambda: translated(self._dialect))

    @contextmanager
    def _lend(self) -> Iterator[tuple[Session, Reader]]:
        # Always a connection of its own, also within this thread's transaction: a feed gives what is committed.
        with Unit(self._connections, self._dialect, self._dialect.begin_read) as connection:
            yield self.session_class(connection), self._reader(connection)

    def check_engine(self, check: Check) -> None:
        """See :class:`moltnet_core.driver.SupportsCheck`."""
        from moltnet_sqlite.checking import check_engine

        with Unit(self._connections, self._dialect, None) as connection:
            check_engine(connection, self._path, check)

    @property
    def beside(self) -> Path:
        """See :class:`moltnet_core.driver.SupportsRepair`."""
        return self._path

    def close(self) -> None:
        self._connections.close()
        self._groups.close()


def _check_content(connection: Any, path: Path) -> None:
    """Refuse what is not SQLite at all, and the database of another program.

    :raises CorruptStoreError: it holds tables, and they are not a Moltnet server's.
    """
    found: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "SELECT tables.name, columns.name FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns "
        "WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ):
        found.setdefault(table, set()).add(column)
    if not found:
        return
    lacking = missing_from(found)
    if lacking:
        raise CorruptStoreError(
            f"{path} is not a Moltnet database: {lacking} (it has {', '.join(sorted(found)[:3])}, …); "
            "it was left as it is; choose another file"
        )
