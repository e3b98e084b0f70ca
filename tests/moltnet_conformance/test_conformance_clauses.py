"""Clauses and the contract's sentences fit together."""

from __future__ import annotations

import re

from moltnet_conformance import all_clauses, sentences
from moltnet_conformance.catalogue import catalogue, coverage

CLAUSES = all_clauses()


def test_ids_are_unique_and_of_one_form() -> None:
    ids = [clause.clause_id for clause in CLAUSES]
    assert len(ids) == len(set(ids)) >= 150
    assert all(re.fullmatch(r"[A-Z]+-\d{3}", each) for each in ids)
    assert len({clause.method for clause in CLAUSES}) == len(ids)


def test_a_sentence_has_a_clause_or_says_why_not() -> None:
    referred = {key for clause in CLAUSES for key in clause.sentences}
    assert referred <= sentences().keys()
    for sentence in sentences().values():
        assert (sentence.key in referred) == (sentence.unless is None), sentence


def test_every_clause_refers_to_a_sentence() -> None:
    assert [clause.clause_id for clause in CLAUSES if not clause.sentences] == []


def test_the_lists_have_every_clause_and_every_sentence() -> None:
    listed = "\n".join(catalogue())
    assert [clause.clause_id for clause in CLAUSES if f"| `{clause.clause_id}` |" not in listed] == []
    covered = "\n".join(coverage())
    assert [key for key in sentences() if f"| {key} |" not in covered] == []
