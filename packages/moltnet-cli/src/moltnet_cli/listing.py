"""Walking the pages of a listing and printing them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final, TypeVar

import click

from moltnet_cli.failures import FOUND
from moltnet_cli.options import Paging, globals_of
from moltnet_cli.rendering import Column, Rows, note, on_terminal, print_json

if TYPE_CHECKING:
    from moltnet_core import Page, PageRequest

__all__ = ["pages", "print_pages", "report_skipped"]

T = TypeVar("T")

_PAGE: Final = 250
"""Items a page when all are wanted: enough for speed, few enough for large messages."""


def pages(fetch: Callable[[PageRequest], Page[T]], paging: Paging, *, by_id: bool = False) -> Iterator[Page[T]]:
    """The page that was asked for, or with ``--all`` one after the other, oldest first.

    :param by_id: the listing is ordered by id, so that ``--before`` is a position.
    :raises InvalidCursorError: the cursor is not in the listing.
    """
    from moltnet_core import START, PageRequest
    from moltnet_core.walks import walk_pages

    after = START if paging.after == "START" else paging.after
    if not paging.everything:
        yield fetch(PageRequest(before=paging.before, after=after, limit=paging.limit))
        return
    reached = _end(fetch, paging.before, by_id=by_id)
    for page in walk_pages(fetch, cursor=None if after is START else after, page_size=_PAGE):
        kept = list(takewhile(lambda item: not reached(item), page.items))
        ended = len(kept) < len(page.items)
        yield type(page)(kept, page.info, page.skipped) if ended else page
        if ended:
            return


def _end(fetch: Callable[[PageRequest], Page[T]], before: str | None, *, by_id: bool) -> Callable[[T], bool]:
    """What says of an item that the walk has come to ``before``."""
    from moltnet_core import PageRequest
    from moltnet_core.paging import entry_id

    if before is None:
        return lambda item: False
    if by_id:
        return lambda item: entry_id(item) >= before
    # The item itself may be unreadable and never come by, so the walk also ends behind the last one before it.
    page = fetch(PageRequest(before=before, limit=_PAGE))
    if not page.items:
        return lambda item: True
    last = entry_id(page.items[-1])
    passed = False

    def reached(item: T) -> bool:
        nonlocal passed
        if passed or entry_id(item) == before:
            return True
        passed = entry_id(item) == last
        return False

    return reached


def print_pages(
    ctx: click.Context,
    fetch: Callable[[PageRequest], Page[T]],
    paging: Paging,
    columns: Sequence[Column[T]],
    *,
    empty: str,
    by_id: bool = False,
    check: Callable[[], None] | None = None,
    show: Callable[[Sequence[T]], None] | None = None,
) -> None:
    """Print pages as they come, and what there is to know about them on standard error.

    :param fetch: reads a page, leaving out what cannot be decoded.
    :param empty: what to say of a listing without items.
    :param by_id: the listing is ordered by id.
    :param check: called where nothing was found; raises what there is to raise if there cannot be anything.
    :param show: prints items at a terminal in another way than as a table.
    """
    from moltnet_core import to_json

    as_json = globals_of(ctx).as_json
    count = skipped = 0
    info = None
    rows = Rows(columns)
    progress = _Progress()
    for page in _explained(ctx, pages(fetch, paging, by_id=by_id), check):
        if as_json:
            for item in page.items:
                print_json(to_json(item))  # type: ignore[arg-type]  # every listing is of domain types
        elif show is not None and on_terminal():
            show(page.items)
        else:
            rows.print(page.items)
        count += len(page.items)
        skipped += page.skipped
        info = page.info
        progress.show(count)
    progress.clear()
    if not count and not skipped and check is not None:
        check()
    if by_id and (paging.after or "").upper() == "START" != paging.after:
        note(f"--after {paging.after} is a place among the ids; the oldest are after START")
    if not as_json:
        if not count and not skipped:
            note(empty)
        elif info is not None and info.has_more and not paging.everything:
            note(f"more: --after {info.next_after}" if paging.after else f"more: --before {info.next_before}")
    report_skipped(ctx, skipped)


def _explained(ctx: click.Context, found: Iterator[Page[T]], check: Callable[[], None] | None) -> Iterator[Page[T]]:
    """The pages, with an error for people where a cursor is not in the listing."""
    from moltnet_core import InvalidCursorError

    try:
        yield from found
    except InvalidCursorError as error:
        if check is not None:
            check()
        hint = "; START is written in capitals" if (error.cursor or "").upper() == "START" else ""
        raise click.UsageError(
            f"there is no id {error.cursor!r} in this listing; --before and --after take an id that it shows{hint}", ctx
        ) from None


def report_skipped(ctx: click.Context, skipped: int) -> None:
    """End with exit code 1 where records could not be read."""
    if skipped:
        click.echo(f"error: {skipped} record(s) could not be read and were left out", err=True)
        ctx.exit(FOUND)


class _Progress:
    """A count on standard error, for somebody who waits at a terminal while the output goes elsewhere."""

    def __init__(self) -> None:
        self._wanted = sys.stderr is not None and sys.stderr.isatty() and not on_terminal()
        self._pages = 0

    def show(self, count: int) -> None:
        self._pages += 1
        if self._wanted and self._pages > 1:
            click.echo(f"\r{count} read", nl=False, err=True)

    def clear(self) -> None:
        if self._wanted and self._pages > 1:
            click.echo("\r\x1b[K", nl=False, err=True)
