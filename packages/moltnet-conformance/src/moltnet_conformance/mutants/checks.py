"""Faults in front of the driver: a backend's module that meddles with its stores when they are opened.

The core checks what is written and asked for, whatever the driver, so that only such a module can get these wrong. They
show that the clauses about refusals notice; and that a store is judged as a caller has it, not its driver alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC
from functools import wraps
from pathlib import Path
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import (
    AgentRegistration,
    AppendResult,
    Artifact,
    ArtifactFilter,
    InvalidCursorError,
    LoadResult,
    Message,
    Page,
    PageRequest,
    Record,
    Room,
    Store,
    ValidationError,
)
from moltnet_core.driver import Lookup
from moltnet_core.listings import Listing
from moltnet_core.types import START

mutant = Collection()

WRITES = (
    "create_room",
    "reconcile_room",
    "update_room_members",
    "append_message",
    "append_messages",
    "register_agent",
    "reconcile_agent",
    "load",
)
REFUSALS = (
    *("ID-002", "ID-004", "ID-005", "TEXT-003", "TEXT-004", "TEXT-006"),
    *("VALUE-001", "VALUE-002", "VALUE-003", "VALUE-004", "VALUE-005", "VALUE-006", "VALUE-007", "VALUE-008"),
    "VALUE-009",
)


def refusals(handle: Callable[[Store, ValidationError], Any]) -> Callable[[type[Store]], type[Store]]:
    """A decorator: what becomes of the refusals of every write."""

    def handled(write: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(write)
        def call(self: Store, *arguments: Any, **options: Any) -> Any:
            try:
                return write(self, *arguments, **options)
            except ValidationError as error:
                return handle(self, error)

        return call

    def change(made: type[Store]) -> type[Store]:
        for name in WRITES:
            setattr(made, name, handled(getattr(Store, name)))
        return made

    return change


def write_anyway(store: Store, error: ValidationError) -> None:
    """Changes something, then raises."""
    store.driver.create_room(Room(f"left-over-{store.counts().rooms}", "net", "x", fqid="x"))
    raise error


def name_nothing(store: Store, error: ValidationError) -> None:
    """Raises an error that does not say where."""
    raise ValidationError("", "something is wrong")


def leave_open(store: Store, error: ValidationError) -> None:
    """Raises an error that says that something may have been committed."""
    error.committed = None
    raise error


@mutant("what is not valid is passed over in silence", *REFUSALS, "VALUE-011", "TYPE-002", "LOAD-012", "LOAD-013")
@refusals(lambda store, error: None)
class PassesOverInvalid(Store):
    pass


@mutant("what is not valid is refused after something was written", *REFUSALS, "TYPE-002", "LOAD-012", "LOAD-013")
@refusals(write_anyway)
class WritesThenRefuses(Store):
    pass


@mutant("a refusal does not say which field", "ID-002", "TEXT-003", "VALUE-001", "VALUE-008")
@refusals(name_nothing)
class NamesNoField(Store):
    pass


@mutant("a refusal says that something may have been committed", "ID-002", "TEXT-003", "VALUE-001", "LOAD-012")
@refusals(leave_open)
class RefusalLeavesOpen(Store):
    pass


@mutant("ids are trimmed, and not refused for their space", "ID-002")
class TrimsIds(Store):
    def create_room(self, room: Room) -> Room:
        return super().create_room(attrs.evolve(room, id=str(room.id).strip()))


@mutant("naive times are taken for UTC", "VALUE-007")
class NaiveIsUtc(Store):
    def append_message(self, message: Message, *, retry: bool = False) -> AppendResult:
        if getattr(message.created_at, "tzinfo", UTC) is None:
            message = attrs.evolve(message, created_at=message.created_at.replace(tzinfo=UTC))
        return super().append_message(message, retry=retry)


@mutant("an error repeats the credential that is wrong", "VALUE-011")
class RepeatsSecrets(Store):
    def register_agent(self, registration: AgentRegistration) -> AgentRegistration:
        try:
            return super().register_agent(registration)
        except ValidationError as error:
            raise ValidationError(error.field, f"{registration.credential_key!r} is wrong") from None


@mutant("the members of an enumeration stay what they are", "TYPE-001")
class KeepsEnumerations(Store):
    def create_room(self, room: Room) -> Room:
        return attrs.evolve(super().create_room(room), id=room.id)


@mutant("an empty batch is refused", "MSG-003")
class RefusesEmptyBatches(Store):
    def append_messages(self, batch: Iterable[Message], *, retry: bool = False) -> list[AppendResult]:
        messages = list(batch)
        if not messages:
            raise ValidationError("batch", "is empty")
        return super().append_messages(messages, retry=retry)


class _Pages(Store):
    def page(self, page: PageRequest) -> PageRequest:
        raise NotImplementedError

    def _list(self, listing: Listing, page: PageRequest | None, on_corrupt: Any) -> Page[Any]:
        return super()._list(listing, page and self.page(page), on_corrupt)

    def _list_by_id(self, listing: Listing, page: PageRequest | None, on_corrupt: Any) -> Page[Any]:
        return super()._list_by_id(listing, page and self.page(page), on_corrupt)


@mutant("a limit out of range becomes the nearest in it", "PAGE-004")
class ClampsLimits(_Pages):
    def page(self, page: PageRequest) -> PageRequest:
        limit = page.limit
        return attrs.evolve(page, limit=min(max(limit, 1), 1000)) if type(limit) is int else page


@mutant("of two cursors the first counts", "PAGE-005")
class FirstCursorCounts(_Pages):
    def page(self, page: PageRequest) -> PageRequest:
        return attrs.evolve(page, after=None) if page.before is not None else page


@mutant("the start serves as the end of a page", "PAGE-010")
class StartForBefore(_Pages):
    def page(self, page: PageRequest) -> PageRequest:
        start: Any = START
        return attrs.evolve(page, before=None) if page.before is start else page


@mutant("of a filter's conversations the first counts", "ART-004")
class FirstFilterCounts(Store):
    def list_artifacts(
        self, filter: ArtifactFilter | None = None, page: PageRequest | None = None, **options: Any
    ) -> Page[Artifact]:
        try:
            return super().list_artifacts(filter, page, **options)
        except ValidationError:
            named = attrs.asdict(filter or ArtifactFilter())
            first = next((name, value) for name, value in named.items() if value)
            return super().list_artifacts(ArtifactFilter(**dict([first])), page, **options)


@mutant("looking up what no backend can hold is an error", "TEXT-005")
class OddLookupsFail(Store):
    def _get(self, kind: Any, lookup: Lookup, key: str) -> Any:
        if "\x00" in key:
            raise InvalidCursorError(key)
        return super()._get(kind, lookup, key)


@mutant("removing what no backend can hold removes something else", "TEXT-005")
class CutsAtZero(Store):
    def remove_agent(self, agent_id: str) -> None:
        super().remove_agent("ann" if "\x00" in agent_id else agent_id)


@mutant("closing is left for later", "STORE-001", "STORE-003", "STORE-004", "SCAN-008", "RACE-009")
class NeverCloses(Store):
    def close(self) -> None:
        return


@mutant("it backs up without saying that it can", "POWER-002")
class BacksUpInSecret(Store):
    def backup(self, destination: str | Path) -> None:
        Path(destination).write_text(repr(self.counts()), "utf-8")


@mutant("a removed room is loaded as one that is there", "LOAD-006", "LOAD-007")
class LoadsRemovedRooms(Store):
    def load(self, records: Iterable[Record]) -> LoadResult:
        return super().load(
            attrs.evolve(each, times={name: time for name, time in each.times.items() if name != "removed_at"})
            for each in records
        )
