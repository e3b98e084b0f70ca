"""``tail``: the newest messages, and those to come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.conversations import CONVERSATION, Conversation
from moltnet_cli.failures import INTERRUPTED
from moltnet_cli.listing import report_skipped
from moltnet_cli.messages import COLUMNS, show_messages
from moltnet_cli.options import MAX_LIMIT, NumberType, Verb, examples, globals_of
from moltnet_cli.rendering import Rows, note, on_terminal, print_json, warn
from moltnet_cli.stores import reading

if TYPE_CHECKING:
    from moltnet_core import Message, Store, Watch

__all__ = ["follow", "tail"]

_DEFAULT: Final = 10
_PAUSE: Final = 1.0  # seconds between two tries while the store cannot be reached


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage tail room:general",
        "moltnet-storage tail room:general --limit 0 --json | jq .parts",
        "moltnet-storage tail dm:d1 --no-follow",
        "moltnet-storage tail room:general --after msg_1 --no-follow --json",
    ),
)
@click.argument("conversation", type=CONVERSATION)
@click.option(
    "--limit", type=NumberType(0, MAX_LIMIT), default=_DEFAULT, show_default=True, help="How many to begin with."
)
@click.option("--after", metavar="ID", help="Begin after this message instead, and show all since.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for more, until Ctrl-C.")
@click.pass_context
def tail(ctx: click.Context, conversation: Conversation, limit: int, after: str | None, follow: bool) -> None:
    """Show the newest messages of a conversation and follow it.

    CONVERSATION is room:ID, thread:ID or dm:ID; when it is followed, it need not exist yet. What is new comes in the
    order in which it was stored. When the store cannot be reached for a while, it says so and tries again. Ctrl-C ends
    it, with exit code 130.
    """
    with reading(ctx) as store:
        tailing = _Tail(store, conversation, _printer(as_json=globals_of(ctx).as_json))
        try:
            if after is not None:
                tailing.since(after, forever=follow)
            elif follow:
                tailing.newest_and_new(limit)
            elif not tailing.newest(limit):
                conversation.check_exists(store)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        report_skipped(ctx, tailing.skipped)


class _Tail:
    """Shows the messages of a conversation.

    :param show: prints some of them.
    """

    def __init__(self, store: Store, conversation: Conversation, show: Callable[[list[Message]], None]) -> None:
        self._store = store
        self._conversation = conversation
        self._show = show
        self.skipped = 0

    def newest(self, limit: int) -> list[str]:
        """Show the newest, at most ``limit``; their ids."""
        from moltnet_core import PageRequest

        if not limit:
            return []
        page = self._conversation.reader(self._store)(PageRequest(limit=limit))
        self.skipped = page.skipped
        self._show(list(page.items))
        return [message.id for message in page.items]

    def newest_and_new(self, limit: int) -> None:
        """Show the newest, and then what comes."""
        with self._conversation.watch(self._store, timeout=_PAUSE, patience=0) as watch:
            shown = set(self.newest(limit))  # some of which the watch may have as well: it was there before
            if not shown and limit:
                unknown = "" if self._conversation.exists(self._store) else " (there is no such conversation yet)"
                note(f"no messages in {self._conversation} yet; waiting{unknown}")
            for message in follow(watch):
                if message.id in shown:
                    shown.discard(message.id)
                else:
                    self._show([message])

    def since(self, after: str, *, forever: bool) -> None:
        """Show what came after a message and, with ``forever``, what comes."""
        options = {"timeout": _PAUSE, "patience": 0} if forever else {"timeout": 0, "on_corrupt": "skip"}
        with self._conversation.watch(self._store, after=after, **options) as watch:
            for message in follow(watch) if forever else watch:
                self._show([message])


def follow(watch: Watch) -> Iterator[Message]:
    """What a watch without patience, and with a timeout, gives; an error is said once, and tried again."""
    from moltnet_core import CorruptRecordError, StoreBusyError, StoreUnavailableError

    told = False
    while True:
        try:
            for message in watch:
                told = False
                yield message
            told = False
        except CorruptRecordError as error:
            warn(f"{error}; left out")
        except (StoreBusyError, StoreUnavailableError) as error:
            if not told:
                warn(f"{error}; trying again")
            told = True
            time.sleep(_PAUSE)


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
