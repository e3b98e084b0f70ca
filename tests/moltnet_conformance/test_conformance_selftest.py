"""The self-test can fail: it is run on mutants that are not as they should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import attrs
import pytest

from moltnet_conformance import all_clauses
from moltnet_conformance.app import main
from moltnet_conformance.matrix import LEFT_OUT, Matrix
from moltnet_conformance.mutants import Mutant, all_mutants
from moltnet_conformance.selftest import Fate

MODULE = """
from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import StoreUnavailableError
from moltnet_memory.driver import MemoryDriver

mutant = Collection()

@mutant("nothing at all", "ROOM-001", "ROOM-002")
class Survivor(MemoryDriver):
    pass

@mutant("it cannot be opened", "ROOM-001")
class FailsBefore(MemoryDriver):
    def __init__(self):
        raise StoreUnavailableError("it never can")

@mutant("it names a clause that there is not", "ROOM-999")
class NamesNothing(MemoryDriver):
    pass

@mutant("it counts nothing", "STORE-002")
class Killed(MemoryDriver):
    def counts(self):
        return type(super().counts())()

@mutant("lawful, it says, and loses rooms")
class NotLawful(MemoryDriver):
    def create_room(self, room):
        pass
"""
COMMAND = """
import sys
import mine
import moltnet_conformance.mutants

moltnet_conformance.mutants.all_mutants = lambda: tuple(mine.mutant)
from moltnet_conformance.app import main

raise SystemExit(main(["selftest", "--report", sys.argv[1]]))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Any]:
    """The exit status of the command on mutants that are wrong in every way, what it says, and its report."""
    folder = tmp_path_factory.mktemp("selftest")
    (folder / "mine.py").write_text(MODULE, "utf-8")
    report = folder / "matrix.json"
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, str(report)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    return done.returncode, done.stdout, json.loads(report.read_text("utf-8"))


def problems(outcome: tuple[int, str, Any], name: str) -> list[str]:
    (found,) = [mutant["problems"] for mutant in outcome[2]["mutants"] if mutant["name"] == name]
    return list(found)


def test_the_command_fails_and_lists_every_problem(outcome: tuple[int, str, Any]) -> None:
    status, said, report = outcome
    assert (status, report["verdict"]) == (1, "FAILED")
    assert said.rstrip().endswith("selftest: FAILED")
    assert len(report["problems"]) > 100  # hardly a clause kills anything here
    assert [each for each in report["problems"] if f"! {each}" not in said] == []


def test_a_mutant_that_survives_its_clause_is_told_with_its_fault(outcome: tuple[int, str, Any]) -> None:
    assert problems(outcome, "Survivor") == [
        "Survivor survives ROOM-001: nothing at all",
        "Survivor survives ROOM-002: nothing at all",
    ]


def test_dying_before_the_call_is_no_kill(outcome: tuple[int, str, Any]) -> None:
    (problem,) = problems(outcome, "FailsBefore")
    assert problem.startswith("FailsBefore fails outside the call of ROOM-001: ")
    assert "StoreUnavailableError" in problem
    kills = {clause["id"]: clause["kills"] for clause in outcome[2]["clauses"]}
    assert kills["ROOM-001"] == []


def test_a_clause_that_is_not_there_was_not_tried(outcome: tuple[int, str, Any]) -> None:
    assert problems(outcome, "NamesNothing") == [
        "NamesNothing was not tried by ROOM-999: it names a clause that there is not"
    ]


def test_a_mutant_that_dies_as_it_should_says_where(outcome: tuple[int, str, Any]) -> None:
    (killed,) = [mutant for mutant in outcome[2]["mutants"] if mutant["name"] == "Killed"]
    assert killed["problems"] == []
    assert "opening.py:" in killed["killed_by"]["STORE-002"]


def test_a_lawful_one_that_fails_is_told_with_the_clause(outcome: tuple[int, str, Any]) -> None:
    found = problems(outcome, "NotLawful")
    assert any(each.startswith("NotLawful, which is lawful, fails STORE-002: ") for each in found)
    assert "NotLawful" not in json.dumps(outcome[2]["clauses"])  # what a lawful one fails kills no mutant


def test_a_required_clause_that_kills_nothing_is_told(outcome: tuple[int, str, Any]) -> None:
    assert "ROOM-003 is required and kills no mutant" in outcome[2]["problems"]
    assert "STORE-002 is required and kills no mutant" not in outcome[2]["problems"]


# -- the matrix alone --------------------------------------------------------------------------------


def as_it_should(mutant: Mutant) -> Fate:
    """The fate of a mutant that is as it should be."""
    return Fate(mutant, dict.fromkeys(mutant.clauses, "it failed"), {}, frozenset(["ROOM-001"]))


ALL = tuple(as_it_should(mutant) for mutant in all_mutants())
CLAUSES = all_clauses()


def without(clause_id: str) -> tuple[Fate, ...]:
    """All fates, with no mutant that is held to a clause."""
    return tuple(
        as_it_should(attrs.evolve(fate.mutant, clauses=named or ("STORE-002",)))
        for fate in ALL
        for named in [tuple(each for each in fate.mutant.clauses if each != clause_id)]
        if not fate.mutant.is_lawful
    ) + tuple(fate for fate in ALL if fate.mutant.is_lawful)


def test_all_as_it_should_be_passes() -> None:
    matrix = Matrix(ALL, CLAUSES)
    assert (matrix.problems, matrix.verdict) == ([], "PASSED")


def test_one_required_clause_that_kills_nothing_is_enough_to_fail() -> None:
    matrix = Matrix(without("ROOM-001"), CLAUSES)
    assert matrix.problems == ["ROOM-001 is required and kills no mutant"]
    assert matrix.verdict == "FAILED"


def test_a_clause_of_a_capability_that_kills_nothing_is_named_in_the_summary() -> None:
    matrix = Matrix(without("KILL-002"), CLAUSES)
    assert matrix.verdict == "PASSED"
    assert "(not KILL-002)" in "\n".join(matrix.summary())


def test_what_was_left_out_makes_it_incomplete() -> None:
    matrix = Matrix(ALL, CLAUSES, is_complete=False)
    assert matrix.verdict == "INCOMPLETE"
    assert list(matrix.lines())[-2:] == [LEFT_OUT, "selftest: INCOMPLETE"]


def test_too_few_lawful_ones_are_a_problem() -> None:
    broken = tuple(fate for fate in ALL if not fate.mutant.is_lawful)
    assert Matrix(broken, CLAUSES).problems == ["there are 0 lawful mutants, and 5 are needed"]


def test_a_lawful_one_on_which_nothing_ran_is_a_problem() -> None:
    lawful = next(fate for fate in ALL if fate.mutant.is_lawful)
    assert attrs.evolve(lawful, passed=frozenset()).problems == (f"no clause was run on {lawful.mutant.name}",)


def test_the_help_says_what_a_verdict_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["selftest", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "INCOMPLETE" in said
    assert "--report FILE" in said
