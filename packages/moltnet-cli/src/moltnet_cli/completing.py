"""Completion of ids from the store, for a file that can be opened read-only: quick, silent, and without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from moltnet_core import Store

__all__ = ["conversations", "rooms"]

_MOST: Final = 50
_KINDS: Final = ("room:", "thread:", "dm:")


def rooms(ctx: click.Context, prefix: str) -> list[CompletionItem]:
    """Ids of rooms that begin so."""
    return _items(ctx, lambda store: _beginning(store, "room", prefix))


def conversations(ctx: click.Context, prefix: str) -> list[CompletionItem]:
    """Conversations that begin so; without a kind, those of every kind."""

    def found(store: Store) -> list[str]:
        kind, colon, start = prefix.partition(":")
        if colon:
            return [f"{kind}:{own_id}" for own_id in _beginning(store, kind, start)]
        kinds = [each for each in _KINDS if each.startswith(prefix)]
        return [f"{each}{own_id}" for each in kinds for own_id in _beginning(store, each[:-1], "")]

    return _items(ctx, found)


def _items(ctx: click.Context, find: Callable[[Store], list[str]]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    found: list[str] = []
    # Whatever is wrong, a person who presses a key wants no error.
    with suppress(Exception), _opened(ctx) as store:
        if store is not None:
            found = find(store)
    return [CompletionItem(value) for value in found[:_MOST]]


@contextmanager
def _opened(ctx: click.Context) -> Iterator[Store | None]:
    from moltnet_cli.stores import locate, on_warning, reading

    on_warning(ctx, lambda text: None)
    location = locate(ctx)
    # A server may keep the shell waiting.
    if not hasattr(location.settings, "path") or location.missing is not None:
        yield None
        return
    with reading(ctx, location) as store:
        yield store


def _beginning(store: Store, kind: str, prefix: str) -> list[str]:
    """Ids of a kind that begin so. An id that the shell would take for something else is left out."""
    from moltnet_core.identifiers import is_identifier

    found = []
    with store.snapshot() as snapshot:
        # The scan goes on behind an id, so one that is the prefix itself is asked for apart.
        exact = {"room": store.get_room, "thread": store.get_thread, "dm": store.get_dm}[kind](prefix)
        if exact is not None:
            found.append(prefix)
        for record in snapshot.scan(kind, prefix or None, _MOST, on_corrupt="skip"):
            if not record.id.startswith(prefix):
                break
            if "removed_at" not in record.times:
                found.append(record.id)
    return [each for each in found if is_identifier(each)]
