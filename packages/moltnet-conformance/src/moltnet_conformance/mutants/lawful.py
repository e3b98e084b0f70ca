"""Backends that are lawful, if odd: every clause that applies has to pass."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import InvalidCursorError, RoomExistsError
from moltnet_core.driver import Appended, Lookup, NewMessage
from moltnet_core.listings import Agents, DirectConversations, Listing, Members, Rooms, Threads
from moltnet_core.paging import entry_id
from moltnet_core.types import START, Room, Start
from moltnet_memory.driver import MemoryDriver

mutant = Collection()

EVERYTHING = 1_000_000
BY_ID = (Rooms, Threads, DirectConversations, Agents, Members)


@mutant("lawful: it is slow")
class Slow(MemoryDriver):
    def get(self, lookup: Lookup, key: str) -> Any:
        time.sleep(0.0002)
        return super().get(lookup, key)


@mutant("lawful: it logs much, of ids only")
class Chatty(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        for new in batch:
            logging.getLogger(__name__).info("appending %s", new.message.id)
        return super().append(batch, retry=retry)


class OwnExistsError(RoomExistsError):
    """An error of its own, which is the contract's."""


class OwnCursorError(InvalidCursorError):
    """An error of its own, which is the contract's."""


@mutant("lawful: its errors are subclasses of the contract's")
class OwnErrors(MemoryDriver):
    def create_room(self, room: Room) -> None:
        try:
            super().create_room(room)
        except RoomExistsError as error:
            error.__class__ = OwnExistsError
            raise

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        try:
            return super().read(listing, before, after, limit)
        except InvalidCursorError as error:
            error.__class__ = OwnCursorError
            raise


@mutant("lawful: it declares a capability that nobody knows", traits=("distributed",), powers=("telepathy", "watch"))
class ExtraCapabilities(MemoryDriver):
    pass


@mutant("lawful: it answers with lists and iterators of its own kinds")
class OtherSequences(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        return tuple(super().read(listing, before, after, limit))

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        return tuple(super().append(tuple(batch), retry=retry))


@mutant("lawful: listings by id are put in order when they are read, by other means")
class SortsWhenReading(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        if not isinstance(listing, BY_ID):
            return super().read(listing, before, after, limit)
        found = {entry_id(each).encode(): each for each in super().read(listing, None, START, EVERYTHING)}
        order = sorted(found)  # UTF-8 goes by code point
        if before is not None:
            order = [key for key in order if key < before.encode("utf-8", "surrogatepass")]
        elif isinstance(after, str):
            order = [key for key in order if key > after.encode("utf-8", "surrogatepass")]
        chosen = order[:limit] if after is not None else order[-limit:]
        return [found[key] for key in chosen]
