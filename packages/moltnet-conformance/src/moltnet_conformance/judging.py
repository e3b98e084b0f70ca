"""From what became of each test to a verdict on a backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import attrs

from moltnet_conformance.clause import CONTRACT_VERSION, REQUIRED, Clause

__all__ = ["Judgement", "Plan", "State", "judge"]


class State(StrEnum):
    """What became of a clause."""

    PASSED = "passed"
    FAILED = "failed"
    DEVIATES = "deviates"
    NOT_RUN = "not run"


@attrs.frozen
class Plan:
    """A suite as it was collected, before anything was selected.

    :param suite: its id in the run.
    :param items: the clause's id by that of each of its tests; a clause with several values has several.
    """

    suite: str
    backend: str
    capabilities: tuple[str, ...]
    deviations: Mapping[str, str]
    items: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain data, which goes from a worker to its controller."""
        return attrs.asdict(self) | {"capabilities": list(self.capabilities)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """What :meth:`to_json` gave."""
        return cls(**{**data, "capabilities": tuple(data["capabilities"])})


@attrs.frozen
class Judgement:
    """What a run says of a backend.

    :param states: what became of each clause that applies to it.
    :param problems: what speaks against conformance, in words.
    :param notes: what clauses say of how they were run.
    """

    plan: Plan
    states: Mapping[str, State]
    clauses: Mapping[str, Clause]
    problems: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``CONFORMANT contract …``, ``CONFORMANT WITH n DEVIATIONS``, ``NOT CONFORMANT`` or ``INCOMPLETE``."""
        counts = Counter(self.states.values())
        if self.problems:
            return "NOT CONFORMANT"
        if counts[State.NOT_RUN]:
            return "INCOMPLETE"
        if counts[State.DEVIATES]:
            return f"CONFORMANT WITH {counts[State.DEVIATES]} DEVIATIONS"
        return f"CONFORMANT contract {CONTRACT_VERSION}"

    @property
    def is_conformant(self) -> bool:
        """Whether the verdict is one of the first two."""
        return self.verdict.startswith("CONFORMANT")

    def by_capability(self) -> dict[str, Counter[State]]:
        """How many clauses of each capability became what; the required ones first."""
        table: dict[str, Counter[State]] = {REQUIRED: Counter()}
        for clause_id, state in self.states.items():
            table.setdefault(self.clauses[clause_id].capability, Counter())[state] += 1
        return table


def judge(
    plan: Plan,
    clauses: Iterable[Clause],
    outcomes: Mapping[str, State],
    seconds: float,
    notes: Iterable[str] = (),
) -> Judgement:
    """A judgement on one suite.

    :param outcomes: what became of each test, by its id; one that is missing did not run.
    """
    capabilities = frozenset(plan.capabilities)
    applying = {clause.clause_id: clause for clause in clauses if clause.applies_to(capabilities)}
    found: dict[str, list[State]] = {clause_id: [] for clause_id in applying}
    for item, clause_id in plan.items.items():
        found[clause_id].append(outcomes.get(item, State.NOT_RUN))
    states = {clause_id: _worst(each) for clause_id, each in found.items()}
    problems = [f"{clause_id} fails" for clause_id, state in states.items() if state is State.FAILED]
    for clause_id in plan.deviations:
        state = states.get(clause_id)
        if state is None:
            problems.append(f"{clause_id}, named as a deviation, says nothing about this backend")
        elif state is State.PASSED:
            problems.append(f"{clause_id}, named as a deviation, passes")
        elif state is State.DEVIATES and applying[clause_id].capability == REQUIRED:
            problems.append(f"{clause_id}, named as a deviation, is required")
    return Judgement(plan, states, applying, tuple(problems), seconds, tuple(notes))


def _worst(states: list[State]) -> State:
    order = (State.FAILED, State.NOT_RUN, State.DEVIATES, State.PASSED)
    return next((state for state in order if state in states), State.NOT_RUN)
