"""LMDB's errors as the contract's."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb

from moltnet_core import (
    CorruptStoreError,
    DriverError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StorageIOError,
    StoreBusyError,
    StoreUnavailableError,
)

__all__ = ["commit_error", "translated"]

_CORRUPT: Final = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError, lmdb.PageNotFoundError)
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn LMDB's errors into the contract's, but for those that the environment makes up for."""
    try:
        yield
    except (lmdb.MapFullError, lmdb.MapResizedError):
        raise
    except lmdb.Error as error:
        raise _meaning(path, error) from _cause(error)


def commit_error(path: Path, error: lmdb.Error, *, committed: bool | None) -> MoltnetError:
    """The error for a commit that failed.

    :param committed: ``False`` where the file's newest state is that before the transaction.
    """
    meaning = _meaning(path, error)
    if committed is None:
        meaning = StorageIOError(f"{path}: the disk failed during a commit", committed=None)
    meaning.__cause__ = _cause(error)
    return meaning


def _meaning(path: Path, error: lmdb.Error) -> MoltnetError:
    code = error.code
    if isinstance(error, _CORRUPT):
        return CorruptStoreError(f"{path} is no LMDB file, or is damaged")
    if not code:  # py-lmdb's own refusal
        return StoreBusyError(f"another part of this process has {path} open, through lmdb itself")
    if code in _FULL or (code == errno.EIO and _looks_full(path)):
        return StorageFullError(f"{path}: no space is left")
    if code in _DENIED:
        return ReadOnlyStoreError(f"{path} or {path}-lock beside it cannot be written; see to the permissions")
    if isinstance(error, lmdb.ReadersFullError):
        return StoreBusyError(f"{path}: too many reads are under way at once; raise max_readers")
    if isinstance(error, lmdb.MemoryError):
        return StoreUnavailableError(f"{path}: its map cannot be had; set a smaller map_size")
    if code == errno.EIO or isinstance(error, lmdb.PanicError):
        return StorageIOError(f"{path}: the disk failed; close the store and open it again")
    return StoreUnavailableError(f"{path}: LMDB cannot use it ({type(error).__name__}, code {code})")


def _looks_full(path: Path) -> bool:
    """Whether a write fell short for want of room, which LMDB tells as an I/O error: then nothing is left of it."""
    try:
        size, disk = path.stat().st_size, os.statvfs(path)
    except OSError:
        return False
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return (disk.f_bavail * disk.f_frsize < 2**16) or (limit != resource.RLIM_INFINITY and size >= limit)


def _cause(error: lmdb.Error) -> DriverError:
    return DriverError(type(error).__name__, str(error.code))
