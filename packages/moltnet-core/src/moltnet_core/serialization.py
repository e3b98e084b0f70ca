"""The domain types as JSON and back.

``to_json`` and ``from_json`` serve every type, through one cattrs converter. What is read per stored row goes
through the plain ``read_…`` functions, which do the same by hand at a fraction of the cost.

Reading is tolerant: unknown keys are ignored, and ``null`` in an optional field reads as absent. A value of
the wrong JSON type is an error.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from moltnet_core.errors import ValidationError
from moltnet_core.timestamps import parse_time
from moltnet_core.types import (
    Actor,
    AgentRegistration,
    AgentSummary,
    AppendResult,
    Artifact,
    DirectConversation,
    Message,
    MessageOrigin,
    Page,
    PageInfo,
    Part,
    Room,
    Target,
    Thread,
)

__all__ = [
    "MAX_READ_DEPTH",
    "actor_of",
    "canonical",
    "copy_json",
    "depth_of",
    "dumps",
    "from_json",
    "loads",
    "loads_at",
    "message_columns",
    "object_of",
    "optional_text_of",
    "origin_of",
    "parts_of",
    "read_actor",
    "read_mentions",
    "read_origin",
    "read_parts",
    "read_target",
    "target_of",
    "text_of",
    "texts_of",
    "to_json",
]

T = TypeVar("T")

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode


def dumps(value: object) -> str:
    """Compact JSON text; ``ValueError`` for ``NaN`` and infinities."""
    return _encode(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


MAX_READ_DEPTH: Final = 300
_TOO_DEEP = f"nested more than {MAX_READ_DEPTH} levels deep"
_BRACKET_OR_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]', re.DOTALL)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is beyond a double's range")
    return value


_decoder: Any = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_scan = _decoder.scan_once  # what decode() calls for the value itself


def loads(text: str) -> Any:
    """JSON text as Python values; integers exact, floats bit for bit.

    :raises ValueError: not JSON, ``NaN``, a fraction beyond a double's range, an integer of more than 4300 digits, or
        nested more than 300 levels deep. (Python's own limit would depend on who calls.)
    """
    if type(text) is not str:
        raise ValueError("not a text")
    if len(text) > MAX_READ_DEPTH < text.count("[") + text.count("{") and depth_of(text) > MAX_READ_DEPTH:
        raise ValueError(_TOO_DEEP)
    # Every row passes here several times. White space around a value is rare, and looking for it every time costs a
    # third of a page.
    try:
        value, end = _scan(text, 0)
    except StopIteration:  # no value begins there
        return _decoder.decode(text)
    return value if end == len(text) else _decoder.decode(text)


def loads_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at an index of a text, and where it ends; with the limits of :func:`loads`.

    :raises json.JSONDecodeError: it is not JSON.
    :raises ValueError: it is beyond a limit, or ``NaN``.
    :raises RecursionError: it is nested far too deep.
    """
    value, end = _decoder.raw_decode(text, start)
    brackets = text.count("[", start, end) + text.count("{", start, end)
    if brackets > MAX_READ_DEPTH and depth_of(text[start:end]) > MAX_READ_DEPTH:
        raise ValueError(_TOO_DEEP)
    return value, end


def depth_of(text: str) -> int:
    """How deep a JSON text nests."""
    depth = deepest = 0
    for match in _BRACKET_OR_STRING.finditer(text):
        if match[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in "]}":
            depth -= 1
    return deepest


def canonical(value: object) -> str:
    """A JSON text that equal values share: sorted keys, no spaces. Times must be texts already."""
    return _encode_canonical(value)


def copy_json(value: Any) -> Any:
    """A copy of a JSON value that shares nothing mutable with it."""
    # One frame a level: a comprehension would take two.
    if isinstance(value, dict):
        copied = {}
        for key, item in value.items():
            copied[key] = copy_json(item) if isinstance(item, dict | list | tuple) else item
        return copied
    if isinstance(value, list | tuple):
        listed = []
        for item in value:
            listed.append(copy_json(item) if isinstance(item, dict | list | tuple) else item)  # noqa: PERF401
        return listed
    return value


# -- one converter for all types ---------------------------------------------------------------------

_RENAMED = {"sender": "from"}
_ALWAYS_WRITTEN = {"message_count", "part_index", "has_more", "items", "info", "parts", "replayed"}
_SECRET = {"credential_key"}


def _time_text(moment: datetime) -> str:
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".") + "Z"


def _structure_time(value: Any, _: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("expected an RFC 3339 time")
    return parse_time(value)


def _typed(kind: type, expected: str) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"expected {expected}")
        return value

    return structure


def _is_tuple(cls: Any) -> bool:
    origin: Any = get_origin(cls)
    return origin is tuple


def _structure_tuple(cls: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    (item,) = (arg for arg in get_args(cls) if arg is not Ellipsis)

    def structure(value: Any, _: Any) -> Any:
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise ValueError("expected a list")
        found = []
        for index, element in enumerate(value):
            try:
                found.append(converter.structure(element, item))
            except (ValueError, TypeError, LookupError, cattrs.BaseValidationError) as error:
                error.add_note(cattrs.IterableValidationNote("in a list", index, item))
                raise cattrs.IterableValidationError("in a list", [error], cls) from None
        return tuple(found)

    return structure


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)

    converter.register_structure_hook(str, _typed(str, "a text"))
    converter.register_structure_hook(int, _typed(int, "an integer"))
    converter.register_structure_hook(bool, _typed(bool, "true or false"))
    converter.register_structure_hook(datetime, _structure_time)
    converter.register_structure_hook_func(lambda cls: cls == dict[str, Any], _typed(dict, "an object"))
    converter.register_unstructure_hook(datetime, _time_text)
    converter.register_unstructure_hook_func(lambda cls: cls == dict[str, Any], copy_json)
    converter.register_structure_hook_factory(_is_tuple, lambda cls: _structure_tuple(cls, converter))

    def is_type(cls: Any) -> bool:
        return attrs.has(get_origin(cls) or cls)

    def overrides(cls: Any, *, omit: bool) -> dict[str, Any]:
        result = {}
        for field in attrs.fields(get_origin(cls) or cls):
            if omit and field.name in _SECRET:
                result[field.name] = override(omit=True)
                continue
            has_default = isinstance(field.default, tuple | str | int | type(None))
            result[field.name] = override(
                rename=_RENAMED.get(field.name),
                omit_if_default=has_default and field.name not in _ALWAYS_WRITTEN,
            )
        return result

    def unstructure(cls: Any) -> Callable[[Any], dict[str, Any]]:
        return make_dict_unstructure_fn(cls, converter, **overrides(cls, omit=True))

    def structure(cls: Any) -> Callable[[Any, Any], Any]:
        read = make_dict_structure_fn(cls, converter, **overrides(cls, omit=False))
        optional = {
            _RENAMED.get(field.name, field.name)
            for field in attrs.fields(get_origin(cls) or cls)
            if field.default is not attrs.NOTHING
        }

        def tolerant(value: Any, kind: Any) -> Any:
            if not isinstance(value, dict):
                raise ValueError("expected an object")
            known = {key: item for key, item in value.items() if item is not None or key not in optional}
            return read(known, kind)

        return tolerant

    converter.register_unstructure_hook_factory(is_type, unstructure)
    converter.register_structure_hook_factory(is_type, structure)
    return converter


@lru_cache(maxsize=1)
def _converter() -> cattrs.Converter:
    return _make_converter()


JsonType = (
    Actor
    | AgentRegistration
    | AgentSummary
    | AppendResult
    | Artifact
    | DirectConversation
    | Message
    | MessageOrigin
    | PageInfo
    | Part
    | Room
    | Target
    | Thread
)


def to_json(value: JsonType | Page[Any]) -> dict[str, Any]:
    """A domain object as a JSON object that shares nothing with it.

    Absent optional fields are left out, times are RFC 3339 texts, and a credential key is never in it.
    """
    if isinstance(value, Page):
        page: dict[str, Any] = {"items": [to_json(item) for item in value.items], "info": to_json(value.info)}
        if value.skipped:
            page["skipped"] = value.skipped
        return page
    result: dict[str, Any] = _converter().unstructure(value)
    if isinstance(value, Room):
        # Both are part of the API of a room, also where they have their default.
        result["visibility"] = value.visibility
        result["write_policy"] = value.write_policy
    return result


def from_json(cls: type[T], value: object) -> T:
    """A JSON object as a domain object. Nothing is checked but the JSON types.

    :raises ValidationError: names the path of the value that has the wrong type.
    """
    try:
        return _converter().structure(value, cls)
    except cattrs.BaseValidationError as group:
        path, problem = _first_problem(group)
        raise ValidationError(path or cls.__name__.lower(), problem) from None
    except ValueError as error:
        raise ValidationError(cls.__name__.lower(), str(error)) from None


def _first_problem(group: BaseException) -> tuple[str, str]:
    path = ""
    error: BaseException = group
    while isinstance(error, cattrs.BaseValidationError):
        error = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, cattrs.IterableValidationNote):
                path = f"{path}[{note.index}]"
            elif isinstance(note, cattrs.AttributeValidationNote):
                name = _RENAMED.get(note.name, note.name)
                path = f"{path}.{name}" if path else name
    if isinstance(error, KeyError):
        return path, "is missing"
    return path, str(error)


