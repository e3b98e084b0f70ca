"""Whether what a store holds is the beginning of what is to be loaded into it, so that loading can go on there."""

from __future__ import annotations

from typing import Final

from moltnet_core.errors import StoreNotEmptyError
from moltnet_core.records import LOAD_ORDER, Record, RecordKind
from moltnet_core.transfer.digest import Digester, StoreDigest

__all__ = ["Beginning"]

_ADVICE: Final = (
    "only an empty store can be loaded, or one where an interrupted load of the same records has begun: choose another "
    "place"
)


class Beginning:
    """Tells which of the records that come in load order are in a store already, and that nothing else is.

    A load that was interrupted has left the first so many records, and no others: of each kind as many as were stored,
    with their digest. So one number for each kind is all that has to be kept.

    :param held: what the store holds, with the time digits that it stores.
    """

    def __init__(self, held: StoreDigest) -> None:
        self._held = held
        self._digester = Digester(held.time_digits)
        self._passed = dict.fromkeys(LOAD_ORDER, 0)
        self._left = held.count

    def has(self, record: Record) -> bool:
        """Whether the store has the next record.

        ``False`` comes only when all that it has was seen: nothing has to be written before.

        :raises StoreNotEmptyError: it holds something else.
        """
        if not self._left:
            return False
        kind = record.kind
        wanted = self._held.kinds[kind]
        for earlier in LOAD_ORDER[: LOAD_ORDER.index(kind)]:
            if self._passed[earlier] < self._held.kinds[earlier].count:
                raise self._refusal(earlier)
        if self._passed[kind] == wanted.count:
            raise self._refusal(next(each for each in LOAD_ORDER if self._passed[each] < self._held.kinds[each].count))
        self._digester.add(record)
        self._passed[kind] += 1
        self._left -= 1
        if self._passed[kind] == wanted.count and self._digester.digest().kinds[kind] != wanted:
            raise self._refusal(kind)
        return True

    def finish(self) -> None:
        """No record follows.

        :raises StoreNotEmptyError: the store holds more.
        """
        if self._left:
            raise self._refusal(next(each for each in LOAD_ORDER if self._passed[each] < self._held.kinds[each].count))

    def _refusal(self, kind: RecordKind) -> StoreNotEmptyError:
        return StoreNotEmptyError(
            f"the store holds {self._held.count} records, and those of kind {kind} are not those that the load begins "
            "with",
            (),
            _ADVICE,
        )
