"""Records: every stored entity, whole, so that a store can be copied by code that knows no backend.

A record is a domain object and, beside it, its times as RFC 3339 texts with every stored digit, which a
``datetime`` cannot hold. Artifacts, message counts and the time of the last message are derived from the
messages: ``load`` rebuilds them and ignores what a record says of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

import attrs
from attrs import field, frozen

from moltnet_core.errors import ValidationError
from moltnet_core.serialization import canonical, from_json, to_json
from moltnet_core.timestamps import NO_TIME, NO_TIME_TEXT, format_time, normalise, parse_time, truncate
from moltnet_core.types import (
    VISIBILITIES,
    WRITE_POLICIES,
    AgentRegistration,
    DirectConversation,
    Message,
    Room,
    Thread,
)

__all__ = ["LOAD_ORDER", "Counts", "LoadResult", "Record", "RecordKind", "Stored", "missing_error", "same_record"]

Stored = Room | AgentRegistration | Thread | DirectConversation | Message


class RecordKind(StrEnum):
    """What a record is of."""

    ROOM = "room"
    AGENT = "agent"
    THREAD = "thread"
    DM = "dm"
    MESSAGE = "message"


LOAD_ORDER: Final = tuple(RecordKind)
"""The order in which kinds are loaded: what is named before what names it."""

_TYPES: Final[dict[RecordKind, type[Stored]]] = {
    RecordKind.ROOM: Room,
    RecordKind.AGENT: AgentRegistration,
    RecordKind.THREAD: Thread,
    RecordKind.DM: DirectConversation,
    RecordKind.MESSAGE: Message,
}
_TIMES: Final = {
    RecordKind.ROOM: ("created_at", "removed_at"),
    RecordKind.AGENT: ("created_at", "updated_at"),
    RecordKind.THREAD: ("last_message_at",),
    RecordKind.DM: ("last_message_at",),
    RecordKind.MESSAGE: ("created_at",),
}
_DERIVED: Final = ("message_count", "last_message_at")


def _kind(value: str) -> RecordKind:
    # To look a member up that is one already takes as long as to make the rest of a record.
    return value if type(value) is RecordKind else RecordKind(value)


@frozen(eq=True, unsafe_hash=False)
class Record:
    """One stored entity.

    :param kind: what it is.
    :param value: it.
    :param times: its times by field name, as RFC 3339 texts with every stored digit: ``created_at`` of a room or
        message, ``created_at`` and ``updated_at`` of an agent, ``last_message_at`` of a thread or DM. A room that was
        removed has a ``removed_at``.
    """

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    kind: RecordKind = field(converter=_kind)
    value: Stored
    times: Mapping[str, str]

    @classmethod
    def of(cls, value: Stored, **times: str) -> Record:
        """The record of a domain object: its kind, and its times as texts.

        :param times: by field name, those that are stored with more digits than the object holds.
        """
        kind = next(kind for kind, type_ in _TYPES.items() if isinstance(value, type_))
        own = {name: format_time(getattr(value, name)) for name in _TIMES[kind] if hasattr(value, name)}
        return cls(kind, value, own | times)

    @property
    def id(self) -> str:
        """The id it is known by within its kind."""
        return self.value.agent_id if isinstance(self.value, AgentRegistration) else self.value.id

    def to_json(self, *, with_credentials: bool = False) -> dict[str, Any]:
        """The record as one JSON object.

        :param with_credentials: include an agent's ``credential_key``, which is a secret.
        """
        data = {"kind": str(self.kind), **to_json(self.value), **self.times}
        if with_credentials and isinstance(self.value, AgentRegistration):
            data["credential_key"] = self.value.credential_key
        return data

    @classmethod
    def from_json(cls, data: object) -> Record:
        """The record that :meth:`to_json` wrote. An agent without ``credential_key`` reads as having none.

        :raises ValidationError: names what is missing or has the wrong type.
        """
        if not isinstance(data, dict):
            raise ValidationError("record", "expected a JSON object")
        try:
            kind = RecordKind(str(data.get("kind")))
        except ValueError:
            raise ValidationError("record.kind", f"expected one of {', '.join(LOAD_ORDER)}") from None
        content = {key: value for key, value in data.items() if key != "kind"}
        if kind is RecordKind.AGENT:
            content.setdefault("credential_key", "")
        value = from_json(_TYPES[kind], content)
        times = {name: data[name] for name in _TIMES[kind] if data.get(name) is not None}
        for name, text in times.items():
            if not isinstance(text, str):
                raise ValidationError(f"record.{name}", "expected an RFC 3339 time")
        return cls(kind, value, times)

    def prepared(self, digits: int) -> tuple[Record, bool]:
        """The record as every backend will read it back, and whether any of its times lost digits.

        Its times are normalised and cut to ``digits`` fractional digits, and its value agrees with them. A thread or DM
        has no message in it yet: count 0, and as last time the year 1.

        :raises ValidationError: a time is not RFC 3339, or the value is of another kind.
        """
        if not isinstance(self.value, _TYPES[self.kind]):
            raise ValidationError(f"{self.kind}", f"holds a {type(self.value).__name__}")
        times, cut = {}, False
        for name in _TIMES[self.kind]:
            if name in _DERIVED:
                times[name] = NO_TIME_TEXT
                continue
            text = self.times.get(name)
            if text is None:
                if name == "removed_at":
                    continue
                raise ValidationError(f"{self.kind} {self.id!r}: times.{name}", "is missing")
            try:
                whole = normalise(text)
            except (ValueError, TypeError) as error:
                raise ValidationError(f"{self.kind} {self.id!r}: times.{name}", str(error)) from None
            times[name] = truncate(whole, digits)
            cut = cut or times[name] != whole
        return Record(self.kind, _normalised(self.value, times), times), cut


def _normalised(value: Stored, times: Mapping[str, str]) -> Stored:
    moments: dict[str, Any] = {
        name: parse_time(text) for name, text in times.items() if name != "removed_at" and name not in _DERIVED
    }
    if isinstance(value, Room):
        return attrs.evolve(
            value,
            members=() if "removed_at" in times else tuple(sorted(set(value.members))),
            visibility=value.visibility if value.visibility in VISIBILITIES else VISIBILITIES[0],
            write_policy=value.write_policy if value.write_policy in WRITE_POLICIES else WRITE_POLICIES[0],
            **moments,
        )
    if isinstance(value, DirectConversation):
        participants = tuple(sorted(set(value.participant_ids)))
        return attrs.evolve(value, participant_ids=participants, message_count=0, last_message_at=NO_TIME)
    if isinstance(value, Thread):
        return attrs.evolve(value, message_count=0, last_message_at=NO_TIME)
    return attrs.evolve(value, **moments) if moments else value


def _comparable(record: Record) -> tuple[str, dict[str, str]]:
    data = to_json(record.value)
    if isinstance(record.value, AgentRegistration):
        data["credential_key"] = record.value.credential_key
    for name in (*_TIMES[record.kind], *_DERIVED):
        data.pop(name, None)
    times = {name: normalise(text) for name, text in record.times.items() if name not in _DERIVED}
    return canonical(data), times


def same_record(stored: Record, offered: Record) -> bool:
    """Whether loading ``offered``, whose times are cut to what the store keeps, over ``stored`` changes nothing."""
    return _comparable(stored) == _comparable(offered)


def missing_error(record: Record, kind: RecordKind, wanted: str) -> ValidationError:
    """The error for a record that names a room, thread or DM which is not there."""
    problem = f"its {kind} {wanted!r} is not stored; load that record first"
    return ValidationError(f"{record.kind} {record.id!r}", problem)


@frozen
class LoadResult:
    """What a load did.

    :param loaded: records that were new.
    :param unchanged: records that were there, identical.
    :param truncated: records of which a time lost digits that this store does not keep.
    """

    loaded: int = 0
    unchanged: int = 0
    truncated: int = 0

    def __add__(self, other: LoadResult) -> LoadResult:
        return LoadResult(
            self.loaded + other.loaded, self.unchanged + other.unchanged, self.truncated + other.truncated
        )


@frozen
class Counts:
    """How much a store holds.

    :param rooms: rooms that were not removed.
    :param removed_rooms: removed ones, whose history is kept.
    :param members: memberships: pairs of a room and a member.
    """

    rooms: int = 0
    removed_rooms: int = 0
    members: int = 0
    agents: int = 0
    threads: int = 0
    dms: int = 0
    messages: int = 0
    artifacts: int = 0
