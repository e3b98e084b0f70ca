"""Writing, within one transaction: messages, and the conversations that they make."""

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from moltnet_core import (
    Artifact,
    CorruptRecordError,
    Message,
    Record,
    RecordKind,
    RoomNotFoundError,
    ThreadRoomMismatchError,
)
from moltnet_core.derivation import resolve_duplicates
from moltnet_core.driver import Appended, NewMessage
from moltnet_lmdb.keys import artifact_tail, key, part
from moltnet_lmdb.records import counted, encode, encode_artifact, record_of, value_of
from moltnet_lmdb.rooms import RoomWriter

__all__ = ["Writer"]


class Writer(RoomWriter):
    """One write of any kind."""

    def append(self, batch: Sequence[NewMessage], *, retry: bool) -> list[Appended]:
        """See :meth:`moltnet_core.driver.Driver.append`."""
        replayed = resolve_duplicates(batch, self._stored(batch), retry=retry)
        return [
            Appended(replayed=True) if index in replayed else Appended(created=self._append(new))
            for index, new in enumerate(batch)
        ]

    def _stored(self, batch: Sequence[NewMessage]) -> dict[str, Message | None]:
        found = {new.message.id: self.record(RecordKind.MESSAGE, new.message.id) for new in batch}
        return {
            message_id: None if isinstance(record, CorruptRecordError) else value_of(record)
            for message_id, record in found.items()
            if record is not None
        }

    def _append(self, new: NewMessage) -> bool:
        message, created = new.message, False
        if message.target.room_id is not None and not self.is_live(message.target.room_id):
            raise RoomNotFoundError(message.target.room_id)
        record = record_of(RecordKind.MESSAGE, message)
        if new.thread is not None:
            created = self._join_thread(new, record.times["created_at"])
        elif new.dm is not None:
            created = self._join_dm(new, record.times["created_at"])
        self.put_message(record, new.artifacts)
        return created

    def _join_thread(self, new: NewMessage, time: str) -> bool:
        offered: Any = new.thread
        stored = self.sound(RecordKind.THREAD, offered.id)
        if stored is None:
            self.put_thread(record_of(RecordKind.THREAD, offered))
            return True
        thread: Any = stored.value
        if thread.room_id != offered.room_id:
            raise ThreadRoomMismatchError(offered.id, offered.room_id, thread.room_id)
        self.put_again(counted(stored, time))
        return False

    def put_thread(self, record: Record) -> None:
        """Store the record of a new thread."""
        thread: Any = record.value
        self.put_id(thread.id)
        self.put_again(record)
        self.txn.put(key("roomthread", part(thread.room_id), part(thread.id)), b"")
        self.change["threads"] += 1

    def _join_dm(self, new: NewMessage, time: str) -> bool:
        offered: Any = new.dm
        stored = self.sound(RecordKind.DM, offered.id)
        if stored is None:
            self.put_dm(record_of(RecordKind.DM, offered))
            return True
        more = counted(stored, time)
        dm: Any = more.value
        participants = sorted({*dm.participant_ids, *offered.participant_ids})
        dm = attrs.evolve(dm, network_id=offered.network_id, fqid=offered.fqid, participant_ids=participants)
        self.put_again(Record(RecordKind.DM, dm, more.times))
        return False

    def put_dm(self, record: Record) -> None:
        """Store the record of a new direct conversation."""
        self.put_id(record.id)
        self.put_again(record)
        self.change["dms"] += 1

    def put_again(self, record: Record) -> None:
        """Store a thread's or DM's record in the place of an older one."""
        self.txn.put(key(record.kind.value, part(record.id)), encode(record))

    def put_message(self, record: Record, artifacts: Iterable[Artifact]) -> None:
        """Store the record of a new message, in its conversation's line, with its artifacts."""
        message: Any = record.value
        target, time, own = message.target, record.times["created_at"].encode(), part(message.id)
        self.txn.put(key("place", own), time)
        self.txn.put(key("message", time, own), encode(record))
        self.txn.put(key("line", target.kind.encode(), part(target.conversation_id), time, own), b"")
        self.change["messages"] += 1
        lines = {"room": target.room_id, "thread": target.thread_id, "dm": target.dm_id}
        for artifact in artifacts:
            tail = artifact_tail(time, own, artifact.part_index)
            self.txn.put(key("artifact", tail), encode_artifact(artifact))
            for kind, conversation in lines.items():
                if conversation is not None:
                    self.txn.put(key("artifactline", kind.encode(), part(conversation), tail), b"")
            self.change["artifacts"] += 1
