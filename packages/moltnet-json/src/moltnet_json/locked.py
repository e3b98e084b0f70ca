"""The snapshot's file, opened by the one store that may write it: read whole, replaced whole.

The lock is on the file itself (``flock``), and a new file is locked before it takes the old one's place. So there is no
lock file that could be left behind, and whoever opens the path finds it locked at any moment. A lock belongs to the
open file, not to the process: a second store of one process is refused like another process's.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Final

from moltnet_core.errors import MoltnetError, ReadOnlyStoreError, StorageIOError, StoreBusyError, StoreUnavailableError
from moltnet_core.files import new_file, storage_error, temporary_name
from moltnet_core.forking import around_forks
from moltnet_json.files import Stamp, check_regular, read_stable, read_whole

__all__ = ["SnapshotFile"]

_PAUSE: Final = 0.02
_OPEN: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO that has come meanwhile is not waited for


class SnapshotFile:
    """A snapshot that this process alone has open for writing.

    :param path: an absolute path; a symbolic link stays one, and what it leads to is replaced.
    :param new: what a file that is made here holds.
    :param timeout: seconds to wait for the lock.
    :raises StoreBusyError: somebody else has it open, or writes to it.
    :raises ReadOnlyStoreError: it cannot be written by this user.
    """

    def __init__(self, path: Path, new: bytes, timeout: float) -> None:
        self.path = path
        self._real = path.resolve()
        self._process = os.getpid()
        self._descriptor = self._folder = self._writing = -1
        self._content = b""
        self._stamp: Stamp | None = None
        _open_files.add(self)
        try:
            self._folder = os.open(self._real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._descriptor = self._open_locked(new, time.monotonic() + timeout)
            _check_owner(os.fstat(self._descriptor), path)
            self._remove_leftovers()
        except OSError as error:
            self.close()
            if isinstance(error, MoltnetError):
                raise
            raise storage_error(f"{path} cannot be opened", error) from error
        except BaseException:
            self.close()
            raise

    # -- opening -------------------------------------------------------------------------------------

    def _open_locked(self, new: bytes, deadline: float) -> int:
        while True:
            try:
                descriptor = os.open(self._real.name, os.O_RDWR | _OPEN, dir_fd=self._folder)
            except FileNotFoundError:
                self._create(new)
                continue
            try:
                check_regular(descriptor, self.path)
                if _lock(descriptor, self.path) and _is_at(descriptor, self._real):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise StoreBusyError(
                    f"{self.path} is open in another store, here or in another process, and one at a time may write "
                    "it; close that one, open with mode=ro to read, or wait with ?busy_timeout=SECONDS"
                )
            time.sleep(_PAUSE)

    def _create(self, new: bytes) -> None:
        # Somebody else may make it meanwhile, or take our temporary file for one that was left behind.
        gone = suppress(FileExistsError, FileNotFoundError)
        with gone, new_file(self._real) as temporary, temporary.open("r+b") as file:
            file.write(new)

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of processes that were killed: whoever has the lock has no others."""
        name = re.compile(re.escape(f".{self._real.name}.") + r"[0-9a-f]{16}\.tmp")
        for found in os.listdir(self._folder):  # noqa: PTH208 - of a descriptor
            if name.fullmatch(found):
                with suppress(OSError):
                    os.unlink(found, dir_fd=self._folder)

    # -- reading and writing -------------------------------------------------------------------------

    def read(self) -> bytes:
        """The content. From here on the file must not be changed by anybody else.

        :raises StoreBusyError: somebody else has changed it since it was last read or written here.
        """
        if self._stamp is not None:
            self._check_unchanged()
        content, stamp = read_stable(self._descriptor, self.path)
        if not _is_at(self._descriptor, self._real):
            raise StoreBusyError(f"another program replaced {self.path} just now; open it again")
        self._content, self._stamp = content, stamp
        return content

    def replace(self, content: bytes) -> None:
        """Put a new file in the place of the old one, durably, with its owner and mode.

        :raises StoreBusyError: somebody else has changed the file since it was last read or written here.
        :raises StorageFullError: no space is left.
        :raises StorageIOError: with ``committed`` ``False`` the old file stands, with ``None`` the new one, which
            might not survive a power cut.
        """
        temporary = temporary_name(self._real.name)
        try:
            self._write_new(temporary, content)
            self._check_unchanged()
            os.rename(temporary, self._real.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            self._adopt(content)
            os.fsync(self._folder)
        except BaseException as error:
            # An error, or an interrupt at any moment: what counts is which file is in place now.
            if self._writing >= 0 and _is_at(self._writing, self._real):
                self._adopt(content)
            renamed = self._writing < 0 and self._content is content
            self._drop_new(temporary)
            if isinstance(error, MoltnetError) or not isinstance(error, OSError):
                raise
            if renamed:
                problem = f"{self.path} was written, and whether that survives a power cut is unknown"
                raise storage_error(problem, error, committed=None) from error
            raise storage_error(f"{self.path} was not written", error) from error

    def _write_new(self, temporary: str, content: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN
        self._writing = os.open(temporary, flags, 0o600, dir_fd=self._folder)
        _lock(self._writing, self.path)
        old, new = os.fstat(self._descriptor), os.fstat(self._writing)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(self._writing, old.st_uid, old.st_gid)
        if stat.S_IMODE(old.st_mode) != stat.S_IMODE(new.st_mode):  # some file systems have one mode for all
            os.fchmod(self._writing, stat.S_IMODE(old.st_mode))
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._writing, rest) :]
        os.fsync(self._writing)

    def _drop_new(self, temporary: str) -> None:
        if self._writing >= 0:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=self._folder)
            descriptor, self._writing = self._writing, -1
            os.close(descriptor)

    def _adopt(self, content: bytes) -> None:
        """Go on with the new file, and the lock on it."""
        before = self._descriptor
        self._content, self._stamp = content, Stamp.of(os.fstat(self._writing))
        self._descriptor, self._writing = self._writing, -1
        os.close(before)

    def _check_unchanged(self) -> None:
        """See that the path leads to the file that we read or wrote last, as we left it.

        :raises StoreBusyError: it does not.
        """
        try:
            found = Stamp.of(self.path.stat())
        except (FileNotFoundError, NotADirectoryError):
            raise StoreBusyError(
                f"another program removed {self.path}, and nothing was written; what was stored is in memory only: "
                "save it with a backup, then close the store"
            ) from None
        except OSError as error:
            raise StoreUnavailableError(f"{self.path} cannot be looked at: {error.strerror}") from error
        if found == self._stamp:
            return
        # A chmod or a hard link changes only the last of its times. So does a change whose author sets back the other.
        known = self._stamp is not None and found.same_content(self._stamp)
        if known and read_whole(self._descriptor, self.path) == self._content:
            self._stamp = found
            return
        raise StoreBusyError(
            f"another program changed {self.path}, and nothing was written; see that no server uses it, "
            "and open the store again to read what is there now"
        )

    # -- life ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give back the lock."""
        if self._descriptor >= 0 and os.getpid() == self._process:
            # Closing does so too, but only once no child that is just being started has the file open.
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.abandon()

    def __del__(self) -> None:
        if hasattr(self, "_writing"):
            self.close()

    def abandon(self) -> None:
        """Close what is open, without giving back a lock that is another process's."""
        descriptors = (self._descriptor, self._folder, self._writing)
        self._descriptor = self._folder = self._writing = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageIOError(
            f"{path} cannot be locked ({error.strerror}); choose a path on a file system that has locks"
        ) from error
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path leads to an open file."""
    try:
        found = path.stat()
    except OSError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def _check_owner(status: os.stat_result, path: Path) -> None:
    """See that a new file can be given to the old one's owner and group.

    :raises ReadOnlyStoreError: it cannot.
    """
    own = os.geteuid()
    groups = {os.getegid(), *os.getgroups()}
    if own != 0 and (status.st_uid != own or status.st_gid not in groups):
        raise ReadOnlyStoreError(
            f"{path} belongs to user {status.st_uid} and group {status.st_gid}, and each write makes a new file, "
            "which this user cannot give to them; run as that user, or open with mode=ro to read"
        )


_open_files: weakref.WeakSet[SnapshotFile] = weakref.WeakSet()

# There the lock stays with the parent; were a descriptor left open, it would outlive the parent.
around_forks(_open_files, after_in_child=SnapshotFile.abandon)
