"""What plugins may do with the database of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee

from moltnet_core.errors import UnsupportedCapabilityError
from moltnet_core.store import Store
from moltnet_sql.driver import SqlDriver

__all__ = ["transaction"]


@contextmanager
def transaction(store: Store) -> Iterator[peewee.Database]:
    """A writing transaction on a store's database, for plugins that keep tables of their own.

    It commits when the block ends and rolls back when it raises. What the store is asked to write in the block, in the
    same thread, is part of it.

    :raises UnsupportedCapabilityError: the store is not kept in an SQL database.
    :raises ReadOnlyStoreError: the store was opened read-only.
    :raises MigrationRequiredError: the store was opened with ``migrate="later"`` and not migrated yet.
    """
    driver = store.driver
    if not isinstance(driver, SqlDriver):
        raise UnsupportedCapabilityError("SQL transactions", store.backend.name)
    with store.held(write=True), driver.transaction(write=True) as database:
        yield database
