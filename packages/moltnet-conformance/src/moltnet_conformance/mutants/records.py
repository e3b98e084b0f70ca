"""Faults in snapshots and loading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import LoadResult, RecordConflictError, ValidationError
from moltnet_core.driver import DriverSnapshot, LoadRecord
from moltnet_core.records import RecordKind
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
