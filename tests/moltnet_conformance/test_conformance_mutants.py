"""The kit notices what is broken, and nothing else."""

from __future__ import annotations

import subprocess
import sys

from moltnet_conformance import all_clauses
from moltnet_conformance.mutants import all_mutants

MUTANTS = all_mutants()
SELFTEST = """
from moltnet_conformance.mutants import all_mutants
from moltnet_conformance.selftest import fates, matrix

found = fates([mutant for mutant in all_mutants() if {condition}])
print("\\n".join(matrix(found, ())))
raise SystemExit(not found or not all(fate.is_as_it_should for fate in found))
"""


def selftest(condition: str) -> str:
    """What the self-test of some mutants says; in a process of its own, for it is a run of pytest."""
    command = [sys.executable, "-c", SELFTEST.format(condition=condition)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mutants_name_clauses_that_there_are() -> None:
    known = {clause.clause_id for clause in all_clauses()}
    assert {clause_id for mutant in MUTANTS for clause_id in mutant.clauses} <= known
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))
    assert len([mutant for mutant in MUTANTS if mutant.clauses]) >= 40
    assert len([mutant for mutant in MUTANTS if not mutant.clauses]) >= 5


def test_every_mutant_dies_in_the_call_of_each_clause_that_it_names() -> None:
    selftest("mutant.clauses")


def test_a_lawful_backend_that_is_odd_survives() -> None:
    selftest("mutant.name == 'OwnErrors'")
