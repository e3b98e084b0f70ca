"""Walking a listing page by page in either direction, and what its pages must say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from moltnet_core import START, Page, PageRequest

__all__ = ["Fetch", "backwards", "forwards", "page_problems"]

Fetch = Callable[[PageRequest], Page[Any]]


def _fuse(limit: int, pages: Sequence[Page[Any]]) -> None:
    if len(pages) > limit:
        raise AssertionError(f"the walk does not end: {len(pages)} pages")


def forwards(fetch: Fetch, size: int, most: int = 10_000) -> list[Page[Any]]:
    """All pages from the oldest on, following ``next_after``."""
    pages = [fetch(PageRequest(after=START, limit=size))]
    while pages[-1].info.next_after is not None:
        pages.append(fetch(PageRequest(after=pages[-1].info.next_after, limit=size)))
        _fuse(most, pages)
    return pages


def backwards(fetch: Fetch, size: int, most: int = 10_000) -> list[Page[Any]]:
    """All pages from the newest back, following ``next_before``; in the listing's order."""
    pages = [fetch(PageRequest(limit=size))]
    while pages[-1].info.next_before is not None:
        pages.append(fetch(PageRequest(before=pages[-1].info.next_before, limit=size)))
        _fuse(most, pages)
    return pages[::-1]


def page_problems(pages: Sequence[Page[Any]], ids: Sequence[str], size: int, *, forward: bool) -> list[str]:
    """What is wrong with the pages of a listing that holds these ids (corrupt ones included).

    Every page but the last one walked to is full; ``has_more``, ``next_before`` and ``next_after`` say what is there.
    """
    problems, place = [], 0
    last = len(pages) - 1 if forward else 0
    for index, page in enumerate(pages):
        info, length = page.info, len(page.items) + page.skipped
        own = ids[place : place + length]
        older, newer = place > 0, place + length < len(ids)
        place += length
        if length != size and index != last:
            problems.append(f"page {index} of size {size} has {length} items")
        wanted = (
            newer if forward else older,
            own[0] if own and older else None,
            own[-1] if own and newer else None,
        )
        if (info.has_more, info.next_before, info.next_after) != wanted:
            problems.append(f"page {index} of size {size} says {info}, expected {wanted}")
    if place != len(ids):
        problems.append(f"{place} items at size {size}, expected {len(ids)}")
    return problems
