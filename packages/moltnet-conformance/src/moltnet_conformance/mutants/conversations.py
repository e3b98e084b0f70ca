"""Faults in what follows from messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import ThreadRoomMismatchError
from moltnet_core.driver import Appended, Lookup, NewMessage
from moltnet_core.records import RecordKind
from moltnet_core.timestamps import format_time
from moltnet_memory.driver import MemoryDriver

mutant = Collection()


class _Rewrites(MemoryDriver):
    """Changes a conversation's row after each message that joins it."""

    kind = RecordKind.THREAD
    field = "thread"

    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        raise NotImplementedError

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        rows = self._tables.rows[self.kind]
        before = dict(rows)
        found = super().append(batch, retry=retry)
        for new, each in zip(batch, found, strict=True):
            offered = getattr(new, self.field)
            if offered is None or each.replayed or offered.id not in before:
                continue
            row, old = rows[offered.id], before[offered.id]
            value = attrs.evolve(getattr(row, self.field), **self.fields(getattr(old, self.field), new))
            last = format_time(value.last_message_at)
            rows[offered.id] = attrs.evolve(row, **{self.field: value, "last_message_at": last})
        return found


@mutant("the last time is the last message's, also where that is earlier", "THREAD-005")
class GoesBackwards(_Rewrites):
    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        return {"last_message_at": new.message.created_at}


@mutant("a thread takes the network of its latest message", "THREAD-002")
class ThreadTakesLatest(_Rewrites):
    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        return {"network_id": new.message.network_id}


@mutant("a thread takes the parent of its latest message", "THREAD-002")
class ThreadTakesParent(_Rewrites):
    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        return {"parent_message_id": new.message.target.parent_message_id}


@mutant("messages are counted once a batch", "THREAD-005")
class CountsBatches(_Rewrites):
    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        return {"message_count": old.message_count + 1}


@mutant("a DM keeps the network of its first message", "DM-004")
class DMKeepsFirst(_Rewrites):
    kind, field = RecordKind.DM, "dm"

    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        return {"network_id": old.network_id, "fqid": old.fqid}


@mutant("participants are those of the latest message", "DM-002")
class ParticipantsReplaced(_Rewrites):
    kind, field = RecordKind.DM, "dm"

    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        return {"participant_ids": new.dm.participant_ids if new.dm else ()}


@mutant("participants are those of the first message", "DM-002")
class ParticipantsKept(_Rewrites):
    kind, field = RecordKind.DM, "dm"

    def fields(self, old: Any, new: NewMessage) -> dict[str, Any]:
        return {"participant_ids": old.participant_ids}


@mutant("a thread takes messages that name another room", "THREAD-004", "MSG-004")
class AnyRoom(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            return super().append(batch, retry=retry)
        except ThreadRoomMismatchError:
            return [Appended() for _ in batch]


@mutant("a thread can be listed and not got", "THREAD-001", "TRIP-004")
class NoThreads(MemoryDriver):
    def get(self, lookup: Lookup, key: str) -> Any:
        return None if lookup is Lookup.THREAD else super().get(lookup, key)


@mutant("a thread is its batch's last message's, not the first's", "THREAD-003")
class LastOfABatch(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        found = super().append(batch, retry=retry)
        rows = self._tables.rows[RecordKind.THREAD]
        for new, each in zip(batch, found, strict=True):
            if new.thread is None or not each.created:
                continue
            last = next(other.thread for other in reversed(batch) if other.thread and other.thread.id == new.thread.id)
            row = rows[new.thread.id]
            values = {"network_id": last.network_id, "parent_message_id": last.parent_message_id}
            rows[new.thread.id] = attrs.evolve(row, thread=attrs.evolve(row.thread, **values))
        return found


@mutant("participants are kept without their networks", "DM-003", "ID-003")
class ParticipantsWithoutNetworks(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        def changed(new: NewMessage) -> NewMessage:
            if new.dm is None:
                return new
            names = sorted({each.rpartition(":")[2] for each in new.dm.participant_ids})
            return attrs.evolve(new, dm=attrs.evolve(new.dm, participant_ids=tuple(names)))

        return super().append([changed(new) for new in batch], retry=retry)


@mutant("a removed agent leaves its direct conversations", "DM-005")
class LeavesDMs(MemoryDriver):
    def remove_agent(self, agent_id: str) -> None:
        super().remove_agent(agent_id)
        rows = self._tables.rows[RecordKind.DM]
        for key, row in list(rows.items()):
            others = tuple(each for each in row.dm.participant_ids if each != agent_id)
            rows[key] = attrs.evolve(row, dm=attrs.evolve(row.dm, participant_ids=others))
