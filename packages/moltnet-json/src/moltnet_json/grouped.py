"""Appends of several callers in one rewrite of the file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from moltnet_core.driver import Appended, NewMessage
from moltnet_core.errors import MoltnetError
from moltnet_core.grouping import BY_ITSELF
from moltnet_memory import Changes, Tables

__all__ = ["plan_grouped"]


def plan_grouped(
    tables: Tables, batches: Sequence[Sequence[NewMessage]]
) -> tuple[Changes, Sequence[Sequence[Appended] | object]]:
    """Plan batches: all as if they were one, or, if something is wrong with one, each after the others.

    :returns: the changes, and an answer for each batch: :data:`~moltnet_core.grouping.BY_ITSELF` where something was
        wrong, of which nothing is planned.
    """
    try:
        changes, appended = tables.plan_append([new for batch in batches for new in batch], retry=False)
    except MoltnetError:
        changes = {}
    else:
        rest = iter(appended)
        return changes, [list(islice(rest, len(batch))) for batch in batches]
    answers: list[Sequence[Appended] | object] = []
    for batch in batches:
        try:
            changes, answer = tables.plan_append(batch, retry=False, after=changes)
        except MoltnetError:  # whoever does it by itself finds out what is wrong
            answers.append(BY_ITSELF)
        else:
            answers.append(answer)
    return changes, answers
