"""The layout's version, as a series of migrations."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

import lmdb

from moltnet_core import Migration, MigrationFailedError
from moltnet_core.migrations import AppliedMigration
from moltnet_core.serialization import dumps, loads
from moltnet_core.timestamps import format_time, now
from moltnet_lmdb.environment import Environment
from moltnet_lmdb.keys import COUNTS, SPACES, key, prefix
from moltnet_lmdb.pages import Txn, tails

__all__ = ["MIGRATIONS", "LmdbMigrationLog"]


def _begin_counting(txn: Txn) -> None:
    txn.put(COUNTS, b"{}")


MIGRATIONS: Final = (Migration("lmdb", 1, "layout", sha256(" ".join(SPACES).encode()).hexdigest(), _begin_counting),)


class LmdbMigrationLog:
    """Which migrations a store has. A migration's ``up`` is given LMDB's write transaction.

    :param environment: gives the open file.
    """

    def __init__(self, environment: Callable[[], Environment]) -> None:
        self._environment = environment

    def read(self) -> list[AppliedMigration]:
        """See :meth:`moltnet_core.migrations.MigrationLog.read`."""
        return self._environment().read(_recorded)

    def apply(self, migration: Migration) -> bool:
        """See :meth:`moltnet_core.migrations.MigrationLog.apply`."""

        def work(txn: Txn) -> bool:
            at = key("migration", migration.series.encode(), b"%08d" % migration.version)
            if txn.get(at) is not None:
                return False
            try:
                migration.up(txn)
            except lmdb.MapFullError:
                raise
            except Exception as error:
                raise MigrationFailedError(
                    migration.series, migration.version, migration.name, type(error).__name__
                ) from error
            known = {"name": migration.name, "checksum": migration.checksum, "applied_at": format_time(now())}
            txn.put(at, dumps(known).encode())
            return True

        return self._environment().write(work)


def _recorded(txn: Txn) -> list[AppliedMigration]:
    found = []
    for tail in tails(txn, prefix("migration"), None, b"", 10**6):
        series, version = tail.decode().split("\0")
        found.append(AppliedMigration(series, int(version), **loads(txn.get(prefix("migration") + tail, b"").decode())))
    return found
