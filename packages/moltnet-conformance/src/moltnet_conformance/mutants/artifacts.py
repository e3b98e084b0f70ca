"""Faults in artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import ArtifactFilter, InvalidCursorError
from moltnet_core.driver import Appended, NewMessage
from moltnet_core.listings import Artifacts, Listing
from moltnet_core.types import Start
from moltnet_memory.driver import MemoryDriver

mutant = Collection()


class _Extracts(MemoryDriver):
    def kept(self, artifacts: tuple[Any, ...]) -> tuple[Any, ...]:
        raise NotImplementedError

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        changed = [
            NewMessage(message=new.message, artifacts=self.kept(new.artifacts), thread=new.thread, dm=new.dm)
            for new in batch
        ]
        return super().append(changed, retry=retry)


@mutant("artifacts are not stored", "ART-001", "ART-002", "TRIP-004")
class NoArtifacts(_Extracts):
    def kept(self, artifacts: tuple[Any, ...]) -> tuple[Any, ...]:
        return ()


@mutant("only the first artifact of a message is stored", "ART-002", "ART-005")
class OneArtifact(_Extracts):
    def kept(self, artifacts: tuple[Any, ...]) -> tuple[Any, ...]:
        return artifacts[:1]


@mutant("an artifact loses its URL", "ART-001", "TRIP-004")
class NoUrl(_Extracts):
    def kept(self, artifacts: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(attrs.evolve(each, url=None) for each in artifacts)


@mutant("a room's artifacts are without those of its threads", "ART-003", "ART-006")
class WithoutThreads(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        if isinstance(listing, Artifacts) and listing.filter.room_id:
            self._refuse(before, after)
            return [each for each in found if each.target.kind == "room"]
        return found

    def _refuse(self, *cursors: str | Start | None) -> None:
        for cursor in cursors:
            if isinstance(cursor, str) and self._tables.artifacts[cursor][1].target.kind != "room":
                raise InvalidCursorError(cursor)


@mutant("the filter is passed over", "ART-003", "ART-006")
class NoFilter(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        if isinstance(listing, Artifacts):
            listing = Artifacts(ArtifactFilter())
        return super().read(listing, before, after, limit)


@mutant("an artifact outside the filter serves as a cursor", "ART-006", "PAGE-006")
class AnyArtifactCursor(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        try:
            return super().read(listing, before, after, limit)
        except InvalidCursorError as error:
            if isinstance(listing, Artifacts) and error.cursor in self._tables.artifacts:
                return ()
            raise


@mutant("parts are ordered as texts, 10 before 9", "ART-005")
class PartsAsTexts(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        if not isinstance(listing, Artifacts):
            return found
        return sorted(found, key=lambda each: (each.created_at, each.message_id, str(each.part_index)))
