"""The hooks: what the entry point ``activity`` names."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from moltnet_activity.counting import Counted, count
from moltnet_activity.engines import ENGINES
from moltnet_activity.migrations import migrations
from moltnet_activity.reconciling import reconcile
from moltnet_core import (
    AppendResult,
    Backend,
    ReadOnlyStoreError,
    StorageFullError,
    Store,
    StoreBusyError,
    StoreUnavailableError,
    hookimpl,
)
from moltnet_core.migrations import Migration

__all__: list[str] = []

_log = logging.getLogger("moltnet_activity")


@hookimpl
def moltnet_migrations(backend: Backend) -> Sequence[Migration]:
    """The tables, on the backends that this plugin knows."""
    engine = ENGINES.get(backend.migration_target or "")
    return migrations(engine) if engine else ()


@hookimpl
def moltnet_store_opened(store: Store) -> None:
    """Count what was stored unseen: before a crash, by ``load``, by the Go server, without this plugin."""
    if store.backend.migration_target not in ENGINES or store.read_only:
        return
    try:
        reconcile(store)
    except (ReadOnlyStoreError, StorageFullError, StoreBusyError, StoreUnavailableError) as error:
        # A tally that lags is no reason to be without the store. The next open tries again.
        _log.warning("the activity of rooms could not be brought up to date: %s", error)


@hookimpl
def moltnet_message_appended(store: Store, result: AppendResult, batch: Sequence[AppendResult]) -> None:
    """Count what was appended, once a call and not once a message: each transaction costs a sync of the disk."""
    if result is not batch[-1] or store.backend.migration_target not in ENGINES:
        return
    found = [counted for each in batch if (counted := Counted.of(each.message)) is not None]
    count(store, found)
