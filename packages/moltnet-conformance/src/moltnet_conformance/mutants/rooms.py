"""Faults in rooms."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import Room, RoomExistsError, RoomNotFoundError
from moltnet_core.driver import Appended, Lookup, NewMessage
from moltnet_core.listings import Listing, Rooms
from moltnet_core.records import RecordKind
from moltnet_core.timestamps import format_time
from moltnet_core.types import Start
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.rows import RoomRow

mutant = Collection()


@mutant("a taken id is accepted, and the room replaced", "ROOM-002", "RACE-002")
class AcceptsTakenRooms(MemoryDriver):
    def create_room(self, room: Room) -> None:
        row = RoomRow(room, format_time(room.created_at))
        self._tables.apply({(RecordKind.ROOM, room.id): row})


@mutant("it changes the room, then raises", "ROOM-002")
class ChangesThenRaises(MemoryDriver):
    def create_room(self, room: Room) -> None:
        try:
            super().create_room(room)
        except RoomExistsError:
            super().reconcile_room(room)
            raise


@mutant("a taken id is an error of another kind", "ROOM-002")
class WrongErrorType(MemoryDriver):
    def create_room(self, room: Room) -> None:
        try:
            super().create_room(room)
        except RoomExistsError:
            raise RoomNotFoundError(room.id) from None


@mutant("the id of a removed room is free again", "ROOM-008", "ERR-001")
class FreesRemovedIds(MemoryDriver):
    def create_room(self, room: Room) -> None:
        row = self._tables.rows[RecordKind.ROOM].get(room.id)
        if row is not None and row.removed_at is not None:
            self._tables.rows[RecordKind.ROOM].pop(room.id)
            self._tables.ids[RecordKind.ROOM].discard(room.id)
        super().create_room(room)


@mutant("ids differ by more than case only", "ROOM-003")
class FoldsCase(MemoryDriver):
    def create_room(self, room: Room) -> None:
        if any(each.lower() == room.id.lower() for each in self._tables.rows[RecordKind.ROOM]):
            raise RoomExistsError(room.id)
        super().create_room(room)


@mutant("a removed room can still be got", "ROOM-006")
class GetsRemovedRooms(MemoryDriver):
    def get(self, lookup: Lookup, key: str) -> Any:
        row = self._tables.rows[RecordKind.ROOM].get(key) if lookup is Lookup.ROOM else None
        return row.room if row is not None else super().get(lookup, key)


@mutant("a removed room's messages go with it", "ROOM-007", "WALK-003")
class RemovesHistory(MemoryDriver):
    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        super().remove_room(room_id, removed_at)
        self._tables.messages_of.pop(("room", room_id), None)


@mutant("a removed room keeps its members", "ROOM-006")
class KeepsMembers(MemoryDriver):
    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        row = self._tables.live_room(room_id)
        super().remove_room(room_id, removed_at)
        for member_id in row.room.members if row is not None else ():
            if not self._tables.members[member_id]:
                self._tables.member_ids.add(member_id)
            self._tables.members[member_id].add(room_id)


@mutant("removing what is not there is no error", "ROOM-010", "DIFF-001")
class RemovesNothing(MemoryDriver):
    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        if self._tables.live_room(room_id) is not None:
            super().remove_room(room_id, removed_at)


@mutant("reconciling an unknown room creates it", "ROOM-010")
class ReconcileCreates(MemoryDriver):
    def reconcile_room(self, room: Room) -> Room:
        if self._tables.live_room(room.id) is None:
            self._tables.apply({(RecordKind.ROOM, room.id): RoomRow(room, format_time(room.created_at))})
        return super().reconcile_room(room)


@mutant("reconciling replaces the network too", "ROOM-004")
class ReconcileReplacesAll(MemoryDriver):
    def reconcile_room(self, room: Room) -> Room:
        super().reconcile_room(room)
        changes, changed = self._tables.plan_change_room(room.id, network_id=room.network_id)
        self._tables.apply(changes)
        return changed


@mutant("the name is not replaced", "ROOM-004")
class KeepsTheName(MemoryDriver):
    def reconcile_room(self, room: Room) -> Room:
        row = self._tables.live_room(room.id)
        return super().reconcile_room(attrs.evolve(room, name=row.room.name) if row is not None else room)


@mutant("members are removed first, then added", "ROOM-005")
class RemovesThenAdds(MemoryDriver):
    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        super().update_members(room_id, (), remove)
        return super().update_members(room_id, add, ())


@mutant("a member leaves its first room only", "ROOM-011", "ROOM-012")
class LeavesOneRoom(MemoryDriver):
    def remove_member(self, member_id: str) -> None:
        for room_id in sorted(self._tables.members.get(member_id, ()))[1:]:
            super().update_members(room_id, (), (member_id,))


@mutant("a member that is in no room is an error", "ROOM-011")
class UnknownMemberIsAnError(MemoryDriver):
    def remove_member(self, member_id: str) -> None:
        if not self._tables.members.get(member_id):
            raise RoomNotFoundError(member_id)
        super().remove_member(member_id)


@mutant("between reading the members and writing them others may write", "RACE-005")
class MembersRace(MemoryDriver):
    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        changes, changed = self._tables.plan_update_members(room_id, add, remove)
        self._tables.apply(changes)
        return changed


@mutant("between looking whether an id is taken and taking it others may take it", "RACE-002")
class CheckThenAct(MemoryDriver):
    def create_room(self, room: Room) -> None:
        changes = self._tables.plan_create_room(room)
        self._tables.apply(changes)


@mutant("rooms are listed in the order of their creation", "ROOM-001", "PAGE-001")
class RoomsByCreation(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        order = list(self._tables.rows[RecordKind.ROOM])
        return sorted(found, key=lambda each: order.index(each.id)) if isinstance(listing, Rooms) else found


class _Creates(MemoryDriver):
    """Stores something else than it was given."""

    def kept(self, room: Room) -> Room:
        raise NotImplementedError

    def create_room(self, room: Room) -> None:
        super().create_room(self.kept(room))


@mutant("a room's full id is made anew of its network and id", "TRIP-002", "TEXT-001")
class OwnRoomFullIds(_Creates):
    def kept(self, room: Room) -> Room:
        return attrs.evolve(room, fqid=f"molt://{room.network_id}/rooms/{room.id}")


@mutant("a name that is the id is not kept", "TRIP-007")
class NamelessRooms(_Creates):
    def kept(self, room: Room) -> Room:
        return attrs.evolve(room, name="" if room.name == room.id else room.name)


@mutant("members are sorted without regard to case", "TRIP-010")
class MembersByLetters(_Creates):
    def kept(self, room: Room) -> Room:
        return attrs.evolve(room, members=tuple(sorted(room.members, key=str.lower)))


@mutant("whether a room is there is remembered for a moment", "RACE-006")
class RemembersRooms(MemoryDriver):
    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        row = self._tables.live_room(room_id)
        super().remove_room(room_id, removed_at)
        if row is not None:
            self._removed = {room_id: (row, time.monotonic())}

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            return super().append(batch, retry=retry)
        except RoomNotFoundError as error:
            row, since = getattr(self, "_removed", {}).get(error.room_id, (None, 0))
            if row is None or time.monotonic() - since > 0.2:
                raise
        with self._locked() as tables:
            kept = tables.rows[RecordKind.ROOM][row.room.id]
            tables.rows[RecordKind.ROOM][row.room.id] = row
            try:
                return super().append(batch, retry=retry)
            finally:
                tables.rows[RecordKind.ROOM][row.room.id] = kept
