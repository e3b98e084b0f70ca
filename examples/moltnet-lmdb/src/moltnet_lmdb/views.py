"""A read transaction that stays open, for a snapshot."""

import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

from moltnet_core import StoreClosedError
from moltnet_lmdb.pages import Txn

__all__ = ["View"]

T = TypeVar("T")


class View:
    """A read transaction that stays open: what it sees does not change."""

    def __init__(self, txn: Txn) -> None:
        self._txn: Txn | None = txn
        self._lock = threading.Lock()

    def read(self, work: Callable[[Txn], T]) -> T:
        """Do something in the transaction, one thread at a time.

        :raises StoreClosedError: this process was forked from the one that began it.
        """
        with self._lock:
            if self._txn is None:
                raise StoreClosedError("the snapshot belongs to the process that this one was forked from")
            return work(self._txn)

    def end(self) -> None:
        """End the transaction, if it is this process's."""
        if self._txn is not None:
            self._txn.abort()

    def forget(self) -> bool:
        """Let go of the transaction, which is another process's, and say whether it is gone.

        LMDB ends those that are left when their environment is closed; in a child that would end the parent's.
        """
        left = weakref.ref(self._txn) if self._txn else None
        self._txn = None
        return left is None or left() is None
