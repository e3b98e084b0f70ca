"""The paging arithmetic: from what a driver read to a page (contract, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from moltnet_core.errors import CorruptRecordError, ValidationError
from moltnet_core.events import RECORD_SKIPPED
from moltnet_core.types import AgentRegistration, Page, PageInfo, Start

__all__ = ["OnCorrupt", "check_on_corrupt", "entry_id", "make_page", "without_corrupt"]

OnCorrupt = Literal["raise", "skip"]


def check_on_corrupt(value: object) -> None:
    """:raises ValidationError: neither ``"raise"`` nor ``"skip"``."""
    if value not in ("raise", "skip"):
        raise ValidationError("on_corrupt", 'expected "raise" or "skip"')


def entry_id(entry: Any) -> str:
    """The id of an item that a driver read, also of one that it could not decode."""
    if isinstance(entry, CorruptRecordError):
        return entry.record_id
    found: str = entry.agent_id if isinstance(entry, AgentRegistration) else entry.id
    return found


def without_corrupt(entries: Sequence[Any], on_corrupt: OnCorrupt) -> tuple[Any, ...]:
    """The entries that could be decoded.

    :raises CorruptRecordError: one could not, and ``on_corrupt`` is ``"raise"``.
    """
    corrupt = [entry for entry in entries if isinstance(entry, CorruptRecordError)]
    if not corrupt:
        return tuple(entries)
    if on_corrupt == "raise":
        raise corrupt[0]
    for error in corrupt:
        table, record_id, problem = error.table, error.record_id, error.problem
        RECORD_SKIPPED.log(
            "skipped the record %r in %s: %s",
            record_id,
            table,
            problem,
            table=table,
            record_id=record_id,
            problem=problem,
        )
    return tuple(entry for entry in entries if not isinstance(entry, CorruptRecordError))


def make_page(
    entries: Sequence[Any], after: str | Start | None, limit: int, on_corrupt: OnCorrupt, *, behind: bool
) -> Page[Any]:
    """A page of what a driver read when it was asked for one item more than ``limit``.

    A corrupt entry counts for ``has_more`` and serves as a cursor like any other.

    :param behind: whether items exist on the other side of the page, against the direction of travel.
    """
    more = len(entries) > limit
    if after is not None:
        entries = entries[:limit]
        older, newer = behind, more
    else:
        entries = entries[-limit:]
        older, newer = more, behind
    info = PageInfo(
        more,
        entry_id(entries[0]) if entries and older else None,
        entry_id(entries[-1]) if entries and newer else None,
    )
    items = without_corrupt(entries, on_corrupt)
    return Page(items, info, len(entries) - len(items))
