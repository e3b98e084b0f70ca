"""Faults in what a store shares and shows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import Counts, Message, RoomExistsError
from moltnet_core.driver import Appended, Lookup, NewMessage
from moltnet_core.listings import Listing
from moltnet_core.records import RecordKind
from moltnet_core.types import Room, Start
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.tables import Tables

mutant = Collection()


@mutant("all stores are one", "HARN-001", "LOAD-001")
class GlobalState(MemoryDriver):
    shared = Tables()

    def __init__(self) -> None:
        super().__init__(self.shared)


@mutant("removed rooms are counted as rooms", "STORE-002", "ROOM-006")
class CountsRemoved(MemoryDriver):
    def counts(self) -> Counts:
        found = super().counts()
        return attrs.evolve(found, rooms=found.rooms + found.removed_rooms)


@mutant("what is handed out is what is stored", "OBJ-001", "OBJ-002")
class HandsOutItsOwn(MemoryDriver):
    def get(self, lookup: Lookup, key: str) -> Any:
        if lookup is not Lookup.MESSAGE:
            return super().get(lookup, key)
        row = self._tables.rows[RecordKind.MESSAGE].get(key)
        return row and row.message


@mutant("pages hand out what is stored", "OBJ-001")
class PagesHandOutTheirOwn(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        rows = self._tables.rows[RecordKind.MESSAGE]
        return [rows[each.id].message if isinstance(each, Message) else each for each in found]


@mutant("an engine's own exception hangs on an error", "ERR-001")
class ShowsItsEngine(MemoryDriver):
    def create_room(self, room: Room) -> None:
        try:
            super().create_room(room)
        except RoomExistsError as error:
            raise RoomExistsError(room.id) from KeyError(f"{error}: {room}")


@mutant("an error says that something may have been committed", "ROOM-002")
class MaybeCommitted(MemoryDriver):
    def create_room(self, room: Room) -> None:
        try:
            super().create_room(room)
        except RoomExistsError as error:
            error.committed = None
            raise


@mutant("content of messages stands in the log", "ERR-002")
class LogsContent(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        for new in batch:
            logging.getLogger(__name__).debug("appending %s", new.message)
        return super().append(batch, retry=retry)


@mutant("content of messages stands in the fields of a log's records", "ERR-002")
class LogsContentAside(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        for new in batch:
            logging.getLogger(__name__).debug("appending a message", extra={"appended": new.message})
        return super().append(batch, retry=retry)
