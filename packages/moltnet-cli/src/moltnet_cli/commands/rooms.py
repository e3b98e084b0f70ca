"""``rooms``: list, create, change members, remove."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.conversations import ROOM, was_removed
from moltnet_cli.failures import FOUND
from moltnet_cli.listing import print_pages
from moltnet_cli.networks import of_store
from moltnet_cli.options import Noun, Paging, dry_run_option, examples, globals_of, paging_options
from moltnet_cli.rendering import Column, note, print_json, print_rows, print_text, safe, warn
from moltnet_cli.stores import locate, reading, rehearsing, writing

if TYPE_CHECKING:
    from moltnet_core import Room, Store

__all__ = ["rooms"]

_COLUMNS: Final[tuple[Column[Room], ...]] = (
    Column("ID", lambda room: room.id),
    Column("NAME", lambda room: room.name),
    Column("NETWORK", lambda room: room.network_id, detail=True),
    Column("MEMBERS", lambda room: len(room.members), numeric=True),
    Column("VISIBILITY", lambda room: room.visibility),
    Column("WRITERS", lambda room: room.write_policy, detail=True),
    Column("CREATED", lambda room: room.created_at),
)


@click.group(cls=Noun)
def rooms() -> None:
    """List, create, change and remove rooms."""


@rooms.command("list", epilog=examples("moltnet-storage rooms list", "moltnet-storage rooms list --all --json"))
@paging_options
@click.pass_context
def list_(ctx: click.Context, limit: int | None, before: str | None, after: str | None, everything: bool) -> None:
    """List rooms by id, without removed ones."""
    paging = Paging(limit, before, after, everything)
    with reading(ctx) as store:
        print_pages(
            ctx,
            lambda page: store.list_rooms(page, on_corrupt="skip"),
            paging,
            _COLUMNS,
            empty="no rooms",
            by_id=True,
        )


@rooms.command(
    epilog=examples(
        "moltnet-storage rooms create general",
        "moltnet-storage rooms create ops --name Operations --member alice --member bob",
    )
)
@click.argument("room_id", metavar="ID")
@click.option("--name", default="", help="A name for people.  [the id]")
@click.option("--member", "members", multiple=True, metavar="AGENT", help="A member; may be repeated.")
@click.option(
    "--visibility", type=click.Choice(["private", "public"]), default="private", show_default=True, help="Who sees it."
)
@click.option(
    "--write-policy",
    type=click.Choice(["members", "registered_agents", "operators"]),
    default="members",
    show_default=True,
    help="Who may write.",
)
@dry_run_option
@click.pass_context
def create(
    ctx: click.Context,
    room_id: str,
    name: str,
    members: tuple[str, ...],
    visibility: str,
    write_policy: str,
    dry_run: bool,
) -> None:
    """Create a room, and the store if there is none. An id is taken for good, also when the room is removed."""
    from moltnet_core import Room, RoomExistsError
    from moltnet_core.validation import prepare_room

    def prepared(network: str) -> Room:
        return prepare_room(Room(room_id, network, name, members, visibility, write_policy))

    # A mistake is told before anything is opened, and nothing is created or upgraded for it.
    room_id = prepared(locate(ctx).surroundings().network).id
    with rehearsing(ctx, create=True, dry_run=dry_run) as seen:
        if seen is not None and (taken := _taken(seen, room_id)) is not None:
            raise RoomExistsError(room_id, removed=taken)
        room = prepared(of_store(ctx, seen))
    if not dry_run:
        with writing(ctx, create=True) as store:
            room = store.create_room(room)
    _show(ctx, room, f"the room {room.id} in the network {room.network_id}", "create", dry_run=dry_run)


@rooms.command(
    epilog=examples(
        "moltnet-storage rooms members general",
        "moltnet-storage rooms members general --add alice --remove bob",
    )
)
@click.argument("room_id", metavar="ROOM", type=ROOM)
@click.option("--add", multiple=True, metavar="AGENT", help="Add a member; may be repeated.")
@click.option("--remove", multiple=True, metavar="AGENT", help="Remove a member; may be repeated.")
@dry_run_option
@click.pass_context
def members(ctx: click.Context, room_id: str, add: tuple[str, ...], remove: tuple[str, ...], dry_run: bool) -> None:
    """Show a room's members, or add some and then remove some."""
    import attrs

    from moltnet_core.validation import prepare_members

    added, removed = prepare_members(add, "--add"), prepare_members(remove, "--remove")
    if not added and not removed:
        with reading(ctx) as store:
            room = _get(store, room_id)
    else:
        with rehearsing(ctx, create=False, dry_run=dry_run) as seen:
            room = _get(seen, room_id)
        if dry_run:
            room = attrs.evolve(room, members=tuple(sorted({*room.members, *added} - set(removed))))
            note("dry run: the members would be")
        else:
            with writing(ctx, create=False) as store:
                room = store.update_room_members(room_id, added, removed)
    if globals_of(ctx).as_json:
        print_json(_json(room), dry_run=dry_run)
        return
    print_rows(room.members, (Column[str]("MEMBER", lambda member: member),))
    if not room.members:
        note(f"the room {room.id} has no members")


@rooms.command(epilog=examples("moltnet-storage rooms remove old-room", "moltnet-storage rooms remove old-room --yes"))
@click.argument("room_id", metavar="ROOM", type=ROOM)
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@click.pass_context
def remove(ctx: click.Context, room_id: str, yes: bool, dry_run: bool) -> None:
    """Remove a room: its members go and nothing can be sent to it, its history stays, its id stays taken.

    At a terminal it asks first; elsewhere it wants --yes.
    """
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    if not yes and not dry_run and not at_terminal:
        raise click.UsageError("this cannot be undone, and nobody can be asked here: add --yes", ctx)
    around = locate(ctx).surroundings()
    if room_id in around.rooms:
        warn(
            f"{around.file} declares the room {room_id}: the Moltnet server does not start while a removed room "
            "is declared; take it out of the file's rooms as well"
        )
    with rehearsing(ctx, create=False, dry_run=dry_run) as seen:
        room = _get(seen, room_id)
    if not dry_run:
        if not yes:
            question = f"Remove the room {safe(room.id)} with {len(room.members)} member(s)? This cannot be undone."
            if not click.confirm(question, err=True):
                note("nothing was removed")
                ctx.exit(FOUND)
        with writing(ctx, create=False) as store:
            store.remove_room(room_id)
    _show(ctx, room, f"the room {room.id}", "remove", dry_run=dry_run)


def _get(store: Store | None, room_id: str) -> Room:
    from moltnet_core import RoomNotFoundError

    room = store.get_room(room_id) if store is not None else None
    if room is None:
        raise RoomNotFoundError(room_id)
    return room


def _taken(store: Store, room_id: str) -> bool | None:
    """Whether the id is a removed room's; ``None`` if it is free."""
    if store.get_room(room_id) is not None:
        return False
    return True if was_removed(store, room_id) else None


def _json(room: Room) -> dict[str, object]:
    from moltnet_core import to_json

    return to_json(room)


def _show(ctx: click.Context, room: Room, what: str, verb: str, *, dry_run: bool) -> None:
    if globals_of(ctx).as_json:
        print_json(_json(room), dry_run=dry_run)
    else:
        print_text(safe(f"{f'would {verb}' if dry_run else f'{verb}d'} {what}"))
