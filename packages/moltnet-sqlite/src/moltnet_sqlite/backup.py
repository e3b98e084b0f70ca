"""A consistent copy of a database while it is in use."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from moltnet_core.errors import CorruptStoreError, DriverError, StorageFullError
from moltnet_core.files import publish
from moltnet_sqlite.engine import interruptible, sqlite3
from moltnet_sqlite.files import is_full

__all__ = ["back_up", "check_whole"]


def back_up(source: Any, destination: Path) -> None:
    """Copy the database of a connection, as of one moment, to a new file (mode 0600). Writers go on meanwhile.

    The copy is written under a temporary name, synced, and only then given its own: a file of that name is whole.

    :raises ValidationError: the destination exists, or its folder does not.
    :raises StorageFullError: no space is left.
    """
    failed: DriverError | None = None
    with (
        publish(destination, ("-wal", "-shm", "-journal")) as temporary,
        closing(sqlite3.connect(f"file:{quote(str(temporary))}", uri=True, isolation_level=None)) as target,
    ):
        try:
            source.backup(target)
            # One file, with nothing beside it; the next writer puts it in WAL mode again.
            target.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.Error as error:
            # It has no code, and whoever translates it looks for space at the place of the store.
            if "full" not in str(error) and not is_full(temporary):
                raise
            failed = DriverError(type(error).__name__)
        if failed is not None:
            raise StorageFullError(f"no space is left in {destination.parent} for the backup") from failed


def check_whole(path: Path) -> None:
    """See that SQLite finds nothing wrong with a database that nobody has open: every page, every index.

    :raises CorruptStoreError: it does.
    """
    try:
        uri = f"file:{quote(str(path))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection, interruptible(connection):
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = type(error).__name__
    if found != "ok":
        raise CorruptStoreError(f"SQLite finds {path.name} damaged (integrity_check)")
