"""The network that what is written carries: the one that is named, else that of what it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.rendering import warn
from moltnet_cli.stores import locate

if TYPE_CHECKING:
    from moltnet_cli.conversations import Conversation
    from moltnet_core import Store

__all__ = ["networks_of", "of_conversation", "of_store"]

_SHOWN: Final = 5


def networks_of(store: Store) -> list[str]:
    """The networks of a store's rooms and agents, or of its direct conversations where it has neither."""
    found: set[str] = set()
    with store.snapshot() as snapshot:
        for kinds in (("room", "agent"), ("dm",)):
            for kind in kinds:
                for record in snapshot.records(kind, on_corrupt="skip"):
                    network = getattr(record.value, "network_id", "")
                    # A removed room may have been the very mistake.
                    if network and "removed_at" not in record.times:
                        found.add(network)
            if found:
                break
    return sorted(found)


def of_store(ctx: click.Context, store: Store | None) -> str:
    """The network for what belongs to nothing yet.

    :param store: ``None`` for one that will be created.
    :raises click.UsageError: no network is named, and the store holds several.
    """
    around = locate(ctx).surroundings()
    if around.named or store is None:
        return around.network
    found = networks_of(store)
    if len(found) > 1:
        shown = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
        raise click.UsageError(f"the store holds several networks ({shown}): say with --network which one", ctx)
    return found[0] if found else around.network


def of_conversation(ctx: click.Context, store: Store | None, conversation: Conversation, room_id: str | None) -> str:
    """The network for a message. One that is named goes before the conversation's, with a warning.

    :param room_id: the room that the conversation is in or is, if any.
    :raises click.UsageError: no network is named, the conversation is new, and the store holds several.
    """
    around = locate(ctx).surroundings()
    own = _own(store, conversation, room_id) if store is not None else None
    if own and around.named and own != around.network:
        warn(f"{conversation} belongs to the network {own}, and what is written carries {around.network}")
    return around.network if around.named else own or of_store(ctx, store)


def _own(store: Store, conversation: Conversation, room_id: str | None) -> str | None:
    if room_id is not None:
        room = store.get_room(room_id)
        return room.network_id if room is not None else None
    dm = store.get_dm(conversation.id)
    return dm.network_id if dm is not None else None
