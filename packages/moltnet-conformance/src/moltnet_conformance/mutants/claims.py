"""Claims that are not true, and what is not claimed."""

from __future__ import annotations

from collections.abc import Sequence

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import ConfigError
from moltnet_core.config import StoreUrl, bare_url
from moltnet_core.migrations import AppliedMigration, Migration
from moltnet_memory.driver import MemoryDriver

mutant = Collection()


@mutant("it claims to outlive its process", "OPEN-001", "OPEN-003", "KILL-001", traits=("persistent",))
class ClaimsPersistence(MemoryDriver):
    pass


@mutant("it claims to read only, and writes", "POWER-004", powers=("read_only",))
class ClaimsReadOnly(MemoryDriver):
    pass


@mutant("it claims migrations, and has none", "MIGR-002", "POWER-011", powers=("migrations",), traits=("persistent",))
class ClaimsMigrations(MemoryDriver):
    pass


@mutant("it says that it keeps milliseconds", "HARN-002", time_digits=3)
class KeepsThreeDigits(MemoryDriver):
    pass


def without_mode(url: StoreUrl) -> dict[str, str]:
    """The settings of a URL that may not say how it is opened."""
    if url.read_only:
        raise ConfigError(url.redacted, "mode", "is no setting of this backend")
    return dict(bare_url(url))


@mutant("a URL that asks for reading only is wrong for it, not unsupported", "POWER-001", from_url=without_mode)
class ModeIsNoSetting(MemoryDriver):
    pass


class _Log:
    def read(self) -> Sequence[AppliedMigration]:
        return (AppliedMigration("mutant", 1, "initial"),)

    def apply(self, migration: Migration) -> bool:
        return False


@mutant("it keeps a log of migrations, and does not say so", "POWER-003")
class MigratesInSecret(MemoryDriver):
    @property
    def migration_log(self) -> _Log:
        return _Log()


@mutant("it claims to watch, and has no feed", "POWER-009", "POWER-011", "WATCH-001", "WATCH-002")
class ClaimsWatching(MemoryDriver):
    feed = None  # type: ignore[assignment]


@mutant("it can watch, and does not say so", "POWER-010", powers=())
class WatchesInSecret(MemoryDriver):
    pass
