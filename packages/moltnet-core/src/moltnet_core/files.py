"""What backends that keep files have in common: looking before opening, making folders, new files that are whole.

These take a path and the name of the backend, for errors; they know nothing of what is in the file.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from moltnet_core.errors import (
    ConfigError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StorageIOError,
    ValidationError,
)

__all__ = [
    "check_writable",
    "creation_error",
    "file_identity",
    "give_name",
    "is_file",
    "keep_owner",
    "make_folder",
    "new_file",
    "publish",
    "refuse_dangling",
    "replace_file",
    "storage_error",
    "storage_errors",
    "sync",
    "temporary_name",
]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def file_identity(path: Path) -> str | None:
    """What two paths share exactly where they lead to one file; ``None`` where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return f"{status.st_dev}:{status.st_ino}"


def is_file(path: Path, source: str, example: str) -> bool:
    """Whether there is a regular file, or a link to one.

    :param source: the backend's name.
    :param example: a file's name, to propose one within a folder.
    :raises ConfigError: there is something else.
    :raises OSError: it cannot be found out.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise ConfigError(source, "path", f"{path} is a folder; expected a file's path, such as {path / example}")
    if not stat.S_ISREG(mode):
        raise ConfigError(source, "path", f"{path} is not a regular file")
    return True


def refuse_dangling(path: Path, source: str) -> None:
    """See that a file of which :func:`is_file` said that it is not there can be made.

    :raises ConfigError: it is a symbolic link that leads nowhere.
    """
    if path.is_symlink():
        raise ConfigError(source, "path", f"{path} is a symbolic link to nothing; remove it")


def check_writable(path: Path) -> None:
    """See that a file and its folder can be written.

    :raises ReadOnlyStoreError: they cannot.
    """
    for place in (path, path.resolve().parent):
        if not os.access(place, os.W_OK):
            raise ReadOnlyStoreError(
                f"{place} cannot be written by this user; open the store with mode=ro to read it, "
                "or change the permissions"
            )


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, with mode 0700. Existing ones are left alone."""
    if not folder.is_dir():
        make_folder(folder.parent)
        with suppress(FileExistsError):  # somebody made it meanwhile
            # pathlib gives the mode to the last folder only, and a mask may take from it what we need.
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)


def creation_error(path: Path, source: str, error: OSError) -> MoltnetError:
    """The error for a file that could not be looked at or created.

    :param error: some of the contract's own errors are an ``OSError`` too; such a one is given back as it is.
    """
    if isinstance(error, MoltnetError):
        return error
    match error.errno:
        case errno.ENOTDIR | errno.EEXIST:
            return ConfigError(source, "path", f"a part of {path.parent} is a file, not a folder")
        case errno.ENAMETOOLONG | errno.ELOOP:
            return ConfigError(source, "path", f"{path} cannot be a file's path: {error.strerror}")
        case errno.ENOSPC | errno.EDQUOT:
            return StorageFullError(f"no space is left to create {path}")
        case errno.EACCES | errno.EPERM | errno.EROFS | errno.ENOENT:
            return ReadOnlyStoreError(
                f"{path} cannot be created ({error.strerror}); choose another path, or create its folder "
                "and let this user write to it"
            )
    return StorageIOError(f"{path} cannot be created: {error.strerror}")


def storage_error(problem: str, error: OSError, *, committed: bool | None = False) -> MoltnetError:
    """The error for a file that could not be written or synced.

    :param problem: what could not be done.
    :param error: as for :func:`creation_error`.
    """
    if isinstance(error, MoltnetError):
        return error
    text = f"{problem}: {error.strerror or type(error).__name__}"
    if error.errno in _FULL:
        return StorageFullError(f"{text}; make room and try again", committed=committed)
    if error.errno in _DENIED and committed is False:
        return ReadOnlyStoreError(f"{text}; change the permissions, or open with mode=ro to read")
    return StorageIOError(text, committed=committed)


