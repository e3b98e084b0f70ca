"""Writing, within one transaction: rooms, memberships and registrations."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from moltnet_core import (
    AgentRegistration,
    CorruptRecordError,
    Record,
    RecordKind,
    Room,
    RoomExistsError,
    RoomNotFoundError,
)
from moltnet_core.derivation import merge_registration
from moltnet_core.driver import Lookup
from moltnet_core.serialization import dumps
from moltnet_core.timestamps import format_time
from moltnet_lmdb.keys import COUNTS, MAX_PART, credential_part, key, part
from moltnet_lmdb.pages import Txn
from moltnet_lmdb.reading import Reader
from moltnet_lmdb.records import encode

__all__ = ["RoomWriter"]


class RoomWriter(Reader):
    """One write. Whatever raises within it undoes all of it."""

    def __init__(self, txn: Txn) -> None:
        super().__init__(txn)
        self.change: Counter[str] = Counter()

    def finish(self) -> None:
        """Write down what has become more or less."""
        if any(self.change.values()):
            counts = attrs.asdict(self.counts())
            self.txn.put(COUNTS, dumps({name: counts[name] + self.change[name] for name in counts}).encode())

    def sound(self, kind: RecordKind, record_id: str) -> Record | None:
        """The record of an id, which is to be changed.

        :raises CorruptRecordError: it cannot be decoded.
        """
        found = self.record(kind, record_id)
        if isinstance(found, CorruptRecordError):
            raise found
        return found

    def put_id(self, text: str) -> None:
        """Store an id that is too long for a key, so that it can be read again."""
        if len(encoded := text.encode()) > MAX_PART:
            self.txn.put(key("long", part(text)), encoded)

    # -- rooms and their members --

    def create_room(self, room: Room) -> None:
        """See :meth:`moltnet_core.driver.Driver.create_room`."""
        if self.txn.get(key("room", part(room.id))) is not None:
            raise RoomExistsError(room.id, removed=not self.is_live(room.id))
        self.put_room(Record.of(room))

    def put_room(self, record: Record) -> None:
        """Store the record of a new room."""
        room: Any = record.value
        self.put_id(room.id)
        self.txn.put(key("room", part(room.id)), encode(record))
        if "removed_at" in record.times:
            self.change["removed_rooms"] += 1
            return
        self.txn.put(key("live", part(room.id)), b"")
        self.change["rooms"] += 1
        self._change_members(room, (), room.members)

    def reconcile_room(self, room: Room) -> Room:
        """See :meth:`moltnet_core.driver.Driver.reconcile_room`."""
        return self._change_room(
            self._live_room(room.id),
            name=room.name,
            members=room.members,
            visibility=room.visibility,
            write_policy=room.write_policy,
        )

    def update_members(self, room_id: str, add: Iterable[str], remove: Iterable[str]) -> Room:
        """See :meth:`moltnet_core.driver.Driver.update_members`."""
        record = self._live_room(room_id)
        room: Any = record.value
        return self._change_room(record, members=sorted({*room.members, *add} - {*remove}))

    def remove_member(self, member_id: str) -> None:
        """See :meth:`moltnet_core.driver.Driver.remove_member`."""
        member = self.get(Lookup.MEMBER, member_id)
        for room_id in member.rooms if member else ():
            self.update_members(room_id, (), (member_id,))

    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        """See :meth:`moltnet_core.driver.Driver.remove_room`."""
        record = self._live_room(room_id)
        self._change_room(
            Record(record.kind, record.value, {**record.times, "removed_at": format_time(removed_at)}), members=()
        )
        self.txn.delete(key("live", part(room_id)))
        self.change.update(rooms=-1, removed_rooms=1)

    def _live_room(self, room_id: str) -> Record:
        record = self.sound(RecordKind.ROOM, room_id) if self.is_live(room_id) else None
        if record is None:
            raise RoomNotFoundError(room_id)
        return record

    def _change_room(self, record: Record, **changes: Any) -> Room:
        before: Any = record.value
        after: Room = attrs.evolve(before, **changes)
        self._change_members(after, before.members, after.members)
        self.txn.put(key("room", part(after.id)), encode(Record(record.kind, after, record.times)))
        return after

    def _change_members(self, room: Room, before: Iterable[str], after: Iterable[str]) -> None:
        old, new = set(before), set(after)
        for member in old - new:
            self.txn.delete(key("member", part(member), part(room.id)))
        for member in new - old:
            self.put_id(member)
            self.txn.put(key("member", part(member), part(room.id)), room.network_id.encode())
        self.change["members"] += len(new) - len(old)

    # -- registrations --

    def save_agent(self, offered: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        """See :meth:`moltnet_core.driver.Driver.save_agent`."""
        stored = self.sound(RecordKind.AGENT, offered.agent_id)
        old: Any = stored and stored.value
        merged = merge_registration(old, offered, rebind=rebind)
        if stored is not None:
            self.remove_agent(merged.agent_id)
        known = {"created_at": stored.times["created_at"]} if stored else {}
        self.put_agent(Record.of(merged, **known))
        return merged

    def put_agent(self, record: Record) -> None:
        """Store the record of a new registration."""
        agent: Any = record.value
        self.put_id(agent.agent_id)
        self.txn.put(key("agent", part(agent.agent_id)), encode(record))
        self.txn.put(key("credential", credential_part(agent.credential_key), part(agent.agent_id)), b"")
        self.change["agents"] += 1

    def remove_agent(self, agent_id: str) -> None:
        """See :meth:`moltnet_core.driver.Driver.remove_agent`."""
        stored = self.sound(RecordKind.AGENT, agent_id)
        if stored is None:
            return
        agent: Any = stored.value
        self.txn.delete(key("agent", part(agent_id)))
        self.txn.delete(key("credential", credential_part(agent.credential_key), part(agent_id)))
        self.change["agents"] -= 1
