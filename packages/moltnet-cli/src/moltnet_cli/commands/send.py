"""``send``: append a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from moltnet_cli.conversations import CONVERSATION, ROOM, Conversation
from moltnet_cli.networks import of_conversation
from moltnet_cli.options import Verb, dry_run_option, examples, globals_of
from moltnet_cli.rendering import note, print_json, print_text, read_input, safe
from moltnet_cli.stores import rehearsing, writing

if TYPE_CHECKING:
    from moltnet_core import AppendResult, Message, Part, Store, Target

__all__ = ["send"]


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage send room:general 'Hello' --from alice",
        "moltnet-storage send thread:t1 'A reply' --from bob --room general --parent msg_1",
        "moltnet-storage send dm:d1 'Between us' --from alice --with bob",
        "moltnet-storage send room:general --from alice --url https://example.org/a.png --media-type image/png",
        "git log -1 | moltnet-storage send room:ops - --from ci",
    ),
)
@click.argument("conversation", type=CONVERSATION)
@click.argument("text", required=False)
@click.option("--from", "sender", required=True, metavar="AGENT", help="Who says it.")
@click.option("--from-type", default="agent", show_default=True, metavar="TYPE", help="What the sender is.")
@click.option("--id", "message_id", default="", metavar="ID", help="The message's id.  [a new one]")
@click.option("--mention", "mentions", multiple=True, metavar="AGENT", help="Whom it mentions; may be repeated.")
@click.option("--url", help="Attach what is at a URL (http, https or molt).")
@click.option("--file", "--filename", "filename", metavar="NAME", help="Attach a file's name. Its content is not kept.")
@click.option("--media-type", metavar="TYPE", help="What the attachment is.  [guessed from its name]")
@click.option("--data", multiple=True, metavar="JSON", help="Attach a JSON object; may be repeated.")
@click.option("--room", type=ROOM, metavar="ROOM", help="The room of a new thread.")
@click.option("--parent", metavar="ID", help="The message that a new thread hangs on.")
@click.option("--with", "partners", multiple=True, metavar="AGENT", help="Whom a new dm: is with; may be repeated.")
@dry_run_option
@click.pass_context
def send(
    ctx: click.Context,
    conversation: Conversation,
    text: str | None,
    sender: str,
    from_type: str,
    message_id: str,
    mentions: tuple[str, ...],
    url: str | None,
    filename: str | None,
    media_type: str | None,
    data: tuple[str, ...],
    room: str | None,
    parent: str | None,
    partners: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Append a message to a conversation.

    CONVERSATION is room:ID, thread:ID or dm:ID; a room has to exist. TEXT may be left out where something is attached;
    - reads it from standard input. A thread or a direct conversation is created by its first message.
    """
    from moltnet_core import Actor, Message
    from moltnet_core.types import new_message_id

    _check_options(ctx, conversation, room=room, parent=parent, partners=partners)
    parts = _parts(ctx, text, url, filename, media_type, data)
    if filename and not url:
        note("of a file only the name is stored, not its content")
    with rehearsing(ctx, create=False, dry_run=dry_run) as seen:
        target = _target(ctx, seen, conversation, sender, room, parent, partners)
        network = of_conversation(ctx, seen, conversation, target.room_id)
        message = Message(network, target, Actor(from_type, sender), parts, mentions, message_id or new_message_id())
        result = _rehearse(seen, message)
    if not dry_run:
        with writing(ctx, create=False) as store:
            result = store.append_message(message)
    _show(ctx, conversation, result, dry_run=dry_run)


# -- what is said ------------------------------------------------------------------------------------


def _parts(
    ctx: click.Context,
    text: str | None,
    url: str | None,
    filename: str | None,
    media_type: str | None,
    data: tuple[str, ...],
) -> tuple[Part, ...]:
    from moltnet_core import Part

    parts = []
    for name, value in (("TEXT", text), ("--url", url), ("--file", filename), ("--media-type", media_type)):
        _check_utf8(ctx, name, value)
    for value in data:
        _check_utf8(ctx, "--data", value)
    if text == "-":
        try:
            text = read_input().decode()
        except UnicodeDecodeError:
            raise click.UsageError("standard input is not UTF-8 text", ctx) from None
        text = text.removesuffix("\n").removesuffix("\r")
    if text:
        parts.append(Part("text", text))
    if url or filename:
        media_type = media_type or _guess(filename or url or "")
        parts.append(Part(_kind(media_type, filename), url=url, filename=filename, media_type=media_type))
    elif media_type:
        raise click.UsageError("--media-type goes with --url or --file", ctx)
    parts += [Part("data", data=_object(ctx, each)) for each in data]
    if not parts:
        raise click.UsageError("nothing to send: give a TEXT, --url, --file or --data", ctx)
    return tuple(parts)


