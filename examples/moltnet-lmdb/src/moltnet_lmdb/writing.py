"""Writing, within one transaction: messages, and the conversations that they make."""

from collections.abc import Iterable, Sequence
from typing import Any

from moltnet_core import (
    Artifact,
    CorruptRecordError,
    DirectConversation,
    Message,
    Record,
    RecordKind,
    RoomNotFoundError,
    Thread,
    ThreadRoomMismatchError,
)
from moltnet_core.derivation import count_message, resolve_duplicates
from moltnet_core.driver import Appended, NewMessage
from moltnet_lmdb.keys import artifact_tail, key, part
from moltnet_lmdb.records import encode, encode_artifact, value_of
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
        room_id, record, created = new.message.target.room_id, Record.of(new.message), False
        if room_id is not None and not self.is_live(room_id):
            raise RoomNotFoundError(room_id)
        if new.thread is not None:
            created = self._join_thread(new.thread, record.times["created_at"])
        elif new.dm is not None:
            created = self._join_dm(new.dm, record.times["created_at"])
        self.put_message(record, new.artifacts)
        return created

    def _join_thread(self, offered: Thread, time: str) -> bool:
        stored = self.sound(RecordKind.THREAD, offered.id)
        if stored is None:
            self.put_conversation(Record.of(offered))
            return True
        thread: Any = stored.value
        if thread.room_id != offered.room_id:
            raise ThreadRoomMismatchError(offered.id, offered.room_id, thread.room_id)
        self.put_again(count_message(stored, time))
        return False

    def _join_dm(self, offered: DirectConversation, time: str) -> bool:
        stored = self.sound(RecordKind.DM, offered.id)
        if stored is None:
            self.put_conversation(Record.of(offered))
            return True
        self.put_again(count_message(stored, time, joined=offered))
        return False

    def put_conversation(self, record: Record) -> None:
        """Store the record of a new thread or DM."""
        self.put_id(record.id)
        self.put_again(record)
        if isinstance(record.value, Thread):
            self.txn.put(key("roomthread", part(record.value.room_id), part(record.id)), b"")
        self.change[f"{record.kind}s"] += 1

    def put_again(self, record: Record) -> None:
        """Store a thread's or DM's record in the place of an older one."""
        self.txn.put(key(record.kind.value, part(record.id)), encode(record))

    def put_message(self, record: Record, artifacts: Iterable[Artifact]) -> None:
        """Store the record of a new message, in its conversation's line, with its artifacts."""
        message: Any = record.value
        target, time, own = message.target, record.times["created_at"].encode(), part(message.id)
        self.txn.put(key("place", own), time)
        self.txn.put(key("message", time, own), encode(record))
        self.txn.put(key("line", target.kind.encode(), part(target.conversation_id or ""), time, own), b"")
        self.change["messages"] += 1
        lines = [(target.kind, target.conversation_id)]
        if target.kind == "thread":
            lines.append(("room", target.room_id))
        for artifact in artifacts:
            tail = artifact_tail(time, own, artifact.part_index)
            self.txn.put(key("artifact", tail), encode_artifact(artifact))
            for kind, conversation in lines:
                self.txn.put(key("artifactline", kind.encode(), part(conversation or ""), tail), b"")
            self.change["artifacts"] += 1
