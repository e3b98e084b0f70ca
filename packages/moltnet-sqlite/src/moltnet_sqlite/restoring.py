"""Putting a database file in the place of another, which is kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from moltnet_core.errors import StoreBusyError
from moltnet_core.files import give_name, keep_owner, replace_file, sync
from moltnet_sqlite.engine import sqlite3
from moltnet_sqlite.files import sidecar
from moltnet_sqlite.settings import SQLiteSettings

__all__ = ["replace_database"]

_COMPANIONS: Final = ("-wal", "-shm", "-journal")


def replace_database(settings: SQLiteSettings, new: Path, aside: Path) -> bool:
    """See :class:`moltnet_core.backend.BackupFile`.

    A database that SQLite can read is first made one file and locked against everybody, and is never missing. Of a
    damaged one that cannot be, the file and what is beside it are moved one by one, the file first: SQLite must never
    find a log beside a database that it is not of.

    :raises StoreBusyError: somebody has the database open.
    """
    path = settings.path.resolve()
    users = _processes_with(path)
    if users:
        raise _in_use(path, f"process {', '.join(map(str, users))}")
    there = path.exists()
    if there and _can_be_read(path):
        with _alone(path, settings.busy_timeout) as is_whole:
            if is_whole:
                replace_file(path, new, aside)
                return True
    if there:
        keep_owner(path, new)
        path.rename(aside)
    for suffix in _COMPANIONS:
        beside = sidecar(path, suffix)
        if beside.exists():  # a log without a database has lost it to somebody, perhaps to us before we were killed
            beside.rename(aside.with_name(aside.name + suffix))
            there = True
    give_name(new, path)
    sync(path.parent)
    return there


def _can_be_read(path: Path) -> bool:
    """Whether SQLite takes a file for a database, which is found out without a chance to write.

    Beside one that it does not it would drop the log, which may be all that is left.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        # Anything else can be put right by a connection that may write, such as a write that was cut off.
        return not str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))
    return True


@contextmanager
def _alone(path: Path, timeout: float) -> Iterator[bool]:
    """The database locked against everybody, with its log taken in; ``False`` where it is damaged.

    In WAL mode every connection holds a lock for as long as it is open, and only the last one may leave that mode.
    """
    uri = f"file:{quote(str(path))}?mode=rw"
    connection: Any = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)
    try:
        yield _lock(connection, path)
    finally:
        with suppress(sqlite3.Error):
            connection.close()


def _lock(connection: Any, path: Path) -> bool:
    try:
        left = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete"
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        if _is_busy(error):
            raise _in_use(path, "a process") from None
        return False
    return left and not any(sidecar(path, suffix).exists() for suffix in _COMPANIONS[:2])


def _is_busy(error: Exception) -> bool:
    return str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _in_use(path: Path, who: str) -> StoreBusyError:
    return StoreBusyError(f"{who} has {path} open, and would go on with the old file: stop it first, then try again")


def _processes_with(path: Path) -> list[int]:
    """The processes of this machine that are seen to have a file open. Those of other users are not, unless by root."""
    if not sys.platform.startswith("linux"):
        return []
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):  # it has ended, or is another user's
                if any(_leads_to(link, path) for link in (process / "fd").iterdir()):
                    found.append(int(process.name))
    return found


def _leads_to(link: Path, path: Path) -> bool:
    try:
        return os.readlink(link) == str(path)  # noqa: PTH115 - a Path for each would be slow
    except OSError:
        return False
