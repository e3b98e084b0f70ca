"""The memory driver: :class:`~moltnet_memory.tables.Tables` behind a lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from moltnet_core.driver import Appended, Driver, DriverSnapshot, LoadRecord, Lookup, NewMessage
from moltnet_core.errors import StoreClosedError
from moltnet_core.feeds import Signal
from moltnet_core.listings import Listing
from moltnet_core.records import Counts, LoadResult
from moltnet_core.types import AgentRegistration, Room, Start
from moltnet_memory.feed import TablesFeed
from moltnet_memory.reading import TablesReader
from moltnet_memory.tables import Tables

__all__ = ["MemoryDriver"]


class MemoryDriver(Driver):
    """Keeps everything in this process, until it is closed or the process ends."""

    def __init__(self, tables: Tables | None = None) -> None:
        self._tables = Tables() if tables is None else tables
        self._reader = TablesReader(self._tables)
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._signal = Signal()

    @contextmanager
    def _locked(self) -> Iterator[Tables]:
        if os.getpid() != self._process:
            raise StoreClosedError(
                "a memory store belongs to the process that opened it, and this is a fork of that one; "
                "open a store of its own here"
            )
        with self._lock:
            yield self._tables

    def get(self, lookup: Lookup, key: str) -> Any:
        with self._locked():
            return self._reader.get(lookup, key)

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        with self._locked():
            return self._reader.read(listing, before, after, limit)

    def counts(self) -> Counts:
        with self._locked() as tables:
            return tables.counts()

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        with self._locked() as tables:
            changes, appended = tables.plan_append(batch, retry=retry)
            tables.apply(changes)
        self._signal.give()
        return appended

    def create_room(self, room: Room) -> None:
        with self._locked() as tables:
            tables.apply(tables.plan_create_room(room))

    def reconcile_room(self, room: Room) -> Room:
        with self._locked() as tables:
            changes, changed = tables.plan_reconcile_room(room)
            tables.apply(changes)
        return changed

    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        with self._locked() as tables:
            changes, changed = tables.plan_update_members(room_id, add, remove)
            tables.apply(changes)
        return changed

    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        with self._locked() as tables:
            tables.apply(tables.plan_remove_room(room_id, removed_at))

    def remove_member(self, member_id: str) -> None:
        with self._locked() as tables:
            tables.apply(tables.plan_remove_member(member_id))

    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        with self._locked() as tables:
            changes, saved = tables.plan_save_agent(registration, rebind=rebind)
            tables.apply(changes)
        return saved

    def remove_agent(self, agent_id: str) -> None:
        with self._locked() as tables:
            tables.apply(tables.plan_remove_agent(agent_id))

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        with self._locked():
            view = self._reader.snapshot()
        yield view

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        with self._locked() as tables:
            changes, result = tables.plan_load(records)
            tables.apply(changes)
        self._signal.give()
        return result

    def feed(self) -> TablesFeed:
        """See :class:`moltnet_core.driver.SupportsWatch`."""
        return TablesFeed(self._locked, self._signal)

    def ping(self) -> None:
        with self._locked():
            pass

    def close(self) -> None:
        """Nothing to free but what goes with the object."""
