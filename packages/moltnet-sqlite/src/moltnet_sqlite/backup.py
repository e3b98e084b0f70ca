"""A consistent copy of a database while it is in use."""

from __future__ import annotations

import os
import secrets
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from moltnet_core.errors import ReadOnlyStoreError, StorageFullError, StorageIOError, ValidationError
from moltnet_sqlite.engine import sqlite3

__all__ = ["back_up"]


def back_up(source: Any, destination: Path) -> None:
    """Copy the database of a connection, as of one moment, to a new file (mode 0600). Writers go on meanwhile.

    The copy is written under a temporary name, synced, and only then given its own: a file of that name is whole.

    :raises ValidationError: the destination exists, or its folder does not.
    :raises StorageFullError: no space is left.
    """
    destination = destination.absolute()
    if os.path.lexists(destination):
        raise ValidationError("destination", f"{destination} exists already; a backup never overwrites anything")
    if not destination.parent.is_dir():
        raise ValidationError("destination", f"the folder {destination.parent} does not exist; create it")
    temporary = destination.with_name(f".{destination.name[:100]}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with closing(sqlite3.connect(f"file:{quote(str(temporary))}", uri=True, isolation_level=None)) as target:
                source.backup(target)
                # One file, with nothing beside it; the next writer puts it in WAL mode again.
                target.execute("PRAGMA journal_mode = DELETE").fetchone()
            _sync(temporary)
            os.link(temporary, destination)  # unlike a rename it overwrites nothing
        finally:
            for suffix in ("", "-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    temporary.with_name(temporary.name + suffix).unlink()
        _sync(destination.parent)
    except FileExistsError:
        raise ValidationError("destination", f"{destination} was created by somebody else meanwhile") from None
    except PermissionError:
        raise ReadOnlyStoreError(f"the backup cannot be written to {destination.parent}") from None
    except OSError as error:
        if isinstance(error, StorageFullError | StorageIOError):
            raise
        raise StorageIOError(f"the backup could not be written to {destination.parent}: {error.strerror}") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
