"""What a run says of the backends that it judged: for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from moltnet_conformance.clause import CONTRACT_VERSION
from moltnet_conformance.judging import Judgement, State

__all__ = ["lines", "to_json", "write_report"]


def lines(judgement: Judgement) -> Iterator[str]:
    """A table by capability, what speaks against the backend, and the verdict."""
    plan = judgement.plan
    yield f"{plan.suite}: {', '.join(plan.capabilities) or 'no trait and no power'} ({judgement.seconds:.1f} s)"
    yield f"  {'capability':<28}" + "".join(f"{state:>10}" for state in State)
    for capability, counts in judgement.by_capability().items():
        yield f"  {capability:<28}" + "".join(f"{counts[state] or '-':>10}" for state in State)
    for problem in judgement.problems:
        yield f"  {problem}"
    for clause_id, state in judgement.states.items():
        if state is State.DEVIATES:
            yield f"  {clause_id} deviates: {plan.deviations[clause_id]}"
    for note in judgement.notes:
        yield f"  {note}"
    yield f"{plan.backend}: {judgement.verdict}"


def to_json(judgement: Judgement) -> dict[str, Any]:
    """A judgement as plain data."""
    plan = judgement.plan
    return {
        "suite": plan.suite,
        "backend": plan.backend,
        "capabilities": list(plan.capabilities),
        "verdict": judgement.verdict,
        "conformant": judgement.is_conformant,
        "problems": list(judgement.problems),
        "notes": list(judgement.notes),
        "seconds": round(judgement.seconds, 3),
        "clauses": [
            {
                "id": clause.clause_id,
                "title": clause.title,
                "group": clause.group,
                "capability": clause.capability,
                "sentences": list(clause.sentences),
                "state": str(judgement.states[clause.clause_id]),
                "deviation": plan.deviations.get(clause.clause_id),
            }
            for clause in judgement.clauses.values()
        ],
    }


def write_report(path: Path, judgements: Sequence[Judgement]) -> None:
    """Writes all judgements of a run into a JSON file."""
    data = {"contract": CONTRACT_VERSION, "suites": [to_json(each) for each in judgements]}
    path.write_text(json.dumps(data, indent=2) + "\n", "utf-8")
