"""Faults in how a store lives: opening, threads, snapshots, forks, closing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import StorageIOError, StoreBusyError, StoreUnavailableError
from moltnet_core.driver import DriverSnapshot
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.tables import Tables

mutant = Collection()


@mutant("a store without rows cannot be reached", "STORE-001")
class PingNeedsRows(MemoryDriver):
    def ping(self) -> None:
        if not any(self._tables.rows.values()):
            raise StoreUnavailableError("there is nothing")


@mutant("closing fails", "STORE-003", "STORE-004", "RACE-008", "RACE-009")
class ClosingFails(MemoryDriver):
    def close(self) -> None:
        raise StorageIOError("what is left could not be written")


@mutant("it is closed only by the thread that opened it", "RACE-009")
class OpenersClose(MemoryDriver):
    def __init__(self) -> None:
        super().__init__()
        self._opener = threading.get_ident()

    def close(self) -> None:
        if threading.get_ident() != self._opener:
            raise StoreBusyError("another thread opened it")


@mutant("each thread has what it wrote itself", "RACE-009", "RACE-002")
class ThreadsApart(MemoryDriver):
    def __init__(self) -> None:
        super().__init__()
        self._own = threading.local()

    @contextmanager
    def _locked(self) -> Iterator[Tables]:
        with self._lock:
            if not hasattr(self._own, "driver"):
                self._own.driver = MemoryDriver()
            shared = self._tables, self._reader
            self._tables, self._reader = self._own.driver._tables, self._own.driver._reader
            try:
                yield self._tables
            finally:
                self._tables, self._reader = shared


@mutant("what a snapshot holds is never given back", "SCAN-007")
class KeepsSnapshots(MemoryDriver):
    _held = 0

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        self._held += 1
        if self._held > 16:
            raise StoreBusyError("too many snapshots are open")
        with super().snapshot() as view:
            yield view


@mutant("it cannot be closed while a snapshot is open", "SCAN-008")
class SnapshotsKeepOpen(MemoryDriver):
    _open = 0

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        with super().snapshot() as view:
            self._open += 1
            try:
                yield view
            finally:
                self._open -= 1

    def close(self) -> None:
        if self._open:
            raise StoreBusyError("a snapshot is open")


@mutant("the child of a fork goes on with a copy of what there was", "FORK-001")
class ForksCopy(MemoryDriver):
    @contextmanager
    def _locked(self) -> Iterator[Tables]:
        with self._lock:
            yield self._tables
