"""What is written, checked and normalised once, for every backend (contract, sections 1 and 2).

Each ``prepare_…`` function returns a value with every default filled in that shares nothing mutable with its
argument, or raises :class:`~moltnet_core.errors.ValidationError` naming the path of the field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import attrs

from moltnet_core.errors import InvalidCursorError, ValidationError
from moltnet_core.identifiers import (
    IDENTIFIER,
    MEMBER_ID,
    full_id,
    is_identifier,
    is_member_id,
    member_network,
)
from moltnet_core.serialization import dumps, to_json
from moltnet_core.types import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    PART_KINDS,
    TARGET_KINDS,
    VISIBILITIES,
    WRITE_POLICIES,
    Actor,
    AgentRegistration,
    Message,
    MessageOrigin,
    PageRequest,
    Part,
    Room,
    Start,
    Target,
    new_message_id,
)

__all__ = [
    "MAX_CREDENTIAL_BYTES",
    "MAX_DEPTH",
    "MAX_MEMBERS",
    "MAX_MESSAGE_BYTES",
    "agent_full_id",
    "check_identifier",
    "check_member_id",
    "check_text",
    "is_storable",
    "prepare_members",
    "prepare_message",
    "prepare_page",
    "prepare_registration",
    "prepare_room",
    "prepare_time",
]

MAX_MEMBERS: Final = 256
MAX_DEPTH: Final = 100
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_CREDENTIAL_BYTES: Final = 1024

_MOST_BYTES_A_COUNT = 8  # of JSON for each character counted: a float of 24 is counted as 3
# What a subclass stands for, whatever its own __str__ says.
_PLAIN: Final[dict[type, Any]] = {str: str.__str__, int: int.__int__, float: float.__float__}
_SAFE_INTEGER = 2**1023  # every integer below it is within a double's range
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_MOLT = re.compile(r"molt://", re.IGNORECASE)


# -- text, numbers, times ----------------------------------------------------------------------------


def is_storable(text: str) -> bool:
    """Whether every backend can hold the text: no U+0000 and no lone surrogate."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(value: object, where: str) -> str:
    """A text that every backend can hold."""
    if type(value) is str and is_storable(value):
        return value
    if not isinstance(value, str):
        raise ValidationError(where, f"expected a text, not {type(value).__name__}")
    if not is_storable(value):
        what = "U+0000" if "\x00" in value else "a lone surrogate"
        raise ValidationError(where, f"must not hold {what}, which no backend can store; remove it")
    return _plain_text(value)


def _plain_text(value: str) -> str:
    """What a subclass of ``str``, such as an enumeration's member, stands for."""
    return value if type(value) is str else str.__str__(value)


def _required_text(value: object, where: str) -> str:
    text = check_text(value, where)
    if not text:
        raise ValidationError(where, "must not be empty")
    return text


def _optional_text(value: object, where: str) -> str | None:
    return None if value is None else check_text(value, where)


def check_identifier(value: object, where: str) -> str:
    """An identifier, such as a room id."""
    if isinstance(value, str) and is_identifier(value):
        return _plain_text(value)
    raise ValidationError(where, f"expected an identifier ({IDENTIFIER}), not {_shown(value)}")


def check_member_id(value: object, where: str) -> str:
    """A member id, such as an agent's."""
    if isinstance(value, str) and is_member_id(value):
        return check_text(value, where)
    raise ValidationError(where, f"expected a member id ({MEMBER_ID}), not {_shown(value)}")


def _shown(value: object) -> str:
    """An id for an error message: short, and safe to print."""
    if not isinstance(value, str):
        return f"a value of type {type(value).__name__}"
    return ascii(value if len(value) <= 140 else f"{value[:140]}…")


def _choice(value: object, choices: tuple[str, ...], where: str, default: str | None = None) -> str:
    if default is not None and (value is None or value == ""):
        return default
    if isinstance(value, str) and value in choices:
        return _plain_text(value)
    raise ValidationError(where, f"expected one of {', '.join(choices)}, not {_shown(value)}")


