"""Storing records as they are, for copies."""

from collections.abc import Sequence
from typing import Any

from moltnet_core import LoadResult, Record, RecordConflictError, RecordKind, ValidationError
from moltnet_core.driver import LoadRecord
from moltnet_core.records import same_record
from moltnet_lmdb.keys import MAX_PART
from moltnet_lmdb.records import counted, uncounted
from moltnet_lmdb.writing import Writer

__all__ = ["load"]


def load(writer: Writer, records: Sequence[LoadRecord]) -> LoadResult:
    """See :meth:`moltnet_core.driver.Driver.load`."""
    loaded = 0
    for each in records:
        stored = writer.sound(each.record.kind, each.record.id)
        if stored is None:
            _store(writer, each)
            loaded += 1
        elif not same_record(stored, each.record):
            raise RecordConflictError(each.record.kind, each.record.id)
    return LoadResult(loaded=loaded, unchanged=len(records) - loaded)


def _store(writer: Writer, each: LoadRecord) -> None:
    record = each.record
    value: Any = record.value
    match record.kind:
        case RecordKind.ROOM:
            writer.put_room(record)
        case RecordKind.AGENT:
            writer.put_agent(record)
        case RecordKind.THREAD:
            _require(writer, record, RecordKind.ROOM, value.room_id)
            writer.put_thread(uncounted(record))
        case RecordKind.DM:
            writer.put_dm(uncounted(record))
        case RecordKind.MESSAGE:
            if len(value.id.encode()) > MAX_PART:
                raise ValidationError("message.id", f"expected at most {MAX_PART} bytes, as LMDB's keys are short")
            conversation = _require(writer, record, RecordKind(value.target.kind), value.target.conversation_id)
            if conversation.kind is not RecordKind.ROOM:
                writer.put_again(counted(conversation, record.times["created_at"]))
            writer.put_message(record, each.new.artifacts if each.new else ())


def _require(writer: Writer, record: Record, kind: RecordKind, wanted: str) -> Record:
    found = writer.sound(kind, wanted)
    if found is None:
        problem = f"its {kind} {wanted!r} is not stored; load that record first"
        raise ValidationError(f"{record.kind} {record.id!r}", problem)
    return found
