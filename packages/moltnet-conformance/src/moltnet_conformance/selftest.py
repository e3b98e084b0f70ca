"""``selftest``: the kit is judged by the mutants, each of which has to die by the clauses that it names."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest

from moltnet_conformance.clause import Clause
from moltnet_conformance.mutants import Mutant, all_mutants

__all__ = ["Fate", "fates", "matrix", "suites"]

SUITE = """
from moltnet_conformance.selftest import suites

globals().update(suites({names!r}))
"""


@attrs.frozen
class Fate:
    """What became of a mutant.

    :param failed: ids of clauses that failed on it in their call.
    :param otherwise: ids of clauses that failed before or after it.
    :param passed: ids of clauses that passed.
    """

    mutant: Mutant
    failed: frozenset[str]
    otherwise: frozenset[str]
    passed: frozenset[str]

    @property
    def is_as_it_should(self) -> bool:
        """Whether each named clause killed it, or, of a lawful one, none did."""
        named = frozenset(self.mutant.clauses)
        return self.failed == named and not self.otherwise and (bool(named) or bool(self.passed))


def suites(names: Iterable[str]) -> dict[str, type[Any]]:
    """A class of tests for each mutant, of the clauses that it names, or of all."""
    from moltnet_conformance.suite import CLAUSES, ClauseFixtures

    chosen = set(names)
    made = {}
    for mutant in all_mutants():
        if mutant.name not in chosen:
            continue
        held: dict[str, Any] = {
            name: staticmethod(clause.body) for name, clause in CLAUSES.items() if _holds(mutant, clause)
        }
        made[f"Test{mutant.name}"] = type(f"Test{mutant.name}", (ClauseFixtures,), held | {"harness": mutant.harness()})
    return made


def _holds(mutant: Mutant, clause: Clause) -> bool:
    if mutant.clauses:
        return clause.clause_id in mutant.clauses
    # What is lawful has to pass all that applies, in this process: others do not know it.
    return clause.applies_to(mutant.backend.capabilities) and clause.group != "processes"


class _Watch:
    def __init__(self) -> None:
        self.failed: dict[str, set[str]] = {}
        self.otherwise: dict[str, set[str]] = {}
        self.passed: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, suite, test = report.nodeid.split("::", 2)
        group, number = test.removeprefix("test_").split("_")[:2]
        clause_id, name = f"{group.upper()}-{number}", suite.removeprefix("Test")
        if report.failed:
            (self.failed if report.when == "call" else self.otherwise).setdefault(name, set()).add(clause_id)
        elif report.when == "call" and report.passed:
            self.passed.setdefault(name, set()).add(clause_id)


def fates(mutants: Iterable[Mutant]) -> list[Fate]:
    """Runs what is to kill each mutant."""
    chosen = list(mutants)
    watch = _Watch()
    with TemporaryDirectory(prefix="moltnet-selftest-") as folder:
        Path(folder, "test_mutants.py").write_text(SUITE.format(names=[each.name for each in chosen]), "utf-8")
        Path(folder, "pytest.ini").write_text("[pytest]\n", "utf-8")
        options = [
            "-q",
            "--tb=no",
            "--assert=plain",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            folder,
            "-c",
            str(Path(folder, "pytest.ini")),
        ]
        said = io.StringIO()
        with redirect_stdout(said):
            status = pytest.main([*options, folder], plugins=[watch])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the mutants could not be run:\n{said.getvalue()}")

    def of(found: dict[str, set[str]], name: str) -> frozenset[str]:
        return frozenset(found.get(name, ()))

    return [
        Fate(each, of(watch.failed, each.name), of(watch.otherwise, each.name), of(watch.passed, each.name))
        for each in chosen
    ]


def matrix(found: Iterable[Fate], clauses: Iterable[Clause]) -> Iterator[str]:
    """What became of each mutant, and a summary."""
    fates = list(found)
    for fate in fates:
        mark = "as it should" if fate.is_as_it_should else "NOT AS IT SHOULD"
        said = ", ".join(sorted(fate.failed)) or f"passes {len(fate.passed)}"
        yield f"{fate.mutant.name:<24} {said:<34} {mark}: {fate.mutant.fault}"
        survived = sorted(set(fate.mutant.clauses) - fate.failed)
        if survived:
            yield f"{'':<24} survives {', '.join(survived)}"
        if fate.otherwise:
            yield f"{'':<24} fails outside the call in {', '.join(sorted(fate.otherwise))}"
    killing = {clause_id for fate in fates for clause_id in fate.failed if fate.mutant.clauses}
    broken = [fate for fate in fates if fate.mutant.clauses]
    dead = sum(fate.is_as_it_should for fate in broken)
    lawful = [fate for fate in fates if not fate.mutant.clauses]
    alive = sum(fate.is_as_it_should for fate in lawful)
    yield f"{dead} of {len(broken)} mutants die by the clauses they name; {alive} of {len(lawful)} lawful ones survive"
    total = [clause.clause_id for clause in clauses]
    yield f"{len(killing & set(total))} of {len(total)} clauses kill a mutant"
