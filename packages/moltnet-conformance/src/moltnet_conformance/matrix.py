"""The matrix of mutants and clauses, and what it says of the kit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from moltnet_conformance.clause import CONTRACT_VERSION, REQUIRED, Clause

if TYPE_CHECKING:
    from moltnet_conformance.selftest import Fate

__all__ = ["Matrix"]

LEFT_OUT = "the mutants on real files were left out: install moltnet-conformance[selftest]"
FEWEST_LAWFUL = 5


@attrs.frozen
class Matrix:
    """What became of the mutants.

    :param clauses: all that there are.
    :param is_complete: whether no mutants were left out.
    """

    fates: Sequence[Fate]
    clauses: Sequence[Clause]
    is_complete: bool = True

    @property
    def killers(self) -> dict[str, list[str]]:
        """By the id of each clause, the mutants that it kills."""
        found: dict[str, list[str]] = {clause.clause_id: [] for clause in self.clauses}
        for fate in self._broken:
            for clause_id in fate.failed:
                found.setdefault(clause_id, []).append(fate.mutant.name)
        return found

    @property
    def _broken(self) -> list[Fate]:
        return [fate for fate in self.fates if not fate.mutant.is_lawful]

    @property
    def _lawful(self) -> list[Fate]:
        return [fate for fate in self.fates if fate.mutant.is_lawful]

    def _idle(self, *, required: bool) -> list[str]:
        """Clauses that kill nothing."""
        killers = self.killers
        return [
            clause.clause_id
            for clause in self.clauses
            if (clause.capability == REQUIRED) is required and not killers[clause.clause_id]
        ]

    @property
    def problems(self) -> list[str]:
        """What speaks against the kit."""
        found = [problem for fate in self.fates for problem in fate.problems]
        found += [f"{clause_id} is required and kills no mutant" for clause_id in self._idle(required=True)]
        if len(self._lawful) < FEWEST_LAWFUL:
            found.append(f"there are {len(self._lawful)} lawful mutants, and {FEWEST_LAWFUL} are needed")
        return found

    @property
    def verdict(self) -> str:
        """``PASSED``, ``FAILED``, or ``INCOMPLETE`` where mutants were left out."""
        return "FAILED" if self.problems else "PASSED" if self.is_complete else "INCOMPLETE"

    def lines(self) -> Iterator[str]:
        """The matrix, a line for each mutant, then the problems, then the summary."""
        for fate in self.fates:
            said = ", ".join(sorted(fate.failed)) or f"passes {len(fate.passed)} clauses"
            mark = " " if fate.is_as_it_should else "!"
            yield f"{mark} {fate.mutant.name:<24} {fate.mutant.fault}: {said}"
        yield from (f"! {problem}" for problem in self.problems)
        yield from self.summary()

    def summary(self) -> Iterator[str]:
        """How many mutants die, how many clauses kill, and the verdict."""
        dead, alive = (sum(fate.is_as_it_should for fate in some) for some in (self._broken, self._lawful))
        yield (
            f"{dead} of {len(self._broken)} mutants die by the clauses that they name; "
            f"{alive} of {len(self._lawful)} lawful ones survive"
        )
        idle = self._idle(required=False)
        required = sum(clause.capability == REQUIRED for clause in self.clauses)
        optional = len(self.clauses) - required
        yield (
            f"{required - len(self._idle(required=True))} of {required} required clauses kill a mutant, "
            f"and {optional - len(idle)} of {optional} of capabilities" + (f" (not {', '.join(idle)})" if idle else "")
        )
        if not self.is_complete:
            yield LEFT_OUT
        yield f"selftest: {self.verdict}"

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "contract": CONTRACT_VERSION,
            "verdict": self.verdict,
            "problems": self.problems,
            "mutants": [
                {
                    "name": fate.mutant.name,
                    "fault": fate.mutant.fault,
                    "lawful": fate.mutant.is_lawful,
                    "named": list(fate.mutant.clauses),
                    "killed_by": dict(fate.failed),
                    "passed": sorted(fate.passed),
                    "problems": list(fate.problems),
                }
                for fate in self.fates
            ],
            "clauses": [
                {"id": clause.clause_id, "capability": clause.capability, "kills": self.killers[clause.clause_id]}
                for clause in self.clauses
            ],
        }

    def write(self, path: Path) -> None:
        """Writes it into a JSON file."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", "utf-8")
