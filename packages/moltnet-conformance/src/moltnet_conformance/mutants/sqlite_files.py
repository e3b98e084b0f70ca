"""Faults in files: copies, locks that stay, and reading a file that others write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import wraps
from typing import Any

import attrs

from moltnet_conformance.mutants.sqlite import collection
from moltnet_core import StoreBusyError
from moltnet_sqlite.driver import SQLiteDriver
from moltnet_sqlite.settings import SQLiteSettings

mutant = collection()

WRITES = (
    "append",
    "create_room",
    "reconcile_room",
    "update_members",
    "remove_room",
    "remove_member",
    "save_agent",
    "remove_agent",
    "load",
)


class _Copies(SQLiteDriver):
    """Works on a copy of the file."""

    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        self._original = settings.path
        copy = settings.path.with_name(f"{settings.path.name}.{os.getpid()}.{id(self)}")
        if self._original.exists():
            shutil.copy(self._original, copy)
        super().__init__(attrs.evolve(settings, path=copy), read_only=read_only)

    def save(self) -> None:
        """Writes the copy back."""
        with self._looking() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self._path, self._original)


@mutant("what is written stays in a copy of the file", "OPEN-001", "OPEN-002", "OPEN-006", "MIGR-001", "KILL-002")
class NeverSaves(_Copies):
    pass


@mutant("the file is written when the store is closed", "OPEN-003", "OPEN-004", "OPEN-005", "KILL-001", "PROC-001")
class SavesOnClosing(_Copies):
    def close(self) -> None:
        self.save()
        super().close()


def saves_before(made: type[_Copies]) -> type[_Copies]:
    """A decorator: each write saves what the ones before it wrote."""

    def saving(write: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(write)
        def call(self: _Copies, *arguments: Any, **options: Any) -> Any:
            self.save()
            return write(self, *arguments, **options)

        return call

    for name in WRITES:
        setattr(made, name, saving(getattr(SQLiteDriver, name)))
    return made


@mutant("the last write is lost when the store is closed", "OPEN-001", "OPEN-003", "OPEN-006", "KILL-001")
@saves_before
class LosesTheLast(_Copies):
    pass


@mutant("a file that says that the store is in use stays after a kill", "KILL-001", "KILL-002", "OPEN-003", "OPEN-004")
class LeavesALock(SQLiteDriver):
    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        self._lock_file = settings.path.with_name(f"{settings.path.name}.lock")
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock_file.open("x").close()
        except FileExistsError:
            raise StoreBusyError("somebody else has opened it") from None
        super().__init__(settings, read_only=read_only)

    def close(self) -> None:
        super().close()
        self._lock_file.unlink()


@mutant("a reader takes the file for one that nobody changes", "OPEN-005")
class ReadsImmutable(SQLiteDriver):
    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        if read_only:
            self._connections._uri += "&immutable=1"
            with self._connections._lock:
                self._connections._close_idle()


@mutant("conversations without messages are cleared away when a store is opened", "OPEN-006")
class ClearsEmpty(SQLiteDriver):
    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'dm_conversations'").fetchone():
                connection.execute("DELETE FROM threads WHERE message_count = 0")
                connection.execute("DELETE FROM dm_conversations WHERE message_count = 0")
