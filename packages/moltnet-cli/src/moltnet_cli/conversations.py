"""Conversations as they are written on the command line: ``room:general``, ``thread:t1``, ``dm:d1``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from moltnet_core import ArtifactFilter, Message, Page, PageRequest, Store, Watch

__all__ = ["CONVERSATION", "ROOM", "Conversation", "ConversationType", "RoomType", "was_removed"]

_KINDS: Final = ("room", "thread", "dm")


class Conversation(NamedTuple):
    """A conversation: ``str()`` writes it as the command line does."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    def reader(self, store: Store) -> Callable[[PageRequest], Page[Message]]:
        """What reads pages of its messages, leaving out what cannot be decoded."""
        method = {
            "room": store.list_room_messages,
            "thread": store.list_thread_messages,
            "dm": store.list_dm_messages,
        }[self.kind]
        return lambda page: method(self.id, page, on_corrupt="skip")

    def watch(self, store: Store, **options: Any) -> Watch:
        """Follows its messages.

        :param options: of :meth:`moltnet_core.Store.watch`.
        """
        options[f"{self.kind}_id"] = self.id
        return store.watch(**options)

    def exists(self, store: Store) -> bool:
        """Whether there is such a conversation; a removed room is one, whose history is kept."""
        get: dict[str, Callable[[str], Any]] = {"room": store.get_room, "thread": store.get_thread, "dm": store.get_dm}
        return get[self.kind](self.id) is not None or (self.kind == "room" and was_removed(store, self.id))

    def check_exists(self, store: Store) -> None:
        """End with exit code 1 where there is no such conversation.

        :raises click.ClickException: there is none.
        """
        if not self.exists(store):
            what = f"room {self.id}" if self.kind == "room" else f"conversation {self}"
            raise click.ClickException(f"there is no {what}")

    def artifact_filter(self) -> ArtifactFilter:
        """The filter for its artifacts."""
        from moltnet_core import ArtifactFilter

        return ArtifactFilter(**{f"{self.kind}_id": self.id})


def was_removed(store: Store, room_id: str) -> bool:
    """Whether the id is a removed room's."""
    with store.snapshot() as snapshot:
        records = snapshot.records("room", on_corrupt="skip")
        return any(record.id == room_id and "removed_at" in record.times for record in records)


if TYPE_CHECKING:
    _ConversationParameter = click.ParamType[Conversation]
    _RoomParameter = click.ParamType[str]
else:  # older versions of click have no generic one
    _ConversationParameter = _RoomParameter = click.ParamType


class ConversationType(_ConversationParameter):
    """An argument that names a conversation."""

    name = "conversation"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Conversation:
        """Its kind and id, split at the first colon."""
        if isinstance(value, Conversation):
            return value
        kind, colon, own_id = str(value).partition(":")
        if kind not in _KINDS or not colon or not own_id:
            hint = f"; did you mean room:{kind}?" if kind and not colon and kind not in _KINDS else ""
            self.fail(f"expected room:ID, thread:ID or dm:ID, not {value!r}{hint}", param, ctx)
        return Conversation(kind, own_id)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Conversations of the store that begin so."""
        from moltnet_cli.completing import conversations

        return conversations(ctx, incomplete)


class RoomType(_RoomParameter):
    """An argument that is a room's id."""

    name = "room"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Rooms of the store whose ids begin so."""
        from moltnet_cli.completing import rooms

        return rooms(ctx, incomplete)


CONVERSATION: Final = ConversationType()
ROOM: Final = RoomType()
