"""Stored values: records and artifacts as JSON texts."""

from typing import Any

from moltnet_core import Artifact, CorruptRecordError, Message, MoltnetError, Record, RecordKind, from_json, to_json
from moltnet_core.serialization import (
    actor_of,
    dumps,
    loads,
    object_of,
    origin_of,
    parts_of,
    target_of,
    text_of,
    texts_of,
)
from moltnet_core.timestamps import parse_time

__all__ = ["decode", "decode_artifact", "encode", "encode_artifact", "value_of"]


def encode(record: Record) -> bytes:
    """A record as it is stored."""
    return dumps(record.to_json(with_credentials=True)).encode()


def decode(kind: RecordKind, record_id: str, stored: bytes) -> Record | CorruptRecordError:
    """A stored record, or what stands in its place where it cannot be decoded."""
    try:
        found = loads(stored.decode())
        record = _message(found) if kind is RecordKind.MESSAGE else Record.from_json(found)
    except (ValueError, MoltnetError) as error:
        return CorruptRecordError(kind, record_id, f"it does not decode ({type(error).__name__})")
    return record


def _message(found: Any) -> Record:
    """What :meth:`Record.from_json` makes of a message, by the functions that are made for pages of them."""
    get = object_of(found, "the record").get
    time, origin = text_of(get("created_at"), "created_at"), get("origin")
    message = Message(
        text_of(get("network_id"), "network_id"),
        target_of(get("target")),
        actor_of(get("from")),
        parts_of(get("parts")),
        texts_of(get("mentions"), "mentions"),
        text_of(get("id"), "id"),
        parse_time(time),
        None if origin is None else origin_of(origin),
    )
    return Record(RecordKind.MESSAGE, message, {"created_at": time})


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