# -- per row -----------------------------------------------------------------------------------------


# Senders and targets repeat from message to message, and their values are immutable: equal values share one text,
# and equal texts one value.


@lru_cache(maxsize=4096)
def _shared_text(value: Actor | Target) -> str:
    return _encode(to_json(value))


def message_columns(message: Message) -> dict[str, str]:
    """The JSON texts that SQL backends store of a message, by column name."""
    origin = message.origin
    return {
        "target_json": _shared_text(message.target),
        "from_json": _shared_text(message.sender),
        "parts_json": f"[{','.join(map(_part_text, message.parts))}]",
        "mentions_json": _encode(message.mentions) if message.mentions else "null",
        "origin_json": "{}"
        if origin is None
        else f'{{"network_id":{_encode(origin.network_id)},"message_id":{_encode(origin.message_id)}}}',
    }


_LATER_PART_FIELDS: Final = tuple(field.name for field in attrs.fields(Part) if field.name not in ("kind", "text"))


def _part_text(part: Part) -> str:
    """A part as ``to_json`` gives it."""
    text = f'{{"kind":{_encode(part.kind)}'
    if part.text is not None:
        text += f',"text":{_encode(part.text)}'
    for name in _LATER_PART_FIELDS:
        value = getattr(part, name)
        if value is not None:
            text += f',"{name}":{_encode(value)}'
    return f"{text}}}"


