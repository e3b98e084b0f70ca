"""What stands in the way of a copy, counted: of a million records with one fault the first few ids are named."""

from __future__ import annotations

from typing import Final

from moltnet_core.errors import Problem
from moltnet_core.records import RecordKind

__all__ = ["Problems"]

_NAMED: Final = 10


class Problems:
    """Counts problems as they are found, by kind of record and what is wrong."""

    def __init__(self) -> None:
        self._found: dict[tuple[RecordKind, str], tuple[list[str], list[int]]] = {}

    def add(self, kind: RecordKind, record_id: str, problem: str) -> None:
        """One more.

        :param problem: what is wrong, in words that are the same for all records with that fault.
        """
        ids, count = self._found.setdefault((kind, problem), ([], [0]))
        count[0] += 1
        if len(ids) < _NAMED:
            ids.append(record_id)

    @property
    def count(self) -> int:
        """How many in all."""
        return sum(count for _, (count,) in self._found.values())

    def listed(self) -> tuple[Problem, ...]:
        """All of them."""
        return tuple(
            Problem(str(kind), problem, count, tuple(ids)) for (kind, problem), (ids, (count,)) in self._found.items()
        )
