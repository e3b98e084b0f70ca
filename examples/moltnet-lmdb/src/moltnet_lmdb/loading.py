"""Storing records as they are, for copies."""

from collections.abc import Sequence

from moltnet_core import LoadResult, RecordConflictError, RecordKind, ValidationError
from moltnet_core.derivation import count_message
from moltnet_core.driver import LoadRecord
from moltnet_core.records import missing_error, same_record
from moltnet_lmdb.keys import MAX_PART
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
    record, needed = each.record, None
    for kind, wanted in each.needs:
        needed = writer.sound(kind, wanted)
        if needed is None:
            raise missing_error(record, kind, wanted)
    match record.kind:
        case RecordKind.ROOM:
            writer.put_room(record)
        case RecordKind.AGENT:
            writer.put_agent(record)
        case RecordKind.THREAD | RecordKind.DM:
            writer.put_conversation(record)
        case RecordKind.MESSAGE:
            if len(record.id.encode()) > MAX_PART:
                raise ValidationError("message.id", f"expected at most {MAX_PART} bytes, as LMDB's keys are short")
            if needed is not None and needed.kind is not RecordKind.ROOM:  # the last that it needs is its conversation
                writer.put_again(count_message(needed, record.times["created_at"]))
            writer.put_message(record, each.new.artifacts if each.new else ())
