"""Lists of the clauses and of the contract's sentences, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from moltnet_conformance.clause import REQUIRED, Clause
from moltnet_conformance.clauses import all_clauses
from moltnet_conformance.sentences import sentences

__all__ = ["catalogue", "coverage"]


def catalogue() -> Iterator[str]:
    """A table of every clause, group by group, in the order of the contract's reading."""
    groups: dict[str, list[Clause]] = {}
    for clause in all_clauses():
        groups.setdefault(clause.group, []).append(clause)
    for group, clauses in groups.items():
        yield from ("", f"## {group[0].upper()}{group[1:]}", "")
        yield from ("| clause | shows | of | since | sentences |", "|---|---|---|---|---|")
        for clause in sorted(clauses, key=lambda each: each.clause_id):
            capability = f"without `{clause.lacks}`" if clause.lacks else _declared(clause)
            keys = ", ".join(clause.sentences)
            yield f"| `{clause.clause_id}` | {clause.title} | {capability} | {clause.since} | {keys} |"


def _declared(clause: Clause) -> str:
    return " + ".join(f"`{each}`" for each in sorted(clause.needs)) or REQUIRED


def coverage() -> Iterator[str]:
    """A table of every sentence, with its clauses or why it has none."""
    yield from ("| | sentence | clauses |", "|---|---|---|")
    covering: dict[str, list[str]] = {}
    for clause in all_clauses():
        for key in clause.sentences:
            covering.setdefault(key, []).append(f"`{clause.clause_id}`")
    for sentence in sentences().values():
        text = sentence.text.replace("|", "\\|")
        yield f"| {sentence.key} | {text} | {', '.join(covering.get(sentence.key, ())) or f'none: {sentence.unless}'} |"
