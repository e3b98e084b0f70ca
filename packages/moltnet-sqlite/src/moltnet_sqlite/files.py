"""The database file: what is checked and created before SQLite opens it.

The file is opened here only to create it, and closed before SQLite opens it: closing a descriptor of a file that SQLite
has open would drop SQLite's locks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from moltnet_core.errors import MoltnetError, StoreUnavailableError
from moltnet_core.files import check_writable, creation_error, is_file, make_folder, refuse_dangling

if sys.platform != "win32":
    import resource

__all__ = ["is_full", "needs_immutable", "prepare_file", "sidecar"]

_SOURCE = "sqlite"
_EXAMPLE = "moltnet.db"
_NEXT_WRITE = 64 * 1024  # no more than this is written at once: the largest page


def sidecar(path: Path, suffix: str) -> Path:
    """The ``-wal`` or ``-shm`` beside a database file; of a symbolic link, beside what it leads to."""
    path = path.resolve()
    return path.with_name(path.name + suffix)


def prepare_file(path: Path, *, read_only: bool) -> None:
    """See that there is a file to open, creating it (mode 0600) and its folders (0700) unless ``read_only``.

    :raises ConfigError: something that is no file stands in the way.
    :raises StoreUnavailableError: there is no file to read.
    :raises ReadOnlyStoreError: it or its folder cannot be created here.
    """
    try:
        if is_file(path, _SOURCE, _EXAMPLE):
            if not read_only:
                check_writable(path)
            return
        if read_only:
            raise StoreUnavailableError(f"there is no database file {path}; mode=ro never creates one")
        make_folder(path.parent)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0), 0o600))
        except FileExistsError:
            # Somebody created it meanwhile, or a symbolic link leads nowhere.
            if not is_file(path, _SOURCE, _EXAMPLE):
                refuse_dangling(path, _SOURCE)
    except OSError as error:
        if isinstance(error, MoltnetError):
            raise
        raise creation_error(path, _SOURCE, error) from error


def is_full(path: Path) -> bool:
    """Whether there is no room for a database to grow: on its file system, or by the process's limit for files."""
    if sys.platform == "win32":
        return False
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    try:
        sizes = [each.stat().st_size for each in (path, sidecar(path, "-wal")) if each.exists()]
        if limit != resource.RLIM_INFINITY and any(size + _NEXT_WRITE > limit for size in sizes):
            return True
        return os.statvfs(path.resolve().parent).f_bavail == 0
    except OSError:
        return False  # it is not there any more, which is another error


def needs_immutable(path: Path) -> bool:
    """Whether a read-only database has to be opened as one that nobody changes, as no ``-shm`` can be made beside it.

    :raises StoreUnavailableError: its ``-wal`` holds data that cannot be read without a ``-shm``.
    """
    if os.access(path.resolve().parent, os.W_OK) or sidecar(path, "-shm").exists():
        return False
    wal = sidecar(path, "-wal")
    if wal.exists() and wal.stat().st_size > 0:
        raise StoreUnavailableError(
            f"{wal} holds data that can only be read where a file can be made beside it; copy {path.name} and "
            f"{wal.name} together into a folder that can be written, and open the copy"
        )
    return True
