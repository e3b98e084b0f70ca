"""Reading all records of a view, some at a time, so that memory stays flat whatever a store holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from moltnet_core.errors import CorruptRecordError
from moltnet_core.records import Record, RecordKind
from moltnet_core.serialization import dumps
from moltnet_core.snapshot import Snapshot
from moltnet_core.types import Message

__all__ = ["MAX_BATCH", "Entry", "batches", "weight"]

Entry = Record | CorruptRecordError

MAX_BATCH: Final = 1000
"""The most records in a batch."""

_FIRST: Final = 100
_HEAVY: Final = 8 * 2**20
_OWN_WEIGHT: Final = 500


def batches(view: Snapshot, kind: RecordKind, after: str | None = None) -> Iterator[list[Entry]]:
    """All records of a kind in order; one that cannot be decoded stands in its place as an error.

    A batch is of at most :data:`MAX_BATCH` records. Where records are big it is of fewer: about 8 MiB.

    :param after: the id of the record to go on after.
    """
    limit = _FIRST
    while entries := view.entries(kind, after, limit):
        yield entries
        if len(entries) < limit:
            return
        last = entries[-1]
        after = last.id if isinstance(last, Record) else last.record_id
        heavy = sum(weight(entry) for entry in entries if isinstance(entry, Record))
        limit = max(1, min(MAX_BATCH, 2 * limit, limit * _HEAVY // max(heavy, 1)))


def weight(record: Record) -> int:
    """About how many characters a record is."""
    value = record.value
    if not isinstance(value, Message):
        return _OWN_WEIGHT
    found = _OWN_WEIGHT
    for part in value.parts:
        found += len(part.text or "")
        if part.data is not None:
            found += len(dumps(part.data))
    return found
