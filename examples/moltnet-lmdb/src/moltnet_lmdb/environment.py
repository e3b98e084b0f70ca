"""One open file: LMDB's environment, and the transactions in it.

A map that is too small for a write is made larger, and the write done again; that another process has made it larger
shows when a transaction begins. Both replace the map, for which no transaction of this process may be open.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import sleep
from typing import TypeVar

import lmdb

from moltnet_core import CorruptStoreError, StorageFullError, StoreBusyError, StoreClosedError, StoreUnavailableError
from moltnet_lmdb.errors import commit_error, translated
from moltnet_lmdb.gate import Gate
from moltnet_lmdb.keys import prefix
from moltnet_lmdb.pages import Txn
from moltnet_lmdb.settings import LmdbSettings
from moltnet_lmdb.views import View

__all__ = ["Environment"]

T = TypeVar("T")


class Environment:
    """An open file. :mod:`moltnet_lmdb.environments` makes it, once in a process."""

    def __init__(self, settings: LmdbSettings) -> None:
        self.path = settings.path
        # As writable as it can be, since a store that writes may join one that reads. Only what writes begins a write.
        self.writable = _may_write(settings)
        self.gate = Gate()
        self._max_size = settings.max_size
        self._views: set[View] = set()
        self._env: lmdb.Environment | None = None
        with translated(self.path):
            self._env = lmdb.Environment(
                os.fspath(self.path),
                subdir=False,
                map_size=min(settings.map_size, settings.max_size or settings.map_size),
                max_readers=settings.max_readers,
                mode=0o600,
                readonly=not self.writable,
            )
        self.identity = self.path.stat()

    def look(self, *, write: bool) -> None:
        """See that the file is whole, and ours or new."""
        with translated(self.path):
            self.env.reader_check()  # of processes that were killed: what they read is not freed before
        if write:
            self._mend()
        elif not self._will_be_whole():
            problem = "a part of it is missing, or was never written by a process that was killed"
            raise StoreUnavailableError(f"{self.path}: {problem}; open it once without mode=ro, which mends the latter")
        if not self.read(_is_ours_or_new):
            raise CorruptStoreError(f"{self.path} is another program's LMDB file")

    @property
    def env(self) -> lmdb.Environment:
        """LMDB's own."""
        if self._env is None:
            raise StoreClosedError("the store belongs to the process that this one was forked from")
        return self._env

    @property
    def forgotten(self) -> bool:
        """Whether it is that of the process that this one was forked from."""
        return self._env is None

    def read(self, work: Callable[[Txn], T]) -> T:
        """Do something in a read transaction."""
        return self._map_permitting(lambda: self._read(work))

    def _read(self, work: Callable[[Txn], T]) -> T:
        with self._begin() as txn:
            return work(txn)

    def write(self, work: Callable[[Txn], T]) -> T:
        """Do something in a write transaction, and commit it. It is done again if the map has to grow."""
        self.check()
        return self._map_permitting(lambda: self._write(work))

    def _write(self, work: Callable[[Txn], T]) -> T:
        txn = self._begin(write=True)
        try:
            result = work(txn)
        except BaseException:
            txn.abort()
            raise
        number = txn.id()
        try:
            txn.commit()
        except lmdb.MapFullError:
            raise
        except lmdb.Error as error:
            unknown = self.env.info()["last_txnid"] >= number  # the last thing that a commit writes is there
            raise commit_error(self.path, error, committed=None if unknown else False)  # noqa: B904 - it has a cause
        self._mend()
        return result

    def _will_be_whole(self) -> bool:
        for _ in range(20):
            if self._is_whole():
                return True
            sleep(0.05)  # a writer has committed just now, and is about to mend it
        return False

    def _is_whole(self) -> bool:
        return self.path.stat().st_size >= self._length()

    def _length(self) -> int:
        return (self.env.info()["last_pgno"] + 1) * self.env.stat()["psize"]

    def _mend(self) -> None:
        """Give the file its length.

        LMDB does not write last pages that a transaction took and gave up again. It never reads them either; but only
        where the length is right can a file be told from one that was cut off, which would kill whoever reads it.
        """
        with suppress(OSError, lmdb.Error):  # the next write does it
            if not self._is_whole():
                with self._begin(write=True):  # nobody else lets it grow meanwhile
                    if not self._is_whole():
                        os.truncate(self.path, self._length())

    def check(self) -> None:
        """See that the file is still there: LMDB would go on with one that nobody will find again.

        :raises StoreUnavailableError: it was removed, or another was put in its place.
        """
        try:
            there = os.path.samestat(self.path.stat(), self.identity)
        except OSError:
            there = False
        if not there:
            raise StoreUnavailableError(f"{self.path} was removed or replaced; close the store and open it again")

    @contextmanager
    def view(self) -> Iterator[View]:
        """A read transaction for as long as the context lasts."""
        view = self._map_permitting(self._begin_view)
        try:
            yield view
        finally:
            with self.gate.shared():
                view.end()
                self._views.discard(view)

    def _begin_view(self) -> View:
        view = View(self._begin())
        self._views.add(view)
        return view

    def _begin(self, *, write: bool = False) -> Txn:
        try:
            return self.env.begin(write=write)
        except lmdb.ReadersFullError:
            if not self.env.reader_check():
                raise
            return self.env.begin(write=write)

    def _map_permitting(self, call: Callable[[], T]) -> T:
        while True:
            with self.gate.shared(), translated(self.path):
                size = self.env.info()["map_size"]
                try:
                    return call()
                except lmdb.MapFullError:
                    new = self._larger(size)
                except lmdb.MapResizedError:
                    new = 0  # what another process has made of it
            self._replace_map(size, new)

    def _larger(self, size: int) -> int:
        if self._max_size is not None and size >= self._max_size:
            raise StorageFullError(f"{self.path}: it has reached its max_size, {self._max_size} bytes")
        return min(size * 2, self._max_size or size * 2)

    def _replace_map(self, old: int, new: int) -> None:
        with self.gate.alone(), translated(self.path):
            if self.env.info()["map_size"] != old:
                return  # another thread was first
            if self._views:
                problem = "its map has to grow, which cannot be while this process has a snapshot open"
                raise StoreBusyError(f"{self.path}: {problem}; end it, or set a larger map_size")
            self.env.set_mapsize(new)

    @property
    def engine(self) -> str:
        """The engine and its version."""
        return "LMDB " + ".".join(map(str, lmdb.version()))

    def sizes(self) -> dict[str, str]:
        """How large things are, in bytes: the file, what LMDB takes it for, the map."""
        size, map_size = self.path.stat().st_size, self.env.info()["map_size"]
        return {"size": str(size), "length": str(self._length()), "map_size": str(map_size)}

    def copy(self, descriptor: int) -> None:
        """Write all that is stored into a file, without what is free."""
        with translated(self.path):
            self.env.copyfd(descriptor, compact=True)

    def close(self) -> None:
        """Close the file."""
        self.env.close()

    def forget(self) -> None:
        """Let go of everything, in a child."""
        left = [view for view in self._views if not view.forget()]
        if not left:
            self.env.close()
        self._views.clear()
        self._env, self.gate = None, Gate()


def _is_ours_or_new(txn: Txn) -> bool:
    ours = prefix("migration")
    with txn.cursor() as cursor:
        return not cursor.first() or (cursor.set_range(ours) and cursor.key().startswith(ours))


def _may_write(settings: LmdbSettings) -> bool:
    path = settings.path
    return not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
