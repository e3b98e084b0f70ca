"""``import_store``: an export into an empty store, or into one where an interrupted import has begun."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

from attrs import evolve, frozen

from moltnet_core.errors import MoltnetError, ValidationError
from moltnet_core.events import logged
from moltnet_core.loading import prepare_load
from moltnet_core.records import LoadResult, Record, RecordKind
from moltnet_core.store import Store
from moltnet_core.transfer.digest import Digester, StoreDigest
from moltnet_core.transfer.format import ExportHeader, ExportReader
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work, records_in
from moltnet_core.transfer.resuming import Beginning
from moltnet_core.transfer.scanning import compare_digests, scan_digest
from moltnet_core.transfer.sources import Source
from moltnet_core.types import AgentRegistration

__all__ = ["ImportResult", "check_export", "import_store", "load_export"]

_ROWS_AT_ONCE: Final = 1000
_BYTES_AT_ONCE: Final = 8 << 20


@frozen
class ImportResult:
    """What an import did, or, of a dry run, would do.

    :param header: what the export says of itself.
    :param digest: of the export's records, with the count of each kind.
    :param loaded: records that were new.
    :param unchanged: records that an interrupted import had loaded before.
    :param truncated: records of which a time lost digits that the store does not keep.
    :param without_credentials: agents that nobody can act as until each is bound to a credential by
        :meth:`Store.reconcile_agent`, as the export has no credential key of theirs.
    :param skipped: records that could not be decoded where the export was made, and are not in it.
    :param verified: whether the store was compared with the export afterwards.
    """

    header: ExportHeader
    digest: StoreDigest
    loaded: int = 0
    unchanged: int = 0
    truncated: int = 0
    without_credentials: int = 0
    skipped: int = 0
    verified: bool = False


def check_export(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    time_digits: int = 9,
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> ImportResult:
    """See that an export is whole, and that an empty store could hold it.

    :param source: as for :func:`import_store`.
    :param time_digits: the fractional digits of a second that such a store keeps, 9 or 6.
    :returns: what an import into it would do.
    :raises InvalidExportError: the export was cut short or altered, or is none.
    :raises ValidationError: no store can hold a record, or a record names a room, thread or DM that is not there.
    """
    with Source.opened(source) as opened:
        return _checked(opened, Digester(time_digits).digest(), Work(on_progress, cancelled))


@logged("import")
def import_store(
    store: Store,
    source: str | os.PathLike[str] | BinaryIO,
    *,
    check: bool = True,
    verify: bool = True,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> ImportResult:
    """Load an export into a store that is empty, or in which an interrupted import of the same export has begun.

    A file is read twice, and whatever is wrong with it, or cannot be stored, is found before anything is written. A
    pipe is read once: its records are stored as they come, and what is wrong further on is found when those before it
    are stored. Whatever the error, what was stored stays and a note of the error says how much it is; the same import
    goes on from there.

    :param source: a path, or a binary stream, which stays open; compressed by gzip or not.
    :param check: read a file to its end before anything is written. Without it, it is read once, like a pipe.
    :param verify: compare the store with the export afterwards, which reads all of it once.
    :param dry_run: read the whole source and look at the store, but write nothing.
    :raises InvalidExportError: the export was cut short or altered, or is none.
    :raises StoreNotEmptyError: the store holds something else; nothing was written.
    :raises ValidationError: the store cannot hold a record, or a record names a room, thread or DM that is not there.
    :raises VerificationError: the store is not what the export is: somebody has written to it meanwhile.
    :raises CancelledError: it was called off.
    """
    return load_export(store, source, Work(on_progress, cancelled), check=check, verify=verify, dry_run=dry_run)


def load_export(
    store: Store,
    source: str | os.PathLike[str] | BinaryIO,
    work: Work,
    *,
    check: bool = True,
    verify: bool = True,
    dry_run: bool = False,
) -> ImportResult:
    """:func:`import_store`, told of and called off by ``work``."""
    with Source.opened(source) as opened:
        held = scan_digest(store, store.backend.time_digits, work, "look").digest
        found: ImportResult | None = None
        if dry_run or (check and opened.size is not None):
            found = _checked(opened, held, work)
        if found is not None and dry_run:
            return found
        return _load(store, opened, held, found, work, verify=verify)


def _checked(source: Source, held: StoreDigest, work: Work) -> ImportResult:
    """What an import will do with a store that holds so much, found without writing."""
    place, check = 0, _Check(held.time_digits)

    def look(records: Sequence[Record]) -> LoadResult:
        nonlocal place
        before, place = place, source.position()
        work.step(place - before if source.size is not None else len(records))
        return check(records)

    reader = source.reader()
    work.begin("check", source.size, "bytes" if source.size is not None else "records")
    return _read_through(reader, Beginning(held), held.time_digits, look, check.note)[0]


def _load(
    store: Store, source: Source, held: StoreDigest, checked: ImportResult | None, work: Work, *, verify: bool
) -> ImportResult:
    def load(records: Sequence[Record]) -> LoadResult:
        result = store.load(records)
        work.step(len(records), records[-1].kind)
        return result

    try:
        work.begin("import", checked.loaded if checked else None)
        result, digest = _read_through(source.reader(), Beginning(held), store.backend.time_digits, load)
        if verify:
            compare_digests(digest, scan_digest(store, digest.time_digits, work, "verify"))
    except BaseException as error:
        error.add_note(_left_behind(store))
        raise
    return evolve(result, verified=verify)


def _left_behind(store: Store) -> str:
    """What an import that failed has to say. The store is asked: an interrupt may have come after a commit."""
    try:
        stored = records_in(store.counts())
    except MoltnetError:
        return "what was stored stays; import the same export again to go on from there"
    if not stored:
        return "nothing was stored"
    return f"the store holds {stored} records; import the same export again to go on from there"


def _read_through(
    reader: ExportReader,
    beginning: Beginning,
    digits: int,
    take: Callable[[Sequence[Record]], LoadResult],
    note: Callable[[Record], object] = lambda record: None,
) -> tuple[ImportResult, StoreDigest]:
    """Read all records, and give those that are new, in batches, to ``take``: the last when the trailer was read.

    :param note: is told of each record, also of one that is not new, before its batch is taken.
    :returns: what came of it, and the digest with the digits that the store and the export both have.
    """
    digester = Digester(min(digits, reader.header.time_digits))
    total, agents, unchanged = LoadResult(), 0, 0
    batch: list[Record] = []
    first_line, size = 0, 0
    for record in reader:
        digester.add(record)
        note(record)
        if isinstance(record.value, AgentRegistration) and not reader.header.credentials:
            agents += 1
        if beginning.has(record):
            unchanged += 1
            continue
        if len(batch) == _ROWS_AT_ONCE or size > _BYTES_AT_ONCE:
            total += _taken(take, batch, reader, first_line)
            batch, size = [], 0
        if not batch:
            first_line = reader.line
        batch.append(record)
        size += reader.size
    beginning.finish()
    if batch:
        total += _taken(take, batch, reader, first_line)
    result = ImportResult(
        reader.header,
        reader.digest,
        total.loaded,
        total.unchanged + unchanged,
        total.truncated,
        agents,
        reader.skipped,
    )
    return result, digester.digest()


def _taken(
    take: Callable[[Sequence[Record]], LoadResult], batch: Sequence[Record], reader: ExportReader, first_line: int
) -> LoadResult:
    try:
        return take(batch)
    except ValidationError as error:
        where = f"{reader.source}, of the {len(batch)} records from line {first_line}: {error.field}"
        raise ValidationError(where, error.problem) from None


class _Check:
    """Stands in for the store: refuses what it would refuse, and writes nothing.

    It keeps the ids of rooms, threads and DMs, which messages name.

    :param digits: the fractional digits that the store keeps.
    """

    def __init__(self, digits: int) -> None:
        self._digits = digits
        self._known: dict[RecordKind, set[str]] = {
            kind: set() for kind in (RecordKind.ROOM, RecordKind.THREAD, RecordKind.DM)
        }

    def note(self, record: Record) -> None:
        """Remember what messages may name."""
        if record.kind in self._known:
            self._known[record.kind].add(record.id)

    def __call__(self, records: Sequence[Record]) -> LoadResult:
        """What :meth:`Store.load` would say.

        :raises ValidationError: it would refuse a record.
        """
        prepared, truncated = prepare_load(records, self._digits)
        for each in prepared:
            for kind, key in each.needs:
                if key not in self._known[kind]:
                    raise ValidationError(
                        f"{each.record.kind} {each.record.id!r}", f"its {kind} {key!r} is not in the export"
                    )
        return LoadResult(len(records), 0, truncated)
