"""``dms``: direct conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.listing import print_pages
from moltnet_cli.options import Paging, Verb, examples, paging_options
from moltnet_cli.rendering import Column
from moltnet_cli.stores import reading

if TYPE_CHECKING:
    from moltnet_core import DirectConversation

__all__ = ["dms"]

_COLUMNS: Final[tuple[Column[DirectConversation], ...]] = (
    Column("ID", lambda dm: dm.id),
    Column("PARTICIPANTS", lambda dm: ", ".join(dm.participant_ids)),
    Column("MESSAGES", lambda dm: dm.message_count, numeric=True),
    Column("LAST MESSAGE", lambda dm: dm.last_message_at),
)


@click.command(cls=Verb, epilog=examples("moltnet-storage dms", "moltnet-storage dms --after dm_42 --limit 10"))
@paging_options
@click.pass_context
def dms(ctx: click.Context, limit: int | None, before: str | None, after: str | None, everything: bool) -> None:
    """List direct conversations by id."""
    paging = Paging(limit, before, after, everything)
    with reading(ctx) as store:
        print_pages(
            ctx,
            lambda page: store.list_dms(page, on_corrupt="skip"),
            paging,
            _COLUMNS,
            empty="no direct conversations",
            by_id=True,
        )
