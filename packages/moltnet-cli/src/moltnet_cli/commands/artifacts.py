"""``artifacts``: what messages carry besides text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.conversations import CONVERSATION, Conversation
from moltnet_cli.listing import print_pages
from moltnet_cli.options import Paging, Verb, examples, paging_options
from moltnet_cli.rendering import Column
from moltnet_cli.stores import reading

if TYPE_CHECKING:
    from moltnet_core import Artifact

__all__ = ["artifacts"]

_COLUMNS: Final[tuple[Column[Artifact], ...]] = (
    Column("CREATED", lambda artifact: artifact.created_at),
    Column("ID", lambda artifact: artifact.id, detail=True),
    Column("CONVERSATION", lambda artifact: f"{artifact.target.kind}:{artifact.target.conversation_id}"),
    Column("KIND", lambda artifact: artifact.kind),
    Column("TYPE", lambda artifact: artifact.media_type, detail=True),
    Column("FILE", lambda artifact: artifact.filename),
    Column("URL", lambda artifact: artifact.url),
)


@click.command(
    cls=Verb,
    epilog=examples("moltnet-storage artifacts", "moltnet-storage artifacts room:general --all --json"),
)
@click.argument("conversation", metavar="[CONVERSATION]", type=CONVERSATION, required=False)
@paging_options
@click.pass_context
def artifacts(
    ctx: click.Context,
    conversation: Conversation | None,
    limit: int | None,
    before: str | None,
    after: str | None,
    everything: bool,
) -> None:
    """List artifacts by time, of a conversation (a room's with its threads) or of all.

    CONVERSATION is room:ID, thread:ID or dm:ID.
    """
    paging = Paging(limit, before, after, everything)
    chosen = conversation.artifact_filter() if conversation is not None else None
    with reading(ctx) as store:
        print_pages(
            ctx,
            lambda page: store.list_artifacts(chosen, page, on_corrupt="skip"),
            paging,
            _COLUMNS,
            empty="no artifacts" if conversation is None else f"no artifacts in {conversation}",
            check=None if conversation is None else lambda: conversation.check_exists(store),
        )
