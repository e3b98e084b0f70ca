"""The hooks: every function that a plugin may implement.

A plugin is a module (or any object) with functions of these names, marked with :data:`hookimpl`. It may leave out
arguments that it does not need. A misspelt hook is an error when the plugin is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pluggy

from moltnet_core.backend import Backend
from moltnet_core.migrations import Migration
from moltnet_core.types import AppendResult

if TYPE_CHECKING:
    from moltnet_core.store import Store

__all__ = [
    "PROJECT",
    "hookimpl",
    "moltnet_after_migrate",
    "moltnet_before_migrate",
    "moltnet_call",
    "moltnet_message_appended",
    "moltnet_migrations",
    "moltnet_register_backend",
    "moltnet_store_closing",
    "moltnet_store_opened",
]

PROJECT = "moltnet_storage"

hookspec = pluggy.HookspecMarker(PROJECT)

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as an implementation of a hook."""


@hookspec
def moltnet_register_backend() -> Backend:  # type: ignore[empty-body]
    """The backend that this plugin provides.

    For modules in the entry-point group ``moltnet.storage``, each of which yields exactly one.
    """


@hookspec
def moltnet_migrations(backend: Backend) -> Sequence[Migration]:  # type: ignore[empty-body]
    """Migrations to apply to stores of a backend.

    A backend gives its own series; another plugin adds series for the ``backend.migration_target`` values that it
    knows (``"sql:sqlite"``, …), and ``()`` for others. What they create is named ``<series>_…`` and must be harmless
    to the Go server.
    """


@hookspec
def moltnet_before_migrate(store: Store, plan: Sequence[Migration]) -> None:
    """Called before missing migrations are applied, outside any lock; to back up first, for instance.

    :param store: not migrated yet: only what works with ``migrate="later"`` works.
    :param plan: what will be applied, in order.
    :raises Exception: any error keeps the migrations from being applied and fails the open.
    """


@hookspec
def moltnet_after_migrate(store: Store, applied: Sequence[Migration]) -> None:
    """Called after migrations were applied, outside any lock. An error is logged."""


@hookspec
def moltnet_store_opened(store: Store) -> None:
    """Called when a store is ready for use. What keeps something current beside it catches up here.

    :raises Exception: any error fails the open.
    """


@hookspec
def moltnet_store_closing(store: Store) -> None:
    """Called when a store is about to be closed and still works. An error is logged.

    Not for one that was never ready for use: whose open failed, or that was opened with ``migrate="later"`` and not
    migrated.
    """


@hookspec
def moltnet_message_appended(store: Store, result: AppendResult, batch: Sequence[AppendResult]) -> None:
    """Called after the commit for each appended message, in the caller's thread.

    It is called for a replayed message too (``result.replayed``), since whoever tried again may have been cut off
    before this call. It does not see what a crash swallowed, what ``load`` brought, or what another process wrote.
    An error is logged and changes nothing.

    :param batch: the results of the whole call, in order, ``result`` among them. Who does one thing for all of them
        does it at the last: ``if result is batch[-1]``.
    """


@hookspec
def moltnet_call(store: Store, name: str) -> AbstractContextManager[object] | None:
    """Called for each call of a store: to trace or time it, for instance.

    The call is made inside the context that is returned, in the same thread. The context learns of an error of the
    call's and cannot suppress it. An error of the hook's or the context's own is logged and changes nothing. Neither
    may call the store.

    :param name: the method's name. A page of a walk is a call of the listing's method, and a page of a snapshot's
        records a call of ``entries``.
    :returns: a context manager, or ``None`` for nothing.
    """
