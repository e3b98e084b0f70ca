"""The database file: what is checked and created before SQLite opens it.

The file is opened here only to create it, and closed before SQLite opens it: closing a descriptor of a file that SQLite
has open would drop SQLite's locks.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from moltnet_core.errors import (
    ConfigError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StorageIOError,
    StoreUnavailableError,
)

if sys.platform != "win32":
    import resource

__all__ = ["is_full", "needs_immutable", "prepare_file", "sidecar"]

_SOURCE = "sqlite"
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
        if _exists(path):
            if not read_only:
                _check_writable(path)
            return
        if read_only:
            raise StoreUnavailableError(f"there is no database file {path}; mode=ro never creates one")
        _make_folder(path.parent)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0), 0o600))
        except FileExistsError:
            # Somebody created it meanwhile, or a symbolic link leads nowhere.
            if not _exists(path):
                raise ConfigError(_SOURCE, "path", f"{path} is a symbolic link to nothing; remove it") from None
    except OSError as error:
        if isinstance(error, MoltnetError):
            raise
        raise _error(path, error) from error


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        with suppress(FileExistsError):  # somebody made it meanwhile
            # pathlib gives the mode to the last folder only, and a mask may take from it what we need.
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)


def _exists(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise ConfigError(_SOURCE, "path", f"{path} is a folder; expected a file's path, such as {path / 'moltnet.db'}")
    if not stat.S_ISREG(mode):
        raise ConfigError(_SOURCE, "path", f"{path} is not a regular file")
    return True


def _check_writable(path: Path) -> None:
    for place in (path, path.resolve().parent):
        if not os.access(place, os.W_OK):
            raise ReadOnlyStoreError(
                f"{place} cannot be written by this user; open the database with mode=ro to read it, "
                "or change the permissions"
            )


def _error(path: Path, error: OSError) -> MoltnetError:
    match error.errno:
        case errno.ENOTDIR | errno.EEXIST:
            return ConfigError(_SOURCE, "path", f"a part of {path.parent} is a file, not a folder")
        case errno.ENAMETOOLONG | errno.ELOOP:
            return ConfigError(_SOURCE, "path", f"{path} cannot be a file's path: {error.strerror}")
        case errno.ENOSPC | errno.EDQUOT:
            return StorageFullError(f"no space is left to create {path}")
        case errno.EACCES | errno.EPERM | errno.EROFS | errno.ENOENT:
            return ReadOnlyStoreError(
                f"{path} cannot be created ({error.strerror}); choose another path, or create its folder "
                "and let this user write to it"
            )
    return StorageIOError(f"{path} cannot be created: {error.strerror}")


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