@contextmanager
def storage_errors(what: str, folder: Path, advice: str = "") -> Iterator[None]:
    """While the block writes ``what`` into a folder, the system's errors become the contract's, which pass.

    :param advice: what to do about a folder that cannot be written, after a colon.
    :raises ReadOnlyStoreError: it cannot be written.
    :raises StorageFullError: no space is left.
    :raises StorageIOError: something else is wrong with it.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, MoltnetError):
            raise
        if isinstance(error, PermissionError):
            raise ReadOnlyStoreError(f"{what} cannot be written to {folder}{advice}") from None
        raise storage_error(f"{what} could not be written to {folder}", error) from None


def temporary_name(name: str) -> str:
    """An unpredictable name for a file that will be called ``name``, in the same folder."""
    return f".{name[:50]}.{secrets.token_hex(8)}.tmp"


def sync(path: Path) -> None:
    """Make a file's content, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_name(made: Path, path: Path) -> None:
    """Give a file of the same file system a further name, overwriting nothing. The first one may be gone afterwards.

    :raises FileExistsError: the name is taken.
    """
    try:
        os.link(made, path)  # unlike a rename it overwrites nothing
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links (FAT, some network drives): two steps are the best that it has.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        made.rename(path)


def replace_file(path: Path, new: Path, aside: Path) -> None:
    """Put a file in the place of another, durably, which keeps its name ``aside``. All are in one file system.

    At no moment is there nothing at ``path`` (but where the file system has no links). The new file gets the owner and
    the mode of the old one.

    :raises FileExistsError: there is something at ``aside``.
    :raises ReadOnlyStoreError: the old file belongs to somebody whom this user cannot give a file to.
    """
    keep_owner(path, new)
    give_name(path, aside)
    new.replace(path)
    sync(path.parent)


def keep_owner(old: Path, new: Path) -> None:
    """Give a file the owner, the group and the mode of another.

    :raises ReadOnlyStoreError: this user cannot.
    """
    wanted, found = old.stat(), new.stat()
    try:
        if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid):
            os.chown(new, wanted.st_uid, wanted.st_gid)
        new.chmod(stat.S_IMODE(wanted.st_mode))
    except PermissionError:
        raise ReadOnlyStoreError(
            f"{old} belongs to user {wanted.st_uid} and group {wanted.st_gid}, and this user cannot give a new file to "
            "them; run as that user"
        ) from None


@contextmanager
def new_file(path: Path, companions: tuple[str, ...] = ()) -> Iterator[Path]:
    """A new file that is whole from its first moment, mode 0600. It overwrites nothing.

    The block writes to the temporary file that it gets. That is then synced and given its name.

    :param companions: suffixes of further files that the writing may leave beside the temporary one.
    :raises FileExistsError: somebody else has made a file of that name meanwhile.
    :raises OSError: it cannot be written or synced. Nothing is left.
    """
    temporary = path.with_name(temporary_name(path.name))
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        temporary.chmod(0o600)  # a mask may have taken from it what the block needs
        yield temporary
        sync(temporary)
        give_name(temporary, path)
    finally:
        for suffix in ("", *companions):
            with suppress(FileNotFoundError):
                temporary.with_name(temporary.name + suffix).unlink()
    sync(path.parent)


@contextmanager
def publish(destination: Path, companions: tuple[str, ...] = ()) -> Iterator[Path]:
    """A backup's new file: :func:`new_file`, with the errors of :meth:`Store.backup`.

    :raises ValidationError: the destination exists, or its folder does not.
    :raises StorageFullError: no space is left.
    :raises ReadOnlyStoreError: its folder cannot be written.
    """
    destination = destination.absolute()
    if os.path.lexists(destination):
        raise ValidationError("destination", f"{destination} exists already; a backup never overwrites anything")
    if not destination.parent.is_dir():
        raise ValidationError("destination", f"the folder {destination.parent} does not exist; create it")
    with storage_errors("the backup", destination.parent):
        try:
            with new_file(destination, companions) as temporary:
                yield temporary
        except FileExistsError:
            raise ValidationError("destination", f"{destination} was created by somebody else meanwhile") from None
