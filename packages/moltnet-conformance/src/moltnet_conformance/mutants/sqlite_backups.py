"""Faults in backups."""

from __future__ import annotations

import shutil
from pathlib import Path

from moltnet_conformance.mutants.sqlite import collection
from moltnet_core import MigrationRequiredError
from moltnet_sqlite.driver import SQLiteDriver

mutant = collection()


@mutant("a backup is a copy of the main file, without what is in the log beside it", "POWER-005", "POWER-006")
class CopiesTheFile(SQLiteDriver):
    def backup(self, destination: Path) -> None:
        shutil.copyfile(self._path, destination)


@mutant("a backup takes the place of a file that is there", "POWER-007")
class OverwritesBackups(SQLiteDriver):
    def backup(self, destination: Path) -> None:
        if destination.is_file():
            destination.unlink()
        super().backup(destination)


@mutant("a backup leaves credentials out", "POWER-005")
class BacksUpNoAgents(SQLiteDriver):
    def backup(self, destination: Path) -> None:
        with self._writing() as connection:
            agents = connection.execute("SELECT * FROM agents").fetchall()
            connection.execute("DELETE FROM agents")
        try:
            super().backup(destination)
        finally:
            with self._writing() as connection:
                connection.executemany("INSERT INTO agents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", agents)


@mutant("a store has to be migrated before it is backed up", "POWER-008")
class BacksUpMigrated(SQLiteDriver):
    def backup(self, destination: Path) -> None:
        if not self.migration_log.read():
            raise MigrationRequiredError(["server:1"])
        super().backup(destination)
