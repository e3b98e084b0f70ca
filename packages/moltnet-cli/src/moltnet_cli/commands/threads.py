"""``threads``: those of a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.conversations import ROOM, Conversation
from moltnet_cli.listing import print_pages
from moltnet_cli.options import Paging, Verb, examples, paging_options
from moltnet_cli.rendering import Column
from moltnet_cli.stores import reading

if TYPE_CHECKING:
    from moltnet_core import Thread

__all__ = ["threads"]

_COLUMNS: Final[tuple[Column[Thread], ...]] = (
    Column("ID", lambda thread: thread.id),
    Column("PARENT", lambda thread: thread.parent_message_id),
    Column("MESSAGES", lambda thread: thread.message_count, numeric=True),
    Column("LAST MESSAGE", lambda thread: thread.last_message_at),
)


@click.command(cls=Verb, epilog=examples("moltnet-storage threads general", "moltnet-storage threads general --all"))
@click.argument("room_id", metavar="ROOM", type=ROOM)
@paging_options
@click.pass_context
def threads(
    ctx: click.Context, room_id: str, limit: int | None, before: str | None, after: str | None, everything: bool
) -> None:
    """List the threads of a room by id."""
    paging = Paging(limit, before, after, everything)
    with reading(ctx) as store:
        print_pages(
            ctx,
            lambda page: store.list_threads(room_id, page, on_corrupt="skip"),
            paging,
            _COLUMNS,
            empty=f"no threads in {room_id}",
            check=lambda: Conversation("room", room_id).check_exists(store),
            by_id=True,
        )
