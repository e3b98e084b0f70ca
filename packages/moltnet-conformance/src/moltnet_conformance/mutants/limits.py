"""Faults in how much a value may hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_conformance.mutants.values import Keeps
from moltnet_core import AgentRegistration, InvalidCursorError, Message, Room, ValidationError
from moltnet_core.driver import Appended, Lookup, NewMessage
from moltnet_core.listings import Agents, Artifacts, Listing
from moltnet_core.types import Start
from moltnet_memory.driver import MemoryDriver

mutant = Collection()


@mutant("ids of more than 100 characters are not found again", "ID-001")
class LongIdsAreLost(MemoryDriver):
    def get(self, lookup: Lookup, key: str) -> Any:
        return super().get(lookup, key[:100] if lookup is Lookup.MESSAGE else key)


@mutant("participants are cut at 255 characters", "ID-003")
class CutsParticipants(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        cut = [
            new
            if new.dm is None
            else attrs.evolve(
                new, dm=attrs.evolve(new.dm, participant_ids=tuple(each[:255] for each in new.dm.participant_ids))
            )
            for new in batch
        ]
        return super().append(cut, retry=retry)


@mutant("a room has at most 256 members", "VALUE-008")
class AtMost256Members(MemoryDriver):
    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        row = self._tables.live_room(room_id)
        if row is not None and len(row.room.members) + len(add) > 256:
            raise ValidationError("room.members", "has more than 256")
        return super().update_members(room_id, add, remove)


@mutant("credentials are cut at 255 characters", "VALUE-009")
class CutsCredentials(MemoryDriver):
    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        cut = attrs.evolve(registration, credential_key=registration.credential_key[:255])
        return super().save_agent(cut, rebind=rebind)


def shallow(value: Any, levels: int) -> Any:
    """A JSON value, of which what is nested more deeply is a text."""
    if levels == 0:
        return repr(value)[:20]
    if isinstance(value, dict):
        return {key: shallow(item, levels - 1) for key, item in value.items()}
    return [shallow(item, levels - 1) for item in value] if isinstance(value, list) else value


@mutant("data that nests more than 64 levels becomes text", "VALUE-006")
class ShallowData(Keeps):
    def kept(self, message: Message) -> Message:
        parts = tuple(attrs.evolve(part, data=part.data and shallow(part.data, 64)) for part in message.parts)
        return attrs.evolve(message, parts=parts)


@mutant("the scheme of a URL is kept in lower case", "VALUE-003", "TRIP-001")
class LowersSchemes(Keeps):
    def kept(self, message: Message) -> Message:
        def lowered(url: str | None) -> str | None:
            scheme, colon, rest = (url or "").partition(":")
            return f"{scheme.lower()}{colon}{rest}" or None

        parts = tuple(attrs.evolve(part, url=lowered(part.url)) for part in message.parts)
        return attrs.evolve(message, parts=parts)


@mutant("a cursor has to be as short as an identifier", "ART-007")
class ShortCursors(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        for cursor in (before, after):
            if isinstance(listing, Artifacts) and isinstance(cursor, str) and len(cursor) > 128:
                raise InvalidCursorError(cursor)
        return super().read(listing, before, after, limit)


@mutant("a position in the agents is cut at 511 characters", "AGENT-012")
class CutsPositions(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        if isinstance(listing, Agents):
            before = before and before[:511]
            after = after[:511] if isinstance(after, str) else after
        return super().read(listing, before, after, limit)
