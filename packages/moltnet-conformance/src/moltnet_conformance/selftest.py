"""``selftest``: the kit is judged by the mutants, each of which has to die by the clauses that it names."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest

from moltnet_conformance.clause import Clause
from moltnet_conformance.mutants import Mutant
from moltnet_conformance.uninstalled import loaded

__all__ = ["Fate", "fates", "suites"]

ENOUGH = 5  # clauses that a lawful mutant fails
SUITE = """
from moltnet_conformance.selftest import suites

globals().update(suites({references!r}))
"""


@attrs.frozen
class Fate:
    """What became of a mutant.

    :param failed: by the ids of clauses that failed on it in their call, what they said.
    :param otherwise: the same of clauses that failed before or after it.
    :param passed: ids of clauses that passed.
    """

    mutant: Mutant
    failed: Mapping[str, str]
    otherwise: Mapping[str, str]
    passed: frozenset[str]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it did not die by each clause that it names; or, of a lawful one, what did not pass."""
        mutant = self.mutant
        found = [f"{mutant.name} fails outside the call of {key}: {said}" for key, said in self.otherwise.items()]
        if mutant.is_lawful:
            found += [f"{mutant.name}, which is lawful, fails {key}: {said}" for key, said in self.failed.items()]
            return tuple(found if found or self.passed else [f"no clause was run on {mutant.name}"])
        for key in mutant.clauses:
            if key in self.failed or key in self.otherwise:
                continue
            survived = "survives" if key in self.passed else "was not tried by"
            found.append(f"{mutant.name} {survived} {key}: {mutant.fault}")
        return tuple(found)

    @property
    def is_as_it_should(self) -> bool:
        """Whether each named clause killed it, or, of a lawful one, none did."""
        return not self.problems


def suites(references: Iterable[str]) -> dict[str, type[Any]]:
    """A class of tests for each mutant, of the clauses that it names, or of all.

    :param references: of mutants, see :attr:`Mutant.reference`.
    """
    from moltnet_conformance.suite import CLAUSES, ClauseFixtures

    made = {}
    for mutant in loaded(references):
        assert isinstance(mutant, Mutant)
        held: dict[str, Any] = {
            name: staticmethod(clause.body) for name, clause in CLAUSES.items() if _holds(mutant, clause)
        }
        made[f"Test{mutant.name}"] = type(f"Test{mutant.name}", (ClauseFixtures,), held | {"harness": mutant.harness()})
    return made


def _holds(mutant: Mutant, clause: Clause) -> bool:
    if mutant.is_lawful:
        return clause.applies_to(mutant.backend.capabilities)
    return clause.clause_id in mutant.clauses


class _Watch:
    """Notes what became of each clause, and tries no further values of one that has failed.

    A lawful mutant that has failed some is tried no further at all.
    """

    def __init__(self, mutants: Iterable[Mutant]) -> None:
        self.lawful = {mutant.name for mutant in mutants if mutant.is_lawful}
        self.failed: dict[str, dict[str, str]] = {}
        self.otherwise: dict[str, dict[str, str]] = {}
        self.passed: dict[str, set[str]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        name, clause_id = _place(item.nodeid)
        failed = self.failed.get(name, {})
        if clause_id in failed or (name in self.lawful and len(failed) >= ENOUGH):
            pytest.skip("it has failed already")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name, clause_id = _place(report.nodeid)
        if report.failed:
            noted = self.failed if report.when == "call" else self.otherwise
            noted.setdefault(name, {})[clause_id] = _said(report)
        elif report.when == "call" and report.passed:
            self.passed.setdefault(name, set()).add(clause_id)

    def fate(self, mutant: Mutant) -> Fate:
        name = mutant.name
        return Fate(
            mutant, self.failed.get(name, {}), self.otherwise.get(name, {}), frozenset(self.passed.get(name, ()))
        )


def _place(nodeid: str) -> tuple[str, str]:
    """The mutant and the clause of a test."""
    _, suite, test = nodeid.split("::", 2)
    group, number = test.removeprefix("test_").split("_")[:2]
    return suite.removeprefix("Test"), f"{group.upper()}-{number}"


def _said(report: pytest.TestReport) -> str:
    """The error of a report and where it was raised, on one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return " ".join(str(report.longrepr).split())[-200:]
    said = crash.message.split("\n", 1)[0][:160] or "it failed"
    return f"{said} ({Path(crash.path).name}:{crash.lineno})"


def fates(mutants: Iterable[Mutant]) -> list[Fate]:
    """Runs what is to kill each mutant, and on a lawful one all that applies.

    :raises RuntimeError: they could not be run.
    """
    chosen = list(mutants)
    watch = _Watch(chosen)
    with TemporaryDirectory(prefix="moltnet-selftest-") as folder:
        # A name of its own, as a process may do this more than once.
        suite = Path(folder, f"test_{Path(folder).name.replace('-', '_')}.py")
        suite.write_text(SUITE.format(references=[each.reference for each in chosen]), "utf-8")
        ini = Path(folder, "pytest.ini")
        ini.write_text("[pytest]\n", "utf-8")
        options = ["-q", "--tb=line", "--assert=plain", "-p", "no:cacheprovider", "--rootdir", folder, "-c", str(ini)]
        said = io.StringIO()
        with redirect_stdout(said):
            status = pytest.main([*options, str(suite)], plugins=[watch])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the mutants could not be run:\n{said.getvalue()}")
    return [watch.fate(each) for each in chosen]
