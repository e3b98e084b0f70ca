"""Faults in appending."""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import Duplicate, DuplicateMessageError, MoltnetError, RoomNotFoundError
from moltnet_core.driver import Appended, NewMessage
from moltnet_core.records import RecordKind
from moltnet_core.timestamps import format_time
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.rows import MessageRow, RoomRow

mutant = Collection()


@mutant("a batch is applied message by message", "MSG-004", "DUP-004", "RACE-007")
class HalfABatch(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        return [appended for new in batch for appended in super(HalfABatch, self).append((new,), retry=retry)]


@mutant("a taken id is passed over in silence", "DUP-001", "RACE-003")
class AcceptsDuplicates(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            return super().append(batch, retry=retry)
        except DuplicateMessageError:
            return [Appended() for _ in batch]


@mutant("every stored message counts as identical", "DUP-002")
class AlwaysIdentical(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            return super().append(batch, retry=retry)
        except DuplicateMessageError as error:
            raise DuplicateMessageError(
                [Duplicate(each.index, each.message_id, True) for each in error.duplicates]
            ) from None


@mutant("only the first duplicate of a batch is listed", "DUP-004", "DUP-005")
class FirstDuplicateOnly(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            return super().append(batch, retry=retry)
        except DuplicateMessageError as error:
            raise DuplicateMessageError(error.duplicates[:1]) from None


@mutant("trying again fails as the first time would", "DUP-006", "DUP-007", "DUP-003")
class NoRetry(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        return super().append(batch)


@mutant("a message that was there already is not called replayed", "DUP-006", "DUP-003")
class ReplaysInSilence(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        return [attrs.evolve(each, replayed=False) for each in super().append(batch, retry=retry)]


@mutant("trying again counts again", "DUP-006")
class CountsAgain(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        found = super().append(batch, retry=retry)
        for new, each in zip(batch, found, strict=True):
            row = self._tables.rows[RecordKind.THREAD].get(new.thread.id) if each.replayed and new.thread else None
            if row is not None:
                counted = attrs.evolve(row.thread, message_count=row.thread.message_count + 1)
                self._tables.rows[RecordKind.THREAD][counted.id] = attrs.evolve(row, thread=counted)
        return found


@mutant("whether a room is there is asked before whether an id is taken", "DUP-009", "DUP-008")
class RoomsFirst(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        for new in batch:
            room_id = new.message.target.room_id
            if room_id and self._tables.live_room(room_id) is None:
                raise RoomNotFoundError(room_id)
        return super().append(batch, retry=retry)


@mutant("a removed room takes messages", "ROOM-009", "LOAD-001")
class AppendsToRemoved(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        rooms = self._tables.rows[RecordKind.ROOM]
        kept = dict(rooms)
        for new in batch:
            room_id = new.message.target.room_id
            row = rooms.get(room_id) if room_id else None
            if row is not None and row.removed_at is not None:
                rooms[row.room.id] = RoomRow(row.room, row.created_at)
        try:
            return super().append(batch, retry=retry)
        finally:
            rooms.update(kept)


@mutant("a room that is not there takes messages", "MSG-005")
class AppendsToNowhere(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            return super().append(batch, retry=retry)
        except RoomNotFoundError:
            for new in batch:
                row = MessageRow(new.message, format_time(new.message.created_at), new.artifacts)
                self._tables.apply({(RecordKind.MESSAGE, new.message.id): row})
            return [Appended() for _ in batch]


@mutant("a thread's messages stand in its room's list too", "MSG-001")
class LeaksThreads(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        found = super().append(batch, retry=retry)
        for new, each in zip(batch, found, strict=True):
            target = new.message.target
            if target.kind == "thread" and not each.replayed:
                place = self._tables.rows[RecordKind.MESSAGE][new.message.id].place
                self._tables.messages_of["room", target.room_id].add(place)
        return found


@mutant("the answer does not say that a conversation was created", "THREAD-001", "DM-001", "MSG-002")
class NothingCreated(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        return [attrs.evolve(each, created=False) for each in super().append(batch, retry=retry)]


@mutant("between looking whether an id is taken and taking it others may take it", "RACE-003", "RACE-004")
class AppendRace(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        changes, appended = self._tables.plan_append(batch, retry=retry)
        self._tables.apply(changes)
        return appended


@mutant("an id is taken in its conversation only", "DUP-010")
class TakenByConversation(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        messages = self._tables.rows[RecordKind.MESSAGE]
        for new in batch:
            row = messages.get(new.message.id)
            if row is not None and row.message.target.conversation_id != new.message.target.conversation_id:
                del messages[new.message.id]
        return super().append(batch, retry=retry)


@mutant("an append is told of the error of another that was under way beside it", "RACE-010")
class ToldOfOthers(MemoryDriver):
    _wrong: Sequence[MoltnetError] = ()

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        before = len(self._wrong)
        try:
            found = super().append(batch, retry=retry)
        except MoltnetError as error:
            self._wrong = (*self._wrong, error)
            raise
        time.sleep(0.001)
        if self._wrong[before:]:
            raise self._wrong[before]
        return found
