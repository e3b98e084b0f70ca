"""Faults in snapshots and loading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import (
    InvalidCursorError,
    LoadResult,
    Message,
    MessageOrigin,
    RecordConflictError,
    ValidationError,
)
from moltnet_core.driver import DriverSnapshot, LoadRecord
from moltnet_core.records import RecordKind
from moltnet_core.validation import check_identifier
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.reading import TablesSnapshot

mutant = Collection()


@mutant("a snapshot shows later writes", "SCAN-006")
class LiveSnapshot(MemoryDriver):
    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        yield TablesSnapshot(self._tables.rows, self._tables.ids)


class _Scan:
    def __init__(self, view: DriverSnapshot, driver: _Scans) -> None:
        self._view, self._driver = view, driver

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> Any:
        return self._driver.scanned(kind, self._view.scan(kind, after, limit))


class _Scans(MemoryDriver):
    def scanned(self, kind: RecordKind, found: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        with super().snapshot() as view:
            yield _Scan(view, self)


@mutant("removed rooms are not scanned", "SCAN-001", "LOAD-001")
class ForgetsRemoved(_Scans):
    def scanned(self, kind: RecordKind, found: Sequence[Any]) -> Sequence[Any]:
        return [each for each in found if "removed_at" not in each.times]


@mutant("credentials are not scanned", "SCAN-001", "LOAD-001")
class HidesCredentials(_Scans):
    def scanned(self, kind: RecordKind, found: Sequence[Any]) -> Sequence[Any]:
        if kind is not RecordKind.AGENT:
            return found
        return [attrs.evolve(each, value=attrs.evolve(each.value, credential_key="")) for each in found]


@mutant("messages are scanned in the order of their ids", "SCAN-004", "LOAD-010")
class ScansById(_Scans):
    def scanned(self, kind: RecordKind, found: Sequence[Any]) -> Sequence[Any]:
        return sorted(found, key=lambda each: each.id)


@mutant("times are scanned with six digits", "LOAD-009", "SCAN-003")
class FewerDigits(_Scans):
    def scanned(self, kind: RecordKind, found: Sequence[Any]) -> Sequence[Any]:
        return [
            attrs.evolve(each, times={name: f"{time[:26]}Z" for name, time in each.times.items()}) for each in found
        ]


@mutant("the records before a bad one are loaded", "LOAD-003", "LOAD-005")
class LoadsByHalf(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        results = [super(LoadsByHalf, self).load((each,)) for each in records]
        return LoadResult(sum(each.loaded for each in results), sum(each.unchanged for each in results))


@mutant("a different record is passed over", "LOAD-003", "LOAD-004")
class NoConflicts(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        loaded = 0
        for each in records:
            try:
                loaded += super().load((each,)).loaded
            except RecordConflictError:
                continue
        return LoadResult(loaded, len(records) - loaded)


@mutant("an identical record is a conflict", "LOAD-002")
class AlwaysConflicts(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        for each in records:
            if each.record.id in self._tables.rows[each.record.kind]:
                raise RecordConflictError(each.record.kind, each.record.id)
        return super().load(records)


@mutant("what was loaded already is counted as loaded", "LOAD-002", "LOAD-016")
class CountsUnchanged(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        super().load(records)
        return LoadResult(len(records))


@mutant("a record that names what is not there is passed over", "LOAD-005")
class PassesOverOrphans(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        try:
            return super().load(records)
        except ValidationError:
            return LoadResult(0, len(records))


@mutant("counts are those that the records claim", "LOAD-008")
class TrustsCounts(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        result = super().load(records)
        for each in records:
            if each.record.kind is RecordKind.THREAD:
                value: Any = each.record.value
                row = self._tables.rows[RecordKind.THREAD][value.id]
                thread = attrs.evolve(row.thread, message_count=value.message_count)
                self._tables.rows[RecordKind.THREAD][value.id] = attrs.evolve(row, thread=thread)
        return result


@mutant("artifacts are not derived of what is loaded", "LOAD-008", "LOAD-001")
class LoadsNoArtifacts(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        bare = [attrs.evolve(each, new=each.new and attrs.evolve(each.new, artifacts=())) for each in records]
        return super().load(bare)


@mutant("loading a removed room brings it back", "LOAD-006", "LOAD-001")
class Revives(MemoryDriver):
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        result = super().load(records)
        for each in records:
            if each.record.kind is RecordKind.ROOM:
                row = self._tables.rows[RecordKind.ROOM][each.record.id]
                self._tables.rows[RecordKind.ROOM][each.record.id] = attrs.evolve(row, removed_at=None)
        return result


@mutant("a removed room is scanned with the members that it had", "SCAN-002")
class ScansOldMembers(MemoryDriver):
    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        row = self._tables.live_room(room_id)
        super().remove_room(room_id, removed_at)
        removed = self._tables.rows[RecordKind.ROOM][room_id]
        self._tables.rows[RecordKind.ROOM][room_id] = attrs.evolve(removed, room=row.room if row else removed.room)


class _Positions:
    def __init__(self, view: DriverSnapshot) -> None:
        self._view = view

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> Any:
        try:
            return self._view.scan(kind, after, limit)
        except InvalidCursorError:
            return self._view.scan(kind, None, limit)


@mutant("a scan after an unknown message begins anew", "SCAN-005")
class ScansAnew(MemoryDriver):
    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        with super().snapshot() as view:
            yield _Positions(view)


@mutant("lists in data are scanned as tuples", "SCAN-009")
class ScansTuples(_Scans):
    def scanned(self, kind: RecordKind, found: Sequence[Any]) -> Sequence[Any]:
        if kind is not RecordKind.MESSAGE:
            return found
        return [attrs.evolve(each, value=tupled(each.value)) for each in found]


def tupled(message: Message) -> Message:
    """The message with tuples for the lists of its data."""
    parts = [
        attrs.evolve(
            part,
            data=part.data
            and {key: tuple(item) if isinstance(item, list) else item for key, item in part.data.items()},
        )
        for part in message.parts
    ]
    return attrs.evolve(message, parts=parts)


@mutant("scans hand out what is stored", "SCAN-010", "OBJ-001")
class ScansItsOwn(_Scans):
    def scanned(self, kind: RecordKind, found: Sequence[Any]) -> Sequence[Any]:
        rows = self._tables.rows[kind]
        return [attrs.evolve(each, value=rows[each.id].message) if "message" in kind else each for each in found]


class _Loads(MemoryDriver):
    def kept(self, each: LoadRecord) -> LoadRecord:
        raise NotImplementedError

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        return super().load([self.kept(each) for each in records])


@mutant("records are held to the rules for new messages", "LOAD-011")
class ChecksRecords(_Loads):
    def kept(self, each: LoadRecord) -> LoadRecord:
        check_identifier(each.record.id, f"{each.record.kind}.id")
        return each


@mutant("a message without an origin is its own", "LOAD-014")
class OwnOrigins(_Loads):
    def kept(self, each: LoadRecord) -> LoadRecord:
        if each.new is None or each.new.message.origin != MessageOrigin("", ""):
            return each
        message = each.new.message
        message = attrs.evolve(message, origin=MessageOrigin(message.network_id, message.id))
        return LoadRecord(attrs.evolve(each.record, value=message), attrs.evolve(each.new, message=message))


@mutant("what was loaded is told to observers by the next append", "LOAD-015")
class TellsOfLoads(MemoryDriver):
    _loaded = False

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        self._loaded = True
        return super().load(records)

    def after_commit(self, call: Callable[[], None]) -> None:
        super().after_commit(call)
        if self._loaded:
            call()
