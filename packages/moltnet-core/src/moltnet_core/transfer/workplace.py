"""Where files are made that have to be whole from their first moment: a hidden folder beside their place."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from moltnet_core.files import temporary_name

if sys.platform != "win32":
    import fcntl

__all__ = ["workplace"]


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """A new folder (mode 0700) beside a path, and on its file system, to make in it what will be moved to the path.

    It is gone afterwards. One that a killed process has left is removed by the next for the same path: a folder in use
    is locked.

    :raises OSError: it cannot be made.
    """
    _remove_dead(path)
    folder, descriptor = _new_folder(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _new_folder(path: Path) -> tuple[Path, int | None]:
    while True:
        folder = path.with_name(temporary_name(path.name))
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)  # a mask may have taken from it what we need
        if sys.platform == "win32":
            return folder, None
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # somebody took it for one that was left, before it was locked
        with suppress(OSError):  # where there are no locks, nothing is ever taken for dead either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, folder):
            return folder, descriptor
        os.close(descriptor)


def _remove_dead(path: Path) -> None:
    if sys.platform == "win32":
        return
    name = re.compile(re.escape(f".{path.name[:50]}.") + r"[0-9a-f]{16}\.tmp")
    for found in [each for each in path.parent.iterdir() if name.fullmatch(each.name)]:
        with suppress(OSError):
            descriptor = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(descriptor, found):
                    shutil.rmtree(found, ignore_errors=True)
            finally:
                os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
