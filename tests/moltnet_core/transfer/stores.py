"""Stores to copy from and to, in memory: filled ones, and ones that hold what a store of another program may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from moltnet_conformance.building import message, room
from moltnet_core import Message, Record, RecordKind, Room, Store, open_store
from moltnet_core.derivation import derive
from moltnet_core.plugins import load_backend
from moltnet_core.plugins.manager import Plugins
from moltnet_memory import MemoryDriver, Tables
from moltnet_memory.rows import MessageRow

__all__ = ["coarse", "holding", "message_record", "room_record", "times", "with_messages"]


@contextmanager
def with_messages(count: int) -> Iterator[Store]:
    """A store with a room of so many messages, a second apart."""
    with open_store("memory://") as store:
        store.create_room(room("general"))
        store.append_messages([message(f"m{number:05}", second=number) for number in range(count)])
        yield store


def times(moment: str) -> dict[str, str]:
    return {"created_at": moment}


def room_record(room_id: str = "general", moment: str = "2026-01-01T00:00:00Z") -> Record:
    return Record("room", Room(room_id, "net", fqid="f", name=room_id), times(moment))


def message_record(own_id: str, moment: str, target: Any = "general") -> Record:
    return Record("message", message(own_id, target), times(moment))


def holding(rows: Mapping[tuple[RecordKind, str], Any]) -> Store:
    """A store of memory that holds rows as they are, which no call would have taken."""
    tables = Tables()
    tables.apply(dict(rows))
    backend, module = load_backend("memory")
    return Store(MemoryDriver(tables), backend, Plugins("memory", module, (), ()))


def row(held: Message, moment: str = "2026-01-01T00:00:05Z") -> MessageRow:
    new = derive(held)
    return MessageRow(new.message, moment, new.artifacts)


def coarse() -> Store:
    """A store that keeps six digits of a second."""
    backend, module = load_backend("memory")
    return Store(MemoryDriver(Tables()), attrs.evolve(backend, time_digits=6), Plugins("memory", module, (), ()))
