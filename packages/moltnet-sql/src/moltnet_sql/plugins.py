"""What plugins may do with the database of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee

from moltnet_core.errors import UnsupportedCapabilityError
from moltnet_core.store import Store
from moltnet_sql.driver import SqlDriver
from moltnet_sql.errors import raise_refused

__all__ = ["transaction"]


@contextmanager
def transaction(store: Store, *, write: bool = True) -> Iterator[peewee.Database]:
    """A transaction on a store's database, for plugins that keep tables of their own.

    It commits when the block ends and rolls back when it raises. What the store is asked in the block, in the same
    thread, is part of it. Inside the block errors of statements are peewee's.

    :param write: whether anything is to be written. A block that only reads sees one state throughout, keeps nobody
        from writing, and works in a store that was opened read-only. The engine need not refuse what it writes.
    :raises UnsupportedCapabilityError: the store is not kept in an SQL database.
    :raises ReadOnlyStoreError: it is to write, and the store was opened read-only or the block around it only reads.
    :raises MigrationRequiredError: the store was opened with ``migrate="later"`` and not migrated yet.
    :raises StatementError: the engine refused a statement of the block.
    :raises StoreBusyError: a lock was not had in time; so for the contract's other errors of the place.
    """
    driver = store.driver
    if not isinstance(driver, SqlDriver):
        raise UnsupportedCapabilityError("SQL transactions", store.backend.name)
    with store.held(write=write), driver.transaction(write=write) as database:
        try:
            yield database
        except Exception as error:
            raise_refused(driver.dialect, error)
            raise