def _check_utf8(ctx: click.Context, name: str, value: str | None) -> None:
    """Bytes of an argument that are not UTF-8 come as lone surrogates."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise click.UsageError(f"{name} is not UTF-8", ctx) from None


def _guess(name: str) -> str | None:
    import mimetypes

    return mimetypes.guess_type(name)[0]


def _kind(media_type: str | None, filename: str | None) -> str:
    general = (media_type or "").partition("/")[0].lower()
    if general in {"image", "audio"}:
        return general
    return "file" if filename else "url"


def _object(ctx: click.Context, text: str) -> dict[str, Any]:
    from moltnet_core.serialization import loads

    try:
        value = loads(text)
    except ValueError as error:
        raise click.UsageError(f"--data is not JSON: {error}", ctx) from None
    if not isinstance(value, dict):
        raise click.UsageError("--data: expected a JSON object, such as '{\"key\": 1}'", ctx)
    return value


# -- where it is said --------------------------------------------------------------------------------


def _check_options(
    ctx: click.Context, conversation: Conversation, *, room: str | None, parent: str | None, partners: tuple[str, ...]
) -> None:
    if conversation.kind != "thread" and (room or parent):
        raise click.UsageError(f"--room and --parent are for thread:ID, not for {conversation}", ctx)
    if conversation.kind != "dm" and partners:
        raise click.UsageError(f"--with is for dm:ID, not for {conversation}", ctx)


def _target(
    ctx: click.Context,
    store: Store | None,
    conversation: Conversation,
    sender: str,
    room: str | None,
    parent: str | None,
    partners: tuple[str, ...],
) -> Target:
    """The target, with what the store knows of the conversation where the options do not say it."""
    from moltnet_core import Target

    if conversation.kind == "room":
        return Target.room(conversation.id)
    if conversation.kind == "thread":
        thread = store.get_thread(conversation.id) if store is not None else None
        room = room or (thread.room_id if thread is not None else None)
        if room is None:
            raise click.UsageError(f"there is no {conversation} yet: say with --room in which room it is", ctx)
        return Target.thread(
            room, conversation.id, parent or (thread.parent_message_id if thread is not None else None)
        )
    dm = store.get_dm(conversation.id) if store is not None else None
    known = dm.participant_ids if dm is not None else (sender,)
    if dm is None and not partners:
        raise click.UsageError(f"there is no {conversation} yet: say with --with whom it is", ctx)
    return Target.dm(conversation.id, dict.fromkeys((*known, *partners)))


def _check_room(store: Store | None, target: Target) -> None:
    from moltnet_core import RoomNotFoundError

    if store is not None and target.room_id is not None and store.get_room(target.room_id) is None:
        raise RoomNotFoundError(target.room_id)


def _rehearse(store: Store | None, message: Message) -> AppendResult:
    """What an append would give, or raise."""
    from moltnet_core import AppendResult, Duplicate, DuplicateMessageError, ThreadRoomMismatchError
    from moltnet_core.derivation import derive
    from moltnet_core.validation import prepare_message

    new = derive(prepare_message(message))
    if store is None:  # only where there may be no store yet, which send does not accept
        return AppendResult(new.message, new.thread, new.dm)
    target = new.message.target
    if store.get_message(new.message.id) is not None:
        raise DuplicateMessageError([Duplicate(0, new.message.id, identical=False)])
    _check_room(store, target)
    thread = store.get_thread(new.thread.id) if new.thread is not None else None
    if new.thread is not None and thread is not None and thread.room_id != new.thread.room_id:
        raise ThreadRoomMismatchError(thread.id, new.thread.room_id, thread.room_id)
    dm = store.get_dm(new.dm.id) if new.dm is not None else None
    return AppendResult(new.message, None if thread else new.thread, None if dm else new.dm)


def _show(ctx: click.Context, conversation: Conversation, result: AppendResult, *, dry_run: bool) -> None:
    from moltnet_core import to_json

    if globals_of(ctx).as_json:
        print_json(to_json(result), dry_run=dry_run)
        return
    print_text(safe(f"{'would append' if dry_run else 'appended'} {result.message.id} to {conversation}"))
    if result.thread_created is not None:
        where = f"the thread {result.thread_created.id} in the room {result.thread_created.room_id}"
        print_text(safe(f"{'would create' if dry_run else 'created'} {where}"))
    if result.dm_created is not None:
        who = ", ".join(result.dm_created.participant_ids)
        print_text(safe(f"{'would create' if dry_run else 'created'} the direct conversation of {who}"))
