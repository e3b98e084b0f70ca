"""Faults in the objects that are handed out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import Message, Room
from moltnet_core.driver import Lookup
from moltnet_core.listings import Listing
from moltnet_core.types import Start
from moltnet_memory.driver import MemoryDriver

mutant = Collection()


class _HandsOut(MemoryDriver):
    def handed(self, value: Any) -> Any:
        raise NotImplementedError

    def get(self, lookup: Lookup, key: str) -> Any:
        return self.handed(super().get(lookup, key))

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        return [self.handed(each) for each in super().read(listing, before, after, limit)]


class OwnRoom(Room):
    """A room with a dictionary, which anything can be added to."""


class HashableMessage(Message):
    """A message that serves as a key, as a cache would like it."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.id)


def copied(made: type[Any], value: Any) -> Any:
    """The same in another class."""
    return made(**{field.name: getattr(value, field.name) for field in attrs.fields(type(value))})


@mutant("rooms are of a class of its own, which is not slotted", "OBJ-003")
class OwnClasses(_HandsOut):
    def handed(self, value: Any) -> Any:
        return copied(OwnRoom, value) if isinstance(value, Room) else value


@mutant("messages can be hashed", "OBJ-004")
class HashesMessages(_HandsOut):
    def handed(self, value: Any) -> Any:
        return copied(HashableMessage, value) if isinstance(value, Message) else value


@mutant("times are handed out in the time of some place", "TIME-002", "TIME-001")
class LocalTimes(_HandsOut):
    def handed(self, value: Any) -> Any:
        if not isinstance(value, Message):
            return value
        try:
            return attrs.evolve(value, created_at=value.created_at.astimezone(timezone(timedelta(hours=2))))
        except OverflowError:
            return attrs.evolve(value, created_at=datetime(9999, 1, 1, tzinfo=timezone(timedelta(hours=2))))
