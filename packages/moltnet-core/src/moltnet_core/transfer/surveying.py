"""Before a copy: what the target cannot hold, what it holds already, and what of the source will be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import frozen

from moltnet_core.backend import Backend
from moltnet_core.errors import CopyRefusedError, CorruptRecordError, Problem, StoreNotEmptyError, ValidationError
from moltnet_core.loading import prepare_record
from moltnet_core.paging import OnCorrupt
from moltnet_core.records import LOAD_ORDER, Record, RecordKind
from moltnet_core.snapshot import Snapshot
from moltnet_core.timestamps import normalise, truncate
from moltnet_core.transfer.comparing import matched, readable, seen
from moltnet_core.transfer.digest import Digester, StoreDigest
from moltnet_core.transfer.problems import Problems
from moltnet_core.transfer.progress import Work
from moltnet_core.types import Message

__all__ = ["Survey", "survey"]


@frozen
class Survey:
    """What a copy has before it.

    :param digest: of the source, with the digits that the target keeps: what the target's is to be in the end.
    :param present: how many of its records the target holds already.
    :param begun: by kind, how many records the target holds before the first that it lacks, and the id of the last of
        them.
    :param truncated: records of which a time will lose digits.
    :param reordered: neighbours in a conversation that will stand the other way round for it.
    :param skipped: records that cannot be decoded and will be left out.
    """

    digest: StoreDigest
    present: int
    begun: Mapping[RecordKind, tuple[int, str]]
    truncated: int
    reordered: int
    skipped: tuple[Problem, ...]

    @property
    def is_complete(self) -> bool:
        """Whether the target holds all of the source, which has something."""
        return self.present == self.digest.count > 0


def survey(source: Snapshot, target: Snapshot | None, backend: Backend, work: Work, on_corrupt: OnCorrupt) -> Survey:
    """Look at everything in the source, and at everything in the target if there is one.

    :param backend: the target's.
    :param on_corrupt: whether what cannot be decoded is left out, or refused.
    :raises CopyRefusedError: the source holds what the target cannot.
    :raises StoreNotEmptyError: the target holds what is not the source's.
    """
    digits = backend.time_digits
    passing, corrupt, foreign = _Passing(backend), Problems(), Problems()
    digester = Digester(digits)
    begun: dict[RecordKind, tuple[int, str]] = {}
    present = 0
    for kind in LOAD_ORDER:
        records = passing.checked(readable(source, kind, work, _adding(corrupt, kind)))
        if target is None or not target.entries(kind, limit=1):
            for record in records:
                digester.add(record)
            continue
        theirs = seen(readable(target, kind, Work(), _adding(foreign, kind)), Digester(digits))
        unbroken = True
        for mine, other in matched(seen(records, digester), theirs):
            if mine is not None and other is not None and mine.number == other.number:
                present += 1
                if unbroken:
                    begun[kind] = begun.get(kind, (0, ""))[0] + 1, mine.id
            elif other is None:
                unbroken = False
            else:
                problem = "is not in the source" if mine is None else "is not as in the source"
                foreign.add(kind, other.id, problem)
    if corrupt.count and on_corrupt == "raise":
        advice = "leave these out with on_corrupt='skip' (--skip-corrupt), or repair the source"
        raise CopyRefusedError("the source holds records that cannot be read", corrupt.listed(), advice)
    if passing.problems.count:
        advice = "change these in the source first"
        raise CopyRefusedError("the source holds what the target cannot", passing.problems.listed(), advice)
    if foreign.count:
        advice = "choose an empty target. Only one that holds a part of this very source can be gone on with"
        raise StoreNotEmptyError("the target holds what is not of this source", foreign.listed(), advice)
    return Survey(digester.digest(), present, begun, passing.truncated, passing.reordered, corrupt.listed())


def _adding(problems: Problems, kind: RecordKind) -> Callable[[CorruptRecordError], None]:
    def add(error: CorruptRecordError) -> None:
        problems.add(kind, error.record_id, f"cannot be read: {error.problem}")

    return add


class _Passing:
    """Looks at the records of the source as they pass, in load order.

    The ids of rooms, threads and DMs are kept, so that a message without its conversation is found.
    """

    def __init__(self, backend: Backend) -> None:
        self.problems = Problems()
        self.truncated = 0
        self.reordered = 0
        self._digits = backend.time_digits
        self._refuses = backend.refuses
        self._known: dict[RecordKind, set[str]] = {kind: set() for kind in LOAD_ORDER}
        self._instant = ""
        self._newest: dict[str, tuple[str, str]] = {}

    def checked(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records, looked at."""
        for record in records:
            try:
                prepared, cut = prepare_record(record, self._digits)
            except ValidationError as error:
                self.problems.add(record.kind, record.id, error.problem)
            else:
                self.truncated += cut
                problem = self._refuses(prepared) if self._refuses is not None else None
                if problem is not None:
                    self.problems.add(record.kind, record.id, problem)
                for kind, key in prepared.needs:
                    if key not in self._known[kind]:
                        self.problems.add(record.kind, record.id, f"its {kind} is not in the store")
            if isinstance(record.value, Message):
                if self._digits < 9:
                    self._follow(record.value, record.times["created_at"])
            else:
                self._known[record.kind].add(record.id)
            yield record

    def _follow(self, message: Message, time: str) -> None:
        """Count a message that stands after another of its conversation and will stand before it."""
        whole = normalise(time)
        instant = truncate(whole, self._digits)
        if instant != self._instant:
            self._instant = instant
            self._newest.clear()
        conversation = f"{message.target.kind} {message.target.conversation_id}"
        before = self._newest.get(conversation)
        if before is not None and before[0] != whole and before[1] > message.id:
            self.reordered += 1
        self._newest[conversation] = whole, message.id
