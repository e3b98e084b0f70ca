"""Lists of the clauses and of the contract's sentences, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from moltnet_conformance.clauses import all_clauses
from moltnet_conformance.sentences import sentences

__all__ = ["catalogue", "coverage"]


def catalogue() -> Iterator[str]:
    """A table of every clause, group by group."""
    group = None
    for clause in sorted(all_clauses(), key=lambda each: each.group):
        if clause.group != group:
            group = clause.group
            yield from (
                "",
                f"## {group[0].upper()}{group[1:]}",
                "",
                "| clause | shows | of | sentences |",
                "|---|---|---|---|",
            )
        capability = f"without `{clause.lacks}`" if clause.lacks else clause.capability
        yield f"| `{clause.clause_id}` | {clause.title} | {capability} | {', '.join(clause.sentences)} |"


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
