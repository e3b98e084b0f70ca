"""Faults in migrations, forks and other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from moltnet_conformance.mutants.sqlite import collection
from moltnet_core import StoreClosedError
from moltnet_core.migrations import AppliedMigration, Migration, apply_pending, read_status
from moltnet_sql.migrations import MigrationHandle, SqlMigrationLog
from moltnet_sqlite.driver import SQLiteDriver
from moltnet_sqlite.migrations import MIGRATIONS, SERIES
from moltnet_sqlite.settings import SQLiteSettings

mutant = collection()

LONG_ENOUGH = 0.5  # seconds, for other processes to look as well


class _Forgets(SqlMigrationLog):
    def _record(self, migration: Migration) -> None:
        if migration.series != SERIES:
            super()._record(migration)


class _DoesNotLook(SqlMigrationLog):
    def read(self) -> Sequence[AppliedMigration]:
        found = super().read()
        if not found:
            time.sleep(LONG_ENOUGH)
        return found

    def apply(self, migration: Migration) -> bool:
        with self._transaction(write=True) as database:
            self._create_tables()
            migration.up(MigrationHandle(database))
            self._record(migration)
        return True


class _Migrates(SQLiteDriver):
    log_class: type[SqlMigrationLog]

    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        self._log = self.log_class(self._database, self._dialect, self.transaction)


@mutant("a migration is applied and not recorded", "MIGR-001", "OPEN-001")
class ForgetsMigrations(_Migrates):
    log_class = _Forgets


@mutant("whether another has applied a migration meanwhile is not looked at again", "PROC-002")
class MigratesTwice(_Migrates):
    log_class = _DoesNotLook


@mutant("opening migrates, asked or not", "MIGR-002", "MIGR-003")
class AlwaysMigrates(SQLiteDriver):
    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        if not read_only:
            apply_pending(self.migration_log, read_status(self.migration_log, MIGRATIONS).pending)


@mutant("the child of a fork is refused, though several processes are claimed", "FORK-001")
class RefusesForks(SQLiteDriver):
    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        self._process = os.getpid()

    def _unit(self, begin: str | None, *, write: bool = False) -> AbstractContextManager[Any]:
        if os.getpid() != self._process:
            raise StoreClosedError("another process opened it")
        return super()._unit(begin, write=write)


# -- lawful, if odd ----------------------------------------------------------------------------------


@mutant("lawful: it opens a connection for each call")
class FreshConnections(SQLiteDriver):
    def _unit(self, begin: str | None, *, write: bool = False) -> AbstractContextManager[Any]:
        with self._connections._lock:
            self._connections._close_idle()
        return super()._unit(begin, write=write)
