"""``Snapshot``: one unchanging view of a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from moltnet_core._calls import Calls, counted
from moltnet_core._gate import Gate
from moltnet_core.errors import CorruptRecordError, ValidationError
from moltnet_core.paging import OnCorrupt, check_on_corrupt, without_corrupt
from moltnet_core.records import LOAD_ORDER, Record, RecordKind

if TYPE_CHECKING:
    from moltnet_core.driver import DriverSnapshot

__all__ = ["Snapshot"]

_SCAN_LIMIT = 1000
_MAX_SCAN_LIMIT = 10_000


class Snapshot:
    """One unchanging view of a store, made by :meth:`Store.snapshot <moltnet_core.store.Store.snapshot>`."""

    def __init__(self, gate: Gate, calls: Calls, snapshot: DriverSnapshot) -> None:
        self._gate = gate
        self._calls = calls
        self._snapshot = snapshot

    def scan(
        self,
        kind: RecordKind | str,
        after: str | None = None,
        limit: int = _SCAN_LIMIT,
        *,
        on_corrupt: OnCorrupt = "raise",
    ) -> list[Record]:
        """The next records of a kind: by id, messages by (time, id); removed rooms and credentials included.

        :param after: the id of the record to go on after.
        :param limit: how many, 1 to 10,000. Fewer come back at the end only (or when corrupt ones were skipped).
        :raises ValidationError: no such kind, or the limit is out of range.
        :raises InvalidCursorError: there is no message ``after``.
        :raises CorruptRecordError: one cannot be decoded, and ``on_corrupt`` is ``"raise"``.
        :raises StoreClosedError: the store was closed.
        """
        on_corrupt = _checked(on_corrupt)
        return list(without_corrupt(self.entries(kind, after, limit), on_corrupt))

    @counted
    def entries(
        self, kind: RecordKind | str, after: str | None = None, limit: int = _SCAN_LIMIT
    ) -> list[Record | CorruptRecordError]:
        """The same, with the error in the place of a record that cannot be decoded.

        :raises: as :meth:`scan`, but for ``CorruptRecordError``.
        """
        kind = _record_kind(kind)
        if type(limit) is not int or not 1 <= limit <= _MAX_SCAN_LIMIT:
            raise ValidationError("limit", f"expected an integer from 1 to {_MAX_SCAN_LIMIT}")
        with self._gate:
            return list(self._snapshot.scan(kind, after, limit))

    def records(self, kind: RecordKind | str | None = None, *, on_corrupt: OnCorrupt = "raise") -> Iterator[Record]:
        """All records of a kind, or of every kind in load order, one by one.

        :raises: as :meth:`scan`.
        """
        on_corrupt = _checked(on_corrupt)
        for each in LOAD_ORDER if kind is None else (_record_kind(kind),):
            after: str | None = None
            while True:
                entries = self.entries(each, after)
                yield from without_corrupt(entries, on_corrupt)
                if len(entries) < _SCAN_LIMIT:
                    break
                last = entries[-1]
                after = last.id if isinstance(last, Record) else last.record_id


def _record_kind(kind: RecordKind | str) -> RecordKind:
    try:
        return RecordKind(kind)
    except ValueError:
        raise ValidationError("kind", f"expected one of {', '.join(RecordKind)}") from None


def _checked(on_corrupt: OnCorrupt) -> OnCorrupt:
    check_on_corrupt(on_corrupt)
    return on_corrupt