def prepare_time(value: object, where: str) -> datetime:
    """An aware ``datetime``, as UTC."""
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    if not isinstance(value, datetime):
        raise ValidationError(where, f"expected a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise ValidationError(where, "has no time zone; use an aware datetime, such as datetime.now(UTC)")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValidationError(where, "in UTC it is before year 1 or after year 9999") from None


# -- ids of people -----------------------------------------------------------------------------------


def agent_full_id(network_id: str, member_id: str) -> str:
    """The full id of a member: of the network that the id names, else of the one given."""
    network, agent = member_network(member_id) or (network_id, member_id)
    return full_id(network, "agents", agent)


def _member_list(values: object, where: str) -> list[str]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ValidationError(where, f"expected a list of member ids, not {type(values).__name__}")
    members = []
    for index, value in enumerate(values):
        if index >= MAX_MEMBERS:
            raise ValidationError(where, f"holds more than {MAX_MEMBERS} ids; use several calls")
        if not isinstance(value, str):
            raise ValidationError(f"{where}[{index}]", f"expected a text, not {type(value).__name__}")
        member = _plain_text(value).strip()
        if member:
            members.append(check_member_id(member, f"{where}[{index}]"))
    return members


def prepare_members(values: object, where: str = "members") -> tuple[str, ...]:
    """Member ids: trimmed, blanks dropped, sorted, unique; at most 256."""
    return tuple(sorted(set(_member_list(values, where))))


# -- messages ----------------------------------------------------------------------------------------


class _Budget:
    """Bounds the size of a message while it is walked, so that a hostile value cannot use up the memory.

    It counts characters that the JSON will have at least.
    """

    __slots__ = ("characters",)

    def __init__(self) -> None:
        self.characters = 0

    def spend(self, characters: int) -> None:
        self.characters += characters
        if self.characters > MAX_MESSAGE_BYTES:
            raise _too_large()


def _too_large() -> ValidationError:
    return ValidationError("message", "is larger than 16 MiB of JSON; store large content elsewhere and link it")


def _prepare_scalar(value: Any, where: str, budget: _Budget) -> Any:
    kind = type(value)
    if kind is str:
        budget.spend(len(value))
        return check_text(value, where)
    if value is None or kind is bool:
        budget.spend(4)
        return value
    if kind is int:
        budget.spend(1 + value.bit_length() * 3 // 10)
        if not -_SAFE_INTEGER < value < _SAFE_INTEGER:
            try:
                float(value)
            except OverflowError:
                raise ValidationError(where, "is beyond a double's range (about 1.8e308); send it as a text") from None
        return value
    if kind is float:
        budget.spend(3)
        if not math.isfinite(value):
            raise ValidationError(where, "NaN and infinities are not JSON; send a text or null")
        return value
    for plain in (str, int, float):  # subclasses, such as enumerations
        if isinstance(value, plain):
            return _prepare_scalar(_PLAIN[plain](value), where, budget)
    raise ValidationError(where, f"expected a JSON value, not {kind.__name__}")


def _prepare_json(value: Any, where: str, depth: int, budget: _Budget) -> Any:
    if not isinstance(value, dict | list | tuple):
        return _prepare_scalar(value, where, budget)
    if depth > MAX_DEPTH:
        raise ValidationError(where[:200], f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        result = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValidationError(where, f"has a key of type {type(key).__name__}; JSON keys are texts")
            budget.spend(len(key) + 4)
            name = check_text(key, f"{where} (a key)")
            result[name] = _prepare_json(item, f"{where}.{name}" if name.isidentifier() else where, depth + 1, budget)
        return result
    budget.spend(2 + len(value))
    return [_prepare_json(item, f"{where}[{i}]", depth + 1, budget) for i, item in enumerate(value)]


def _prepare_url(value: object, where: str) -> str | None:
    if value is None:
        return None
    url = check_text(value, where)
    if _MOLT.match(url):
        return url
    if _HTTP.match(url):
        try:
            if urlsplit(url).hostname:
                return url
        except ValueError:
            pass
        raise ValidationError(where, "names no valid host")
    raise ValidationError(where, "expected a URL that begins with http://, https:// or molt://")


def _is_plain_text(part: Part) -> bool:
    """Whether a part is a good text and nothing else, as nearly all are: nothing of it changes, or is mutable."""
    return (
        type(part) is Part
        and type(part.kind) is str
        and part.kind == "text"
        and type(part.text) is str
        and is_storable(part.text)
        and part.media_type is None
        and part.url is None
        and part.filename is None
        and part.data is None
    )


def _prepare_part(part: object, where: str, budget: _Budget) -> Part:
    if not isinstance(part, Part):
        raise ValidationError(where, f"expected a Part, not {type(part).__name__}")
    if _is_plain_text(part):
        budget.spend(len(part.text or ""))
        return part
    data = part.data
    if data is not None:
        if not isinstance(data, dict):
            raise ValidationError(f"{where}.data", f"expected a JSON object, not {type(data).__name__}")
        data = _prepare_json(data, f"{where}.data", 1, budget)
    text = part.text
    if text is not None:
        text = check_text(text, f"{where}.text")
        budget.spend(len(text))
    prepared = Part(
        _choice(part.kind, PART_KINDS, f"{where}.kind"),
        text,
        _optional_text(part.media_type, f"{where}.media_type"),
        _prepare_url(part.url, f"{where}.url"),
        _optional_text(part.filename, f"{where}.filename"),
        data,
    )
    budget.spend(sum(len(value) for value in (prepared.media_type, prepared.url, prepared.filename) if value))
    return prepared


_FIELDS_OF_TARGET = {
    "room": {"room_id"},
    "thread": {"room_id", "thread_id", "parent_message_id"},
    "dm": {"dm_id", "participant_ids"},
}


@lru_cache(maxsize=1024)
def _prepare_target(target: Target) -> Target:
    where = "message.target"
    kind = _choice(target.kind, TARGET_KINDS, f"{where}.kind")
    own = _FIELDS_OF_TARGET[kind]
    for field in attrs.fields(Target):
        if field.name not in own and field.name != "kind" and getattr(target, field.name):
            raise ValidationError(f"{where}.{field.name}", f"does not belong to a target of kind {kind}")
    if kind == "dm":
        participants = tuple(_member_list(target.participant_ids, f"{where}.participant_ids"))
        if len(set(participants)) < 2:
            raise ValidationError(f"{where}.participant_ids", "a DM needs at least two distinct participants")
        return Target.dm(check_identifier(target.dm_id, f"{where}.dm_id"), participants)
    room_id = check_identifier(target.room_id, f"{where}.room_id")
    if kind == "room":
        return Target.room(room_id)
    parent = target.parent_message_id
    if parent is not None:
        check_identifier(parent, f"{where}.parent_message_id")
    return Target.thread(room_id, check_identifier(target.thread_id, f"{where}.thread_id"), parent)


@lru_cache(maxsize=1024)
def _prepare_sender(sender: Actor, network_id: str) -> Actor:
    where = "message.from"
    member = check_member_id(sender.id, f"{where}.id")
    network = _optional_text(sender.network_id, f"{where}.network_id") or network_id
    return Actor(
        _required_text(sender.type, f"{where}.type"),
        member,
        _optional_text(sender.name, f"{where}.name"),
        network,
        _optional_text(sender.fqid, f"{where}.fqid") or agent_full_id(network, member),
    )


def _prepare_origin(origin: object, network_id: str, message_id: str) -> MessageOrigin:
    if origin is None:
        return MessageOrigin(network_id, message_id)
    if not isinstance(origin, MessageOrigin):
        raise ValidationError("message.origin", f"expected a MessageOrigin, not {type(origin).__name__}")
    return MessageOrigin(
        check_text(origin.network_id, "message.origin.network_id") or network_id,
        check_text(origin.message_id, "message.origin.message_id") or message_id,
    )


def prepare_message(message: Message) -> Message:
    """A message as it will be stored.

    :raises ValidationError: names the field, such as ``message.parts[0].text``.
    """
    if not isinstance(message, Message):
        raise ValidationError("message", f"expected a Message, not {type(message).__name__}")
    network_id = _required_text(message.network_id, "message.network_id")
    message_id = check_identifier(message.id or new_message_id(), "message.id")
    target, sender = message.target, message.sender
    if not isinstance(target, Target):
        raise ValidationError("message.target", f"expected a Target, not {type(target).__name__}")
    if not isinstance(sender, Actor):
        raise ValidationError("message.from", f"expected an Actor, not {type(sender).__name__}")
    try:
        target = _prepare_target(target)
        sender = _prepare_sender(sender, network_id)
    except TypeError:  # a value that cannot be hashed, so one of the wrong type: say which
        target = _prepare_target.__wrapped__(target)
        sender = _prepare_sender.__wrapped__(sender, network_id)
    parts = message.parts
    if not isinstance(parts, tuple):
        raise ValidationError("message.parts", f"expected a list of parts, not {type(parts).__name__}")
    if not parts:
        raise ValidationError("message.parts", "is empty; a message has at least one part")
    budget = _Budget()
    parts = tuple([_prepare_part(part, f"message.parts[{i}]", budget) for i, part in enumerate(parts)])
    mentions = message.mentions
    if mentions:
        if not isinstance(mentions, tuple):
            raise ValidationError("message.mentions", f"expected a list of texts, not {type(mentions).__name__}")
        mentions = tuple([check_text(mention, f"message.mentions[{i}]") for i, mention in enumerate(mentions)])
        budget.spend(sum(map(len, mentions)) + 3 * len(mentions))
    prepared = Message(
        network_id,
        target,
        sender,
        parts,
        mentions,
        message_id,
        prepare_time(message.created_at, "message.created_at"),
        _prepare_origin(message.origin, network_id, message_id),
    )
    may_be_too_large = budget.characters * _MOST_BYTES_A_COUNT > MAX_MESSAGE_BYTES // 2
    if may_be_too_large and len(dumps(to_json(prepared)).encode()) > MAX_MESSAGE_BYTES:
        raise _too_large()
    return prepared


# -- rooms and agents --------------------------------------------------------------------------------


def prepare_room(room: Room) -> Room:
    """A room as it will be stored.

    :raises ValidationError: names the field.
    """
    if not isinstance(room, Room):
        raise ValidationError("room", f"expected a Room, not {type(room).__name__}")
    room_id = check_identifier(room.id, "room.id")
    network_id = _required_text(room.network_id, "room.network_id")
    return Room(
        room_id,
        network_id,
        _optional_text(room.name, "room.name") or room_id,
        prepare_members(room.members, "room.members"),
        _choice(room.visibility, VISIBILITIES, "room.visibility", VISIBILITIES[0]),
        _choice(room.write_policy, WRITE_POLICIES, "room.write_policy", WRITE_POLICIES[0]),
        prepare_time(room.created_at, "room.created_at"),
        _optional_text(room.fqid, "room.fqid") or full_id(network_id, "rooms", room_id),
    )


def prepare_registration(registration: AgentRegistration) -> AgentRegistration:
    """An agent registration as it will be stored.

    :raises ValidationError: names the field, and never holds the credential key.
    """
    if not isinstance(registration, AgentRegistration):
        raise ValidationError("agent", f"expected an AgentRegistration, not {type(registration).__name__}")
    agent_id = check_member_id(registration.agent_id, "agent.agent_id")
    network_id = _required_text(registration.network_id, "agent.network_id")
    credential_key = check_text(registration.credential_key, "agent.credential_key")
    if not credential_key:
        raise ValidationError("agent.credential_key", "must not be empty: it is what proves later updates")
    if len(credential_key.encode()) > MAX_CREDENTIAL_BYTES:
        raise ValidationError("agent.credential_key", f"is longer than {MAX_CREDENTIAL_BYTES} bytes of UTF-8")
    return AgentRegistration(
        agent_id,
        network_id,
        credential_key,
        _optional_text(registration.display_name, "agent.display_name"),
        check_text(registration.actor_uid, "agent.actor_uid") or f"actor_{uuid4()}",
        check_text(registration.actor_uri, "agent.actor_uri") or agent_full_id(network_id, agent_id),
        prepare_time(registration.created_at, "agent.created_at"),
        prepare_time(registration.updated_at, "agent.updated_at"),
    )


# -- pages -------------------------------------------------------------------------------------------


def prepare_page(page: PageRequest | None) -> tuple[str | None, str | Start | None, int]:
    """``before``, ``after`` and the limit of a page request.

    :raises ValidationError: the limit is out of range.
    :raises InvalidCursorError: both cursors are given, or one that no item can have.
    """
    if page is None:
        return None, None, DEFAULT_LIMIT
    if not isinstance(page, PageRequest):
        raise ValidationError("page", f"expected a PageRequest, not {type(page).__name__}")
    limit = DEFAULT_LIMIT if page.limit is None else page.limit
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise ValidationError("page.limit", f"expected an integer from 1 to {MAX_LIMIT}, not {limit!r}")
    before, after = page.before or None, page.after or None
    if before is not None and after is not None:
        raise InvalidCursorError(problem="a page is asked for by before or by after, not by both")
    for name, cursor in (("before", before), ("after", after)):
        if cursor is None or isinstance(cursor, Start):
            if name == "before" and cursor is not None:
                raise InvalidCursorError(problem="START is only for after; leave before out for the newest page")
            continue
        if not isinstance(cursor, str):
            raise ValidationError(f"page.{name}", f"expected an id, not {type(cursor).__name__}")
        if not is_storable(cursor):
            raise InvalidCursorError(ascii(cursor))
    return before, after, limit
