"""The kit notices what is broken, and nothing else."""

from __future__ import annotations

import subprocess
import sys

from moltnet_conformance import all_clauses
from moltnet_conformance.mutants import all_mutants
from moltnet_conformance.uninstalled import loaded

MUTANTS = all_mutants()
BROKEN = [mutant for mutant in MUTANTS if not mutant.is_lawful]
SAMPLE = [mutant.reference for mutant in BROKEN[::5]]  # tests/reliability has the whole
SELFTEST = """
from moltnet_conformance.selftest import fates
from moltnet_conformance.uninstalled import loaded

problems = [problem for fate in fates(loaded({references!r})) for problem in fate.problems]
print("\\n".join(problems))
raise SystemExit(len(problems))
"""
WITHOUT_SQLITE = """
import sys
sys.modules["moltnet_sqlite"] = None
from moltnet_conformance.mutants import all_mutants, are_complete
print(are_complete(), len(all_mutants()))
"""


def run(script: str) -> str:
    """What a script says; in a process of its own, for a self-test is a run of pytest."""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mutants_name_clauses_that_there_are() -> None:
    known = {clause.clause_id for clause in all_clauses()}
    assert {clause_id for mutant in MUTANTS for clause_id in mutant.clauses} <= known
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))


def test_every_required_clause_is_named_by_one() -> None:
    named = {clause_id for mutant in BROKEN for clause_id in mutant.clauses}
    idle = [clause.clause_id for clause in all_clauses() if clause.capability == "required"]
    assert [clause_id for clause_id in idle if clause_id not in named] == []


def test_there_are_enough_of_each_kind() -> None:
    on_files = [mutant for mutant in BROKEN if "persistent" in mutant.backend.traits and mutant.migrations]
    assert len(BROKEN) >= 100
    assert len(on_files) >= 15
    assert len(MUTANTS) - len(BROKEN) >= 5


def test_each_is_imported_by_its_reference() -> None:
    assert loaded(mutant.reference for mutant in MUTANTS) == list(MUTANTS)


def test_without_the_extra_those_on_files_are_left_out() -> None:
    complete, number = run(WITHOUT_SQLITE).split()
    assert complete == "False"
    assert 100 <= int(number) < len(MUTANTS)


def test_a_sample_dies_in_the_call_of_each_clause_that_it_names() -> None:
    run(SELFTEST.format(references=SAMPLE))


def test_a_lawful_backend_that_is_odd_survives() -> None:
    run(SELFTEST.format(references=["moltnet_conformance.mutants.lawful:mutant.OwnErrors"]))
