"""Faults in listings and cursors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import START, InvalidCursorError
from moltnet_core.listings import Artifacts, DMMessages, Listing, Members, RoomMessages, ThreadMessages
from moltnet_core.paging import entry_id
from moltnet_core.types import Start
from moltnet_memory.driver import MemoryDriver

mutant = Collection()

BY_TIME = (RoomMessages, ThreadMessages, DMMessages, Artifacts)


class _Reads(MemoryDriver):
    def whole(self, listing: Listing) -> list[Any]:
        """Everything in a listing, in its order."""
        return list(super().read(listing, None, START, 1_000_000))


@mutant("one item too few is read, so that the last page seems to be reached too early", "PAGE-001", "PAGE-002")
class HasMoreOffByOne(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        return super().read(listing, before, after, max(1, limit - 1))


@mutant("the item at the cursor is on the page again", "PAGE-001", "PAGE-002")
class CursorIncluded(_Reads):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        if not isinstance(after, str):
            return found
        return [*[each for each in self.whole(listing) if entry_id(each) == after], *found][:limit]


@mutant("a cursor stands for its time alone", "PAGE-001", "PAGE-002", "WALK-001")
class CursorByTime(_Reads):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = list(super().read(listing, before, after, limit))
        if not isinstance(listing, BY_TIME) or not isinstance(after, str):
            return found
        whole = self.whole(listing)
        (moment,) = [each.created_at for each in whole if entry_id(each) == after]
        return [each for each in whole if each.created_at > moment][:limit]


@mutant("no cursor gives the oldest", "PAGE-001")
class OldestFirst(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        return super().read(listing, before, START if before is None and after is None else after, limit)


@mutant("pages come newest first", "PAGE-001", "PAGE-003")
class NewestFirst(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        return super().read(listing, before, after, limit)[::-1]


@mutant("ids are compared without regard to case", "PAGE-001", "AGENT-010")
class CollatesIds(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        return found if isinstance(listing, BY_TIME) else sorted(found, key=lambda each: entry_id(each).lower())


@mutant("an unknown cursor is passed over", "PAGE-006", "PAGE-009", "ERR-001")
class UnknownCursorIgnored(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        try:
            return super().read(listing, before, after, limit)
        except InvalidCursorError:
            return super().read(listing, None, None, limit)


@mutant("a message of another conversation serves as a cursor", "PAGE-006")
class ForeignCursor(MemoryDriver):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        try:
            return super().read(listing, before, after, limit)
        except InvalidCursorError as error:
            if error.cursor in self._tables.rows["message"]:  # type: ignore[index] # the kinds are texts
                return ()
            raise


@mutant("in a listing by id the cursor has to be there", "PAGE-007", "PAGE-008", "WALK-002")
class PositionsAreItems(_Reads):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        if not isinstance(listing, BY_TIME):
            known = {entry_id(each) for each in self.whole(listing)}
            for cursor in (before, after):
                if isinstance(cursor, str) and cursor not in known:
                    raise InvalidCursorError(cursor)
        return super().read(listing, before, after, limit)


@mutant("an unknown conversation is an error", "PAGE-009")
class UnknownIsAnError(_Reads):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        if isinstance(listing, BY_TIME) and not self.whole(listing):
            raise InvalidCursorError("")
        return super().read(listing, before, after, limit)


@mutant("members are listed by the order of their joining", "MEMBER-001", "PAGE-001")
class MembersUnsorted(_Reads):
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        return sorted(found, key=lambda each: each.id, reverse=True) if isinstance(listing, Members) else found
