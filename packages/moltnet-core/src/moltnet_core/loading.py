"""What :meth:`Store.load` checks and prepares before a driver sees the records."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import attrs

from moltnet_core.derivation import artifacts_of
from moltnet_core.driver import LoadRecord, NewMessage
from moltnet_core.errors import ValidationError
from moltnet_core.records import Record, RecordKind
from moltnet_core.serialization import dumps, to_json
from moltnet_core.shapes import check_shape, is_json
from moltnet_core.timestamps import normalise, parse_time, truncate
from moltnet_core.types import Actor, Message, MessageOrigin, Part, Target
from moltnet_core.validation import check_text, is_storable

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
    plain = _prepare_plain(offered, digits)
    if plain is not None:
        return plain
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
    return NewMessage(message, artifacts_of(message))


# Nearly every record of a store is a message that any backend holds as it is. To see that is a fraction of the work of
# saying what is wrong with one: whatever is not seen at a glance to be right is left to the thorough way.


def _prepare_plain(record: Record, digits: int) -> tuple[LoadRecord, bool] | None:
    """A message that is plainly right, prepared; ``None`` for everything else."""
    message, times = record.value, record.times
    if type(message) is not Message or record.kind is not RecordKind.MESSAGE or len(times) != 1:
        return None
    try:
        text = times["created_at"]
        whole = normalise(text)
        origin = message.origin
        if (
            type(origin) is not MessageOrigin
            or type(message.created_at) is not datetime
            or message.created_at.tzinfo is None
            or not _are_plain((message.id, message.network_id, origin.network_id, origin.message_id, *message.mentions))
            or not _is_plain_target(message.target)
            or not _is_plain_actor(message.sender)
            or type(message.parts) is not tuple
            or type(message.mentions) is not tuple
            or not all(map(_is_plain_part, message.parts))
        ):
            return None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    moment = truncate(whole, digits)
    created_at = parse_time(moment)
    if message.created_at != created_at or message.created_at.tzinfo is not UTC:
        message = attrs.evolve(message, created_at=created_at)
    new = NewMessage(message, artifacts_of(message))
    return LoadRecord(Record(RecordKind.MESSAGE, message, {"created_at": moment}), new), moment != whole


_TEXT: Final = {str}


def _are_plain(texts: Iterable[Any]) -> bool:
    texts = tuple(texts)
    return _TEXT.issuperset(map(type, texts)) and is_storable("".join(texts))


@lru_cache(maxsize=4096)
def _is_plain_target(target: Target) -> bool:
    named = target.participant_ids
    return (
        type(target) is Target
        and type(named) is tuple
        and _are_plain(value for value in (*attrs.astuple(target, recurse=False)[:-1], *named) if value is not None)
    )


@lru_cache(maxsize=4096)
def _is_plain_actor(actor: Actor) -> bool:
    return type(actor) is Actor and _are_plain(
        value for value in attrs.astuple(actor, recurse=False) if value is not None
    )


def _is_plain_part(part: Part) -> bool:
    if type(part) is not Part or type(part.kind) is not str:
        return False
    text, data = part.text, part.data
    if text is not None and not (type(text) is str and (text.isascii() or text.encode() is not None)):
        return False
    if part.kind == "text" and data is None and part.url is None and part.filename is None and part.media_type is None:
        return True
    if data is not None and not (is_json(data) and dumps(data).encode()):
        return False
    return _are_plain(value for value in (part.kind, part.media_type, part.url, part.filename) if value is not None)


def _check_texts(value: Any, where: str) -> None:
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, dict):
        for item in value.values():
            _check_texts(item, where)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_texts(item, where)
