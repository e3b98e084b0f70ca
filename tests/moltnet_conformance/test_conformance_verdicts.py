"""What a run comes to, from what became of its tests."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from moltnet_conformance.clause import Clause
from moltnet_conformance.judging import Judgement, Plan, State, judge
from moltnet_conformance.reporting import lines


def body() -> None: ...


CLAUSES = [
    Clause("A-001", "a", (), body),
    Clause("A-002", "a", (), body),
    Clause("B-001", "b", (), body, needs=("persistent",)),
    Clause("C-001", "c", (), body, needs=("watch",)),
    Clause("C-002", "c", (), body, lacks="watch"),
]
ITEMS = {"a1": "A-001", "a2[x]": "A-002", "a2[y]": "A-002", "b1": "B-001", "c2": "C-002"}


def judged(deviations: Mapping[str, str] | None = None, /, **changed: State | None) -> Judgement:
    """A run in which everything passed but what is said otherwise; ``None`` did not run."""
    plan = Plan("T", "mydb", ("persistent",), deviations or {}, ITEMS)
    outcomes = dict.fromkeys(ITEMS, State.PASSED)
    for name, state in changed.items():
        for item in [each for each in ITEMS if each.startswith(name)][-1:]:
            if state is None:
                del outcomes[item]
            else:
                outcomes[item] = state
    return judge(plan, CLAUSES, outcomes, 1.0)


def test_everything_passed() -> None:
    judgement = judged()
    assert judgement.verdict == "CONFORMANT contract 1.0"
    assert judgement.is_conformant
    assert list(judgement.states) == ["A-001", "A-002", "B-001", "C-002"]  # what is declared, and what is not
    assert list(lines(judgement))[-1] == "mydb: CONFORMANT contract 1.0"


@pytest.mark.parametrize("item", ["a1", "a2", "b1", "c2"])
def test_a_failure(item: str) -> None:
    assert judged(None, **{item: State.FAILED}).verdict == "NOT CONFORMANT"
    assert judged(None, **{"b1" if item != "b1" else "a1": None, item: State.FAILED}).verdict == "NOT CONFORMANT"


@pytest.mark.parametrize("item", ["a1", "a2", "b1", "c2"])
@pytest.mark.parametrize("state", [None, State.NOT_RUN])
def test_something_that_did_not_run_or_was_skipped(item: str, state: State | None) -> None:
    judgement = judged(None, **{item: state})
    assert judgement.verdict == "INCOMPLETE"
    assert not judgement.is_conformant


def test_a_suite_from_which_a_clause_is_missing() -> None:
    plan = Plan("T", "mydb", ("persistent",), {}, {name: each for name, each in ITEMS.items() if each != "B-001"})
    assert judge(plan, CLAUSES, dict.fromkeys(ITEMS, State.PASSED), 1.0).verdict == "INCOMPLETE"


def test_a_deviation_of_a_capability() -> None:
    judgement = judged({"B-001": "issue 12"}, b1=State.DEVIATES)
    assert judgement.verdict == "CONFORMANT WITH 1 DEVIATIONS"
    assert judgement.is_conformant
    assert any("issue 12" in line for line in lines(judgement))


def test_a_deviation_from_what_is_required() -> None:
    assert judged({"A-001": "issue 12"}, a1=State.DEVIATES).verdict == "NOT CONFORMANT"


def test_a_deviation_that_passes() -> None:
    judgement = judged({"B-001": "issue 12"})
    assert judgement.verdict == "NOT CONFORMANT"
    assert judgement.problems == ("B-001, named as a deviation, passes",)


def test_a_deviation_of_some_values_of_a_clause_is_one() -> None:
    assert judged({"A-002": "x"}, a2=State.DEVIATES).states["A-002"] is State.DEVIATES


def test_a_deviation_from_a_clause_that_does_not_apply() -> None:
    assert judged({"C-001": "issue 12"}).verdict == "NOT CONFORMANT"