def optional_text_of(value: Any, where: str) -> str | None:
    """A JSON value as an optional text; ``null`` and ``""`` as absent.

    :raises ValueError: it is no text.
    """
    if value is None or type(value) is str:
        return value or None
    raise ValueError(f"{where} is not a text")


def text_of(value: Any, where: str) -> str:
    """A JSON value as a text; ``null`` as an empty one, as the Go server reads it.

    :raises ValueError: it is no text.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise ValueError(f"{where} is not a text")


def texts_of(value: Any, where: str) -> tuple[str, ...]:
    """A JSON value as texts; ``null`` as none.

    :raises ValueError: it is no list of texts.
    """
    if value is None:
        return ()
    if type(value) is list and all(type(item) is str for item in value):
        return tuple(value)
    raise ValueError(f"{where} is not a list of texts")


def object_of(value: Any, where: str) -> dict[str, Any]:
    """A JSON value as an object; ``null`` as an empty one.

    :raises ValueError: it is no object.
    """
    if type(value) is dict:
        return value
    if value is None:
        return {}
    raise ValueError(f"{where} is not a JSON object")


def read_parts(text: str) -> tuple[Part, ...]:
    """``parts_json`` as parts, each with a ``data`` of its own.

    :raises ValueError: it does not decode.
    """
    return parts_of(loads(text))


def parts_of(value: Any) -> tuple[Part, ...]:
    """A JSON value as parts, whose ``data`` are those of the value.

    :raises ValueError: it is no list of parts.
    """
    if value is None:
        return ()
    if type(value) is not list:
        raise ValueError("parts is not a list")
    return tuple(map(_read_part, value))


def _read_part(item: Any) -> Part:
    if type(item) is not dict:
        raise ValueError("a part is not an object")
    get = item.get
    kind, text = get("kind"), get("text")
    if len(item) == 2 and type(kind) is str and type(text) is str:  # as nearly every part is
        return Part(kind, text)
    data = get("data")
    if data is not None and type(data) is not dict:
        raise ValueError("a part's data is not an object")
    return Part(
        text_of(kind, "a part's kind"),
        optional_text_of(text, "a part's text"),
        optional_text_of(get("media_type"), "a part's media_type"),
        optional_text_of(get("url"), "a part's url"),
        optional_text_of(get("filename"), "a part's filename"),
        data,
    )


@lru_cache(maxsize=4096)
def read_actor(text: str) -> Actor:
    """``from_json`` as an actor."""
    return actor_of(loads(text))


def actor_of(value: Any) -> Actor:
    """A JSON value as an actor.

    :raises ValueError: it is no object, or a field is no text.
    """
    get = object_of(value, "from").get
    return Actor(
        text_of(get("type"), "from.type"),
        text_of(get("id"), "from.id"),
        optional_text_of(get("name"), "from.name"),
        optional_text_of(get("network_id"), "from.network_id"),
        optional_text_of(get("fqid"), "from.fqid"),
    )


@lru_cache(maxsize=4096)
def read_target(text: str) -> Target:
    """``target_json`` as a target."""
    return target_of(loads(text))


def target_of(value: Any) -> Target:
    """A JSON value as a target.

    :raises ValueError: it is no object, or a field has the wrong type.
    """
    get = object_of(value, "target").get
    return Target(
        sys.intern(text_of(get("kind"), "target.kind")),
        optional_text_of(get("room_id"), "target.room_id"),
        optional_text_of(get("thread_id"), "target.thread_id"),
        optional_text_of(get("parent_message_id"), "target.parent_message_id"),
        optional_text_of(get("dm_id"), "target.dm_id"),
        texts_of(get("participant_ids"), "target.participant_ids"),
    )


def read_origin(text: str) -> MessageOrigin:
    """``origin_json`` as an origin; ``{}`` and ``null`` as two empty texts."""
    return origin_of(loads(text))


def origin_of(value: Any) -> MessageOrigin:
    """A JSON value as an origin.

    :raises ValueError: it is no object, or a field is no text.
    """
    get = object_of(value, "origin").get
    network_id, message_id = get("network_id"), get("message_id")
    if type(network_id) is str and type(message_id) is str:
        return MessageOrigin(network_id, message_id)
    return MessageOrigin(text_of(network_id, "origin.network_id"), text_of(message_id, "origin.message_id"))


def read_mentions(text: str) -> tuple[str, ...]:
    """``mentions_json`` as texts; ``null`` and ``[]`` as none."""
    return () if text == "null" else texts_of(loads(text), "mentions")
