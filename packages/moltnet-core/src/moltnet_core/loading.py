"""What :meth:`Store.load` checks and prepares before a driver sees the records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from moltnet_core.derivation import artifacts_of, derive
from moltnet_core.driver import LoadRecord, NewMessage
from moltnet_core.errors import ValidationError
from moltnet_core.records import Record
from moltnet_core.serialization import dumps, to_json
from moltnet_core.shapes import check_shape
from moltnet_core.types import Message, MessageOrigin
from moltnet_core.validation import check_text

__all__ = ["prepare_load", "prepare_record"]


def prepare_load(records: Iterable[Record], digits: int) -> tuple[list[LoadRecord], int]:
    """The records as a driver takes them, and how many lost digits of a time.

    :param digits: the fractional digits that the backend stores.
    :raises ValidationError: names the record and the value that no backend can hold.
    """
    prepared, truncated = [], 0
    for offered in records:
        if not isinstance(offered, Record):
            raise ValidationError("records", f"expected a Record, not {type(offered).__name__}")
        record, cut = prepare_record(offered, digits)
        truncated += cut
        prepared.append(record)
    return prepared, truncated


def prepare_record(offered: Record, digits: int) -> tuple[LoadRecord, bool]:
    """One record, and whether digits of its times were lost.

    :param digits: the fractional digits that the backend stores.
    :raises ValidationError: names the record and the value that no backend can hold.
    """
    check_shape(offered.value, str(offered.kind))
    record, cut = offered.prepared(digits)
    where = f"{record.kind} {record.id!a}"
    new: NewMessage | None = None
    if isinstance(record.value, Message):
        new = _prepare_message(record.value, where)
        record = attrs.evolve(record, value=new.message)
    else:
        _check_texts(attrs.asdict(record.value), where)
    return LoadRecord(record, new), cut


def _prepare_message(message: Message, where: str) -> NewMessage:
    # What stands in plain columns is held to what they can hold. The texts inside the JSON columns may hold U+0000,
    # as the Go server writes it (\u0000), but nothing that is not JSON.
    _check_texts([message.id, message.network_id, attrs.astuple(message.target)], where)
    for artifact in artifacts_of(message):
        _check_texts([artifact.kind, artifact.media_type, artifact.filename, artifact.url], f"{where}: artifact")
    try:
        dumps(to_json(message)).encode()
    except (ValueError, RecursionError) as error:
        problem = "holds a lone surrogate" if isinstance(error, UnicodeEncodeError) else "is not JSON"
        raise ValidationError(where, f"{problem}, which no backend can store") from None
    if message.origin is None:
        message = attrs.evolve(message, origin=MessageOrigin("", ""))  # as a row reads that does not say
    return derive(message)


def _check_texts(value: Any, where: str) -> None:
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, dict):
        for item in value.values():
            _check_texts(item, where)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_texts(item, where)
