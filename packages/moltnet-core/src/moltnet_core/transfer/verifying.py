"""Comparing two stores: counts and digests of each kind, then the first differences with their fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Literal

from attrs import frozen

from moltnet_core.errors import CorruptRecordError, VerificationError
from moltnet_core.paging import OnCorrupt, check_on_corrupt
from moltnet_core.records import LOAD_ORDER, RecordKind
from moltnet_core.snapshot import Snapshot
from moltnet_core.store import Store
from moltnet_core.transfer.comparing import Seen, matched, readable, seen
from moltnet_core.transfer.digest import Digester, StoreDigest, canonical_text
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work, records_in

__all__ = ["Difference", "StoresDifferError", "Verification", "compare_views", "store_digest", "verify_stores"]

_FIELDS: Final = 10
Side = Literal["first", "second"]


@frozen
class Difference:
    """One record that two stores do not have alike.

    :param kind: of record.
    :param record_id: its id.
    :param only_in: the store that alone has it; ``None`` if both have it, differently.
    :param fields: of one that both have: paths of the first values that differ, such as ``parts[0].text``.
    """

    kind: RecordKind
    record_id: str
    only_in: Side | None
    fields: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        found: dict[str, Any] = {"kind": str(self.kind), "id": self.record_id, "only_in": self.only_in}
        return found | ({"fields": list(self.fields)} if self.only_in is None else {})


@frozen
class Verification:
    """What came of comparing two stores.

    :param first: the digest of the first store, second that of the second; of the digits that both keep.
    :param differing: how many records differ or are in one store only.
    :param differences: the first of them.
    :param derived: threads and DMs whose count or last time, which follow from the messages, differ. Such stores are
        equal all the same; ``check`` says which of them is wrong.
    :param derived_differing: how many of those there are in all.
    :param skipped: records that could not be decoded and were left out, in each store.
    """

    first: StoreDigest
    second: StoreDigest
    differing: int
    differences: tuple[Difference, ...]
    derived: tuple[Difference, ...] = ()
    derived_differing: int = 0
    skipped: tuple[int, int] = (0, 0)

    @property
    def equal(self) -> bool:
        """Whether both hold the same records."""
        return self.differing == 0 and self.first == self.second


class StoresDifferError(VerificationError):
    """A store is not what it was copied from.

    :ivar verification: how they differ.
    """

    verification: Verification

    def __init__(self, verification: Verification) -> None:
        shown = ", ".join(f"{each.kind} {each.record_id!a}" for each in verification.differences[:3])
        more = ", …" if verification.differing > 3 else ""
        super().__init__(sorted({str(each.kind) for each in verification.differences}))
        self.verification = verification
        text = f"the copy is not equal to its source: {verification.differing} records differ ({shown}{more})"
        self.args = (f"{text}; does another program write to the target?",)


def store_digest(
    store: Store,
    *,
    time_digits: int | None = None,
    on_corrupt: OnCorrupt = "raise",
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> StoreDigest:
    """The digest of everything in a store, as of one moment.

    :param time_digits: fractional digits of a second that count, 9 or 6. Default: those that the store keeps.
    :param on_corrupt: ``"skip"`` leaves out records that cannot be decoded.
    :param on_progress: is told of each step.
    :param cancelled: is asked at each step whether to end.
    :raises CorruptRecordError: a record cannot be decoded.
    :raises CancelledError: it was called off.
    """
    check_on_corrupt(on_corrupt)
    digester, work = Digester(time_digits or store.backend.time_digits), Work(on_progress, cancelled)
    corrupt = _Corrupt(on_corrupt)
    total = records_in(store.counts())
    with store.snapshot() as view:
        work.begin("digest", total)
        for kind in LOAD_ORDER:
            for record in readable(view, kind, work, corrupt):
                digester.add(record)
    return digester.digest()


def verify_stores(
    first: Store,
    second: Store,
    *,
    limit: int = 20,
    on_corrupt: OnCorrupt = "raise",
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> Verification:
    """Compare two stores, each as of one moment. Times are compared to the digits that both keep.

    :param limit: how many differences to name.
    :param on_corrupt: ``"skip"`` leaves out records that cannot be decoded, and counts them.
    :param on_progress: is told of each step.
    :param cancelled: is asked at each step whether to end.
    :raises CorruptRecordError: a record cannot be decoded.
    :raises CancelledError: it was called off.
    """
    check_on_corrupt(on_corrupt)
    work = Work(on_progress, cancelled)
    digits = min(first.backend.time_digits, second.backend.time_digits)
    total = records_in(first.counts()) + records_in(second.counts())
    with first.snapshot() as one, second.snapshot() as other:
        work.begin("verify", total)
        return compare_views(one, other, digits, work, limit=limit, on_corrupt=on_corrupt)


def compare_views(
    first: Snapshot, second: Snapshot, digits: int, work: Work, *, limit: int = 20, on_corrupt: OnCorrupt = "raise"
) -> Verification:
    """:func:`verify_stores`, of two views that are open already."""
    digesters = Digester(digits), Digester(digits)
    corrupt = _Corrupt(on_corrupt), _Corrupt(on_corrupt)
    records, derived = _Differences(limit), _Differences(limit)
    for kind in LOAD_ORDER:
        sides = (
            seen(readable(view, kind, work, skip), digester)
            for view, skip, digester in zip((first, second), corrupt, digesters, strict=True)
        )
        for one, other in matched(*sides):
            if one is None or other is None or one.number != other.number:
                records.add(kind, one, other)
            elif one.derived != other.derived:
                derived.add(kind, one, other)
    return Verification(
        digesters[0].digest(),
        digesters[1].digest(),
        records.count,
        tuple(records.named(first, second, digits)),
        tuple(derived.first),
        derived.count,
        (corrupt[0].count, corrupt[1].count),
    )


class _Corrupt:
    """What becomes of records that cannot be decoded."""

    def __init__(self, on_corrupt: OnCorrupt) -> None:
        self._skip = on_corrupt == "skip"
        self.count = 0

    def __call__(self, error: CorruptRecordError) -> None:
        if not self._skip:
            raise error
        self.count += 1


class _Differences:
    """Counts differences and keeps the first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.first: list[Difference] = []
        self.count = 0

    def add(self, kind: RecordKind, one: Seen | None, other: Seen | None) -> None:
        """One more."""
        self.count += 1
        found = one or other
        if found is not None and len(self.first) < self._limit:
            only_in: Side | None = "second" if one is None else "first" if other is None else None
            derived = one is not None and other is not None and one.number == other.number
            fields = ("message_count", "last_message_at") if derived else ()
            self.first.append(Difference(kind, found.id, only_in, fields))

    def named(self, first: Snapshot, second: Snapshot, digits: int) -> Iterator[Difference]:
        """The first ones with their fields, for which both stores are read once more."""
        sides: dict[tuple[RecordKind, str], list[Difference]] = {}
        for each in self.first:
            sides.setdefault((each.kind, each.record_id), []).append(each)
        # One that stands at another place in each store, since its time differs, was found once in each.
        both = {place for place, found in sides.items() if len(found) == 2 or found[0].only_in is None}
        ours, theirs = (_values(view, both, digits) for view in (first, second)) if both else ({}, {})
        for place, found in sides.items():
            if place in both:
                fields = tuple(_paths(ours[place], theirs[place], ""))[:_FIELDS]
                yield Difference(*place, None, fields)
            else:
                yield found[0]


def _values(view: Snapshot, wanted: set[tuple[RecordKind, str]], digits: int) -> dict[tuple[RecordKind, str], Any]:
    found: dict[tuple[RecordKind, str], Any] = {}
    for kind in {kind for kind, _ in wanted}:
        for record in readable(view, kind, Work(), lambda _: None):
            if (kind, record.id) in wanted:
                found[kind, record.id] = json.loads(canonical_text(record, digits))
    return found


def _paths(one: Any, other: Any, path: str) -> Iterator[str]:
    """Paths of the values in which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _paths(one.get(key), other.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _paths(*pair, f"{path}[{index}]")
    elif type(one) is not type(other) or repr(one) != repr(other):
        yield path
