"""What every peewee database of this project has in common, and what plugins may do with one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import peewee

from moltnet_core.errors import ReadOnlyStoreError, UnsupportedCapabilityError
from moltnet_core.store import Store
from moltnet_sql.driver import SqlDriver

__all__ = ["QuietLogMixin", "transaction"]

_log = logging.getLogger("moltnet_sql")


class QuietLogMixin:
    """Logs statements without their parameters, which hold messages and credentials."""

    def _log_query(self, sql: str, params: Any) -> None:
        _log.debug("%s", sql)


@contextmanager
def transaction(store: Store) -> Iterator[peewee.Database]:
    """A writing transaction on a store's database, for plugins that keep tables of their own.

    It commits when the block ends and rolls back when it raises. What the store is asked to write in the block, in the
    same thread, is part of it.

    :raises UnsupportedCapabilityError: the store is not kept in an SQL database.
    :raises ReadOnlyStoreError: the store was opened read-only.
    """
    driver = store.driver
    if not isinstance(driver, SqlDriver):
        raise UnsupportedCapabilityError("SQL transactions", store.backend.name)
    if store.read_only:
        raise ReadOnlyStoreError
    with driver.transaction(write=True) as database:
        yield database
