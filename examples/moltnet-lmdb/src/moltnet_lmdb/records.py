"""Stored values: records and artifacts as JSON texts, and a record of each domain object."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from moltnet_core import Artifact, CorruptRecordError, MoltnetError, Record, RecordKind, from_json, to_json
from moltnet_core.records import Stored
from moltnet_core.serialization import dumps, loads
from moltnet_core.timestamps import NO_TIME, NO_TIME_TEXT, format_time, parse_time

__all__ = ["counted", "decode", "decode_artifact", "encode", "encode_artifact", "record_of", "uncounted", "value_of"]

_TIMES: Final[Mapping[RecordKind, tuple[str, ...]]] = {
    RecordKind.ROOM: ("created_at",),
    RecordKind.AGENT: ("created_at", "updated_at"),
    RecordKind.THREAD: ("last_message_at",),
    RecordKind.DM: ("last_message_at",),
    RecordKind.MESSAGE: ("created_at",),
}


def record_of(kind: RecordKind, value: Stored, **known: str) -> Record:
    """The record of a domain object.

    :param known: times with more digits than the object can hold, by field name.
    """
    times = {name: format_time(getattr(value, name)) for name in _TIMES[kind]}
    return Record(kind, value, times | known)


def counted(record: Record, time: str) -> Record:
    """A thread's or DM's record with one more message in it."""
    value: Any = record.value
    latest = max(record.times["last_message_at"], time)
    value = attrs.evolve(value, message_count=value.message_count + 1, last_message_at=parse_time(latest))
    return Record(record.kind, value, {"last_message_at": latest})


def uncounted(record: Record) -> Record:
    """A thread's or DM's record as it is before the first of its messages is loaded."""
    value: Any = record.value
    value = attrs.evolve(value, message_count=0, last_message_at=NO_TIME)
    return Record(record.kind, value, {"last_message_at": NO_TIME_TEXT})


def encode(record: Record) -> bytes:
    """A record as it is stored."""
    return dumps(record.to_json(with_credentials=True)).encode()


def decode(kind: RecordKind, record_id: str, stored: bytes) -> Record | CorruptRecordError:
    """A stored record, or what stands in its place where it cannot be decoded."""
    try:
        record = Record.from_json(loads(stored.decode()))
    except (ValueError, MoltnetError) as error:
        return CorruptRecordError(kind, record_id, f"it does not decode ({type(error).__name__})")
    return record


def value_of(record: Record | CorruptRecordError) -> Any:
    """The domain object of a record; what stands in a corrupt one's place stays."""
    return record if isinstance(record, CorruptRecordError) else record.value


def encode_artifact(artifact: Artifact) -> bytes:
    """An artifact as it is stored."""
    return dumps(to_json(artifact)).encode()


def decode_artifact(artifact_id: str, stored: bytes) -> Artifact | CorruptRecordError:
    """A stored artifact, or what stands in its place where it cannot be decoded."""
    try:
        return from_json(Artifact, loads(stored.decode()))
    except (ValueError, MoltnetError) as error:
        return CorruptRecordError("artifact", artifact_id, f"it does not decode ({type(error).__name__})")
