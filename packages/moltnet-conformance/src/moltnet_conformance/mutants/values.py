"""Faults in what is kept of a value."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import Message
from moltnet_core.driver import Appended, NewMessage
from moltnet_core.timestamps import now
from moltnet_memory.driver import MemoryDriver

mutant = Collection()


class Keeps(MemoryDriver):
    """Stores something else than it was given."""

    def kept(self, message: Message) -> Message:
        raise NotImplementedError

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        changed = [
            NewMessage(message=self.kept(new.message), artifacts=new.artifacts, thread=new.thread, dm=new.dm)
            for new in batch
        ]
        return super().append(changed, retry=retry)


def with_texts(message: Message, change: Callable[[str], str]) -> Message:
    """The message with another text in each part."""
    parts = tuple(attrs.evolve(part, text=part.text and change(part.text)) for part in message.parts)
    return attrs.evolve(message, parts=parts)


def with_data(message: Message, change: Callable[[Any], Any]) -> Message:
    """The message with other data in each part."""
    parts = tuple(attrs.evolve(part, data=changed(part.data, change)) for part in message.parts)
    return attrs.evolve(message, parts=parts)


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """A JSON value, changed from the inside out."""
    if isinstance(value, dict):
        return change({key: changed(item, change) for key, item in value.items()})
    if isinstance(value, list):
        return change([changed(item, change) for item in value])
    return change(value)


@mutant("text is normalised to one Unicode form", "TEXT-001")
class NormalisesText(Keeps):
    def kept(self, message: Message) -> Message:
        return with_texts(message, lambda text: unicodedata.normalize("NFC", text))


@mutant("the space around a text goes", "TEXT-001")
class TrimsText(Keeps):
    def kept(self, message: Message) -> Message:
        return with_texts(message, str.strip)


@mutant("line ends are made one kind", "TEXT-001")
class LineEnds(Keeps):
    def kept(self, message: Message) -> Message:
        return with_texts(message, lambda text: text.replace("\r\n", "\n"))


@mutant("a long text is cut", "TEXT-001", "VALUE-010")
class CutsText(Keeps):
    def kept(self, message: Message) -> Message:
        return with_texts(message, lambda text: text[:65_535])


@mutant("big integers become floats", "NUM-001")
class BigFloats(Keeps):
    def kept(self, message: Message) -> Message:
        def change(value: Any) -> Any:
            return float(value) if type(value) is int and abs(value) > 2**53 else value

        return with_data(message, change)


@mutant("a whole float becomes an integer", "NUM-002", "NUM-003", "DUP-002")
class WholeFloats(Keeps):
    def kept(self, message: Message) -> Message:
        return with_data(message, lambda value: int(value) if type(value) is float and value == value // 1 else value)


@mutant("true becomes 1", "NUM-003")
class TrueIsOne(Keeps):
    def kept(self, message: Message) -> Message:
        return with_data(message, lambda value: int(value) if type(value) is bool else value)


@mutant("keys are sorted", "NUM-004")
class SortsKeys(Keeps):
    def kept(self, message: Message) -> Message:
        return with_data(message, lambda value: dict(sorted(value.items())) if isinstance(value, dict) else value)


@mutant("times are kept to the millisecond", "TIME-001", "TRIP-001")
class Milliseconds(Keeps):
    def kept(self, message: Message) -> Message:
        moment = message.created_at
        return attrs.evolve(message, created_at=moment.replace(microsecond=moment.microsecond // 1000 * 1000))


@mutant("mentions are kept once each", "TRIP-001")
class UniqueMentions(Keeps):
    def kept(self, message: Message) -> Message:
        return attrs.evolve(message, mentions=tuple(dict.fromkeys(message.mentions)))


@mutant("the origin is always the message itself", "TRIP-001", "TEXT-001")
class OwnOrigin(Keeps):
    def kept(self, message: Message) -> Message:
        origin = message.origin and attrs.evolve(message.origin, network_id=message.network_id, message_id=message.id)
        return attrs.evolve(message, origin=origin)


@mutant("participants are sorted in the message too", "TRIP-011")
class SortsParticipants(Keeps):
    def kept(self, message: Message) -> Message:
        participants = tuple(sorted(message.target.participant_ids))
        return attrs.evolve(message, target=attrs.evolve(message.target, participant_ids=participants))


@mutant("the sender's name is not kept", "TRIP-001", "TEXT-001")
class NamelessSender(Keeps):
    def kept(self, message: Message) -> Message:
        return attrs.evolve(message, sender=attrs.evolve(message.sender, name=None))


@mutant("a time is that of its arrival", "TRIP-005", "TIME-001")
class OwnTime(Keeps):
    def kept(self, message: Message) -> Message:
        return attrs.evolve(message, created_at=now())


@mutant("a sender's full id is made anew of its network and id", "TRIP-006", "TEXT-001")
class OwnFullIds(Keeps):
    def kept(self, message: Message) -> Message:
        sender = message.sender
        return attrs.evolve(message, sender=attrs.evolve(sender, fqid=f"molt://{sender.network_id}/agents/{sender.id}"))


@mutant("every number is a double", "NUM-005", "NUM-001", "NUM-003")
class Doubles(Keeps):
    def kept(self, message: Message) -> Message:
        return with_data(message, lambda value: float(value) if type(value) is int else value)


@mutant("an absent text reads as None, spelt out", "TRIP-009")
class AbsentIsNone(Keeps):
    def kept(self, message: Message) -> Message:
        return attrs.evolve(message, sender=attrs.evolve(message.sender, name=str(message.sender.name)))
