"""``read``: messages of a conversation."""

from __future__ import annotations

import click

from moltnet_cli.conversations import CONVERSATION, Conversation
from moltnet_cli.listing import print_pages
from moltnet_cli.messages import COLUMNS, show_messages
from moltnet_cli.options import Paging, Verb, examples, paging_options
from moltnet_cli.stores import reading

__all__ = ["read"]


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage read room:general",
        "moltnet-storage read thread:t1 --after START --limit 20",
        "moltnet-storage read dm:d1 --all --json > dm.jsonl",
    ),
)
@click.argument("conversation", type=CONVERSATION)
@paging_options
@click.pass_context
def read(
    ctx: click.Context,
    conversation: Conversation,
    limit: int | None,
    before: str | None,
    after: str | None,
    everything: bool,
) -> None:
    """Show messages of a conversation, oldest first: the newest, or those around one.

    CONVERSATION is room:ID, thread:ID or dm:ID. The history of a removed room can be read.
    """
    paging = Paging(limit, before, after, everything)
    with reading(ctx) as store:
        print_pages(
            ctx,
            conversation.reader(store),
            paging,
            COLUMNS,
            empty=f"no messages in {conversation}",
            check=lambda: conversation.check_exists(store),
            show=show_messages,
        )
