"""Two views side by side: which records are in both, in one of them, or differ.

Records come in one order from every store, so two scans are walked together and nothing is held but what shares a
place in that order. A store that keeps six digits of a second may have the messages of one microsecond in another order
than one that keeps nine: all that share a microsecond then share a place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from moltnet_core.errors import CorruptRecordError
from moltnet_core.records import Record, RecordKind
from moltnet_core.snapshot import Snapshot
from moltnet_core.timestamps import normalise, truncate
from moltnet_core.transfer.digest import Digester
from moltnet_core.transfer.progress import Work
from moltnet_core.transfer.streaming import batches
from moltnet_core.types import DirectConversation, Thread

__all__ = ["Seen", "matched", "readable", "seen"]


class Seen(NamedTuple):
    """What is kept of a record while it waits for its match.

    :ivar place: where it stands in the order of its kind.
    :ivar number: its fingerprint.
    :ivar derived: of a thread or DM, how many messages it says it has and when the last came.
    """

    place: str
    id: str
    number: int
    derived: tuple[int, str] | None


def readable(
    view: Snapshot, kind: RecordKind, work: Work, on_corrupt: Callable[[CorruptRecordError], object]
) -> Iterator[Record]:
    """All records of a kind but those that cannot be decoded, which are told of.

    :raises CancelledError: the work was called off.
    """
    for batch in batches(view, kind):
        for entry in batch:
            if isinstance(entry, Record):
                yield entry
            else:
                on_corrupt(entry)
        work.step(len(batch), kind)


def seen(records: Iterable[Record], digester: Digester) -> Iterator[Seen]:
    """The records as they are compared, added to a digest."""
    digits = digester.time_digits
    for record in records:
        number, own_id, value = digester.add(record), record.id, record.value
        if record.kind is RecordKind.MESSAGE:
            yield Seen(truncate(normalise(record.times["created_at"]), digits), own_id, number, None)
        elif isinstance(value, Thread | DirectConversation):
            last = truncate(normalise(record.times["last_message_at"]), digits)
            yield Seen(own_id, own_id, number, (value.message_count, last))
        else:
            yield Seen(own_id, own_id, number, None)


def matched(left: Iterable[Seen], right: Iterable[Seen]) -> Iterator[tuple[Seen | None, Seen | None]]:
    """Pairs of the same id in the order of the left; ``None`` where one side has none."""
    lefts, rights = _places(left), _places(right)
    ours, theirs = next(lefts, None), next(rights, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours[0] < theirs[0]):
            assert ours is not None  # noqa: S101 - one of them is there
            yield from ((each, None) for each in ours[1].values())
            ours = next(lefts, None)
        elif ours is None or theirs[0] < ours[0]:
            yield from ((None, each) for each in theirs[1].values())
            theirs = next(rights, None)
        else:
            yield from ((each, theirs[1].pop(key, None)) for key, each in ours[1].items())
            yield from ((None, each) for each in theirs[1].values())
            ours, theirs = next(lefts, None), next(rights, None)


def _places(found: Iterable[Seen]) -> Iterator[tuple[str, dict[str, Seen]]]:
    for place, some in groupby(found, key=_place):
        yield place, {each.id: each for each in some}


def _place(each: Any) -> str:
    place: str = each.place
    return place
