"""Snapshot files as one finds them: whether there is one, what tells it from another, what it holds."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final

from attrs import frozen

from moltnet_core.errors import (
    ConfigError,
    MoltnetError,
    StorageIOError,
    StoreBusyError,
    StoreUnavailableError,
)
from moltnet_core.files import (
    check_writable,
    creation_error,
    is_file,
    make_folder,
    refuse_dangling,
)

__all__ = ["Stamp", "check_regular", "find_file", "look_for", "read_file", "read_stable", "read_whole"]

_SOURCE: Final = "json"
_EXAMPLE: Final = "data.json"
_PAUSE: Final = 0.02
_TRIES: Final = 5
_READ_AT_ONCE: Final = 1 << 24


@frozen
class Stamp:
    """What tells whether a file is still the one that was read or written.

    :param changed_ns: the time of the last change of anything, its mode included.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp in a file's status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def same_content(self, other: Stamp) -> bool:
        """Whether nothing but such things as the mode can have changed, unless somebody set the time back."""
        return self._content() == other._content()

    @property
    def is_recent(self) -> bool:
        """Whether the content was changed within the last second."""
        return abs(time.time_ns() - self.modified_ns) < 1_000_000_000

    def _content(self) -> tuple[int, int, int, int]:
        return self.device, self.inode, self.size, self.modified_ns


def find_file(path: Path, *, read_only: bool) -> Path:
    """See that there is a file to open, or, unless ``read_only``, that one can be made.

    :returns: the absolute path.
    :raises ConfigError: something that is no file stands in the way.
    :raises StoreUnavailableError: there is no file to read.
    :raises ReadOnlyStoreError: it cannot be written here.
    """
    path = path.absolute()
    try:
        if is_file(path, _SOURCE, _EXAMPLE):
            if not read_only:
                check_writable(path)
        elif read_only:
            raise StoreUnavailableError(f"there is no snapshot {path}; mode=ro never creates one")
        else:
            refuse_dangling(path, _SOURCE)
            make_folder(path.parent)
    except OSError as error:
        if isinstance(error, MoltnetError):
            raise
        raise creation_error(path, _SOURCE, error) from error
    return path


def read_file(path: Path) -> tuple[bytes, Stamp]:
    """A file's content and stamp, without a lock.

    :raises StoreUnavailableError: it is not there or cannot be read.
    :raises StoreBusyError: somebody writes to it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StoreUnavailableError(f"the snapshot {path} cannot be read: {error.strerror}") from error
    try:
        check_regular(descriptor, path)
        return read_stable(descriptor, path)
    finally:
        os.close(descriptor)


def read_stable(descriptor: int, path: Path) -> tuple[bytes, Stamp]:
    """A file's content, as it was while nobody wrote to it, and its stamp."""
    for _ in range(_TRIES):
        before = Stamp.of(os.fstat(descriptor))
        content = read_whole(descriptor, path)
        if Stamp.of(os.fstat(descriptor)) == before and len(content) == before.size:
            return content, before
        time.sleep(_PAUSE)
    raise StoreBusyError(f"another program keeps writing to {path}; try again when it has ended")


def read_whole(descriptor: int, path: Path) -> bytes:
    """An open file's content.

    :param path: its path, for errors.
    """
    pieces, place = [], 0
    try:
        while piece := os.pread(descriptor, _READ_AT_ONCE, place):
            pieces.append(piece)
            place += len(piece)
    except OSError as error:
        raise StorageIOError(f"the snapshot {path} cannot be read: {error.strerror}") from error
    return b"".join(pieces)


def check_regular(descriptor: int, path: Path) -> None:
    """See that an open file is a regular one.

    :raises ConfigError: it is something else.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ConfigError(_SOURCE, "path", f"{path} is not a regular file")


def look_for(path: Path) -> os.stat_result:
    """A file's status.

    :raises StoreUnavailableError: it cannot be had.
    """
    try:
        return path.stat()
    except OSError as error:
        raise StoreUnavailableError(f"the snapshot {path} is not there: {error.strerror}") from error
