"""``tail``: the newest messages, and those to come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from moltnet_cli.conversations import CONVERSATION, Conversation
from moltnet_cli.failures import INTERRUPTED
from moltnet_cli.listing import report_skipped
from moltnet_cli.messages import COLUMNS, show_messages
from moltnet_cli.options import MAX_LIMIT, NumberType, Verb, examples, globals_of
from moltnet_cli.rendering import Rows, note, on_terminal, print_json, warn
from moltnet_cli.stores import reading

if TYPE_CHECKING:
    from moltnet_core import Message, Page, PageRequest

__all__ = ["Follower", "tail"]

_OVERLAP: Final = 100
_DEFAULT: Final = 10


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage tail room:general",
        "moltnet-storage tail room:general --limit 0 --json | jq .parts",
        "moltnet-storage tail dm:d1 --no-follow",
    ),
)
@click.argument("conversation", type=CONVERSATION)
@click.option(
    "--limit", type=NumberType(0, MAX_LIMIT), default=_DEFAULT, show_default=True, help="How many to begin with."
)
@click.option(
    "--interval",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for more, until Ctrl-C.")
@click.pass_context
def tail(ctx: click.Context, conversation: Conversation, limit: int, interval: float, follow: bool) -> None:
    """Show the newest messages of a conversation and follow it.

    CONVERSATION is room:ID, thread:ID or dm:ID; when it is followed, it need not exist yet. When the store cannot be
    reached for a while, it says so and tries again. Ctrl-C ends it, with exit code 130.
    """
    with reading(ctx) as store:
        follower = Follower(conversation.reader(store))
        printer = _printer(as_json=globals_of(ctx).as_json)
        try:
            shown = follower.begin(limit)
            printer(shown)
            if not shown and not follow:
                conversation.check_exists(store)
            if follow:
                if not shown and limit:
                    unknown = "" if conversation.exists(store) else " (there is no such conversation yet)"
                    note(f"no messages in {conversation} yet; waiting{unknown}")
                _follow(follower, printer, interval)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        report_skipped(ctx, follower.skipped)


class Follower:
    """Finds the messages that are new since the last look.

    Messages come in the order of their times, which is not quite the order of their commits: one that took longer to
    write may appear before one that was shown. So each look begins a hundred messages back, and what was shown
    is left out.

    :param fetch: reads a page.
    """

    def __init__(self, fetch: Callable[[PageRequest], Page[Message]]) -> None:
        self._fetch = fetch
        self._known: list[str] = []
        self._anchor: Any = None
        self.skipped = 0

    def begin(self, limit: int) -> list[Message]:
        """The newest messages, at most ``limit``; from now on they count as shown, and all before them."""
        from moltnet_core import START, PageRequest

        page = self._fetch(PageRequest(limit=max(limit, _OVERLAP)))
        self._known = [message.id for message in page.items]
        # Without anything before the page, what appears there later is new as well.
        self._anchor = page.info.next_before or START
        shown = list(page.items)[len(page.items) - limit :] if limit < len(page.items) else list(page.items)
        self.skipped = page.skipped
        return shown

    def look(self) -> Iterator[list[Message]]:
        """Messages that were not shown yet, some at a time."""
        from moltnet_core import PageRequest

        shown = set(self._known)
        seen: list[str] = []
        cursor = self._anchor
        while True:
            page = self._fetch(PageRequest(after=cursor, limit=MAX_LIMIT))
            new = [message for message in page.items if message.id not in shown]
            seen += [message.id for message in page.items]
            if new:
                yield new
            # Kept up at every page: a look that fails half-way must not show anything twice.
            shown.update(message.id for message in new)
            self._known = list(shown)
            if page.info.next_after is None:
                break
            cursor = page.info.next_after
        self._move_on(seen)

    def _move_on(self, seen: list[str]) -> None:
        if len(seen) > _OVERLAP:
            recent = seen[-_OVERLAP - 1 :]
            self._anchor, seen = recent[0], recent
        elif isinstance(self._anchor, str):
            seen = [self._anchor, *seen]
        self._known = seen


def _follow(follower: Follower, printer: Callable[[list[Message]], None], interval: float) -> None:
    from moltnet_core import StoreBusyError, StoreUnavailableError

    told = False
    while True:
        time.sleep(interval)
        try:
            for messages in follower.look():
                printer(messages)
            told = False
        except (StoreBusyError, StoreUnavailableError) as error:
            if not told:
                warn(f"{error}; trying again")
            told = True


def _printer(*, as_json: bool) -> Callable[[list[Message]], None]:
    from moltnet_core import to_json

    rows = Rows(COLUMNS)

    def show(messages: list[Message]) -> None:
        if as_json:
            for message in messages:
                print_json(to_json(message))
        elif on_terminal():
            show_messages(messages)
        else:
            rows.print(messages)
        if sys.stdout is not None:
            sys.stdout.flush()

    return show
