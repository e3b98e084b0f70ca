"""What the entry point names. LMDB itself is imported when a store is opened."""

from collections.abc import Sequence
from typing import Final

from moltnet_core import Backend, Migration, Power, Trait, hookimpl
from moltnet_core.config import drop_file, file_beside, file_url
from moltnet_core.driver import Driver
from moltnet_lmdb.settings import LmdbSettings

__all__ = ["BACKEND", "moltnet_migrations", "moltnet_register_backend"]


def _open(settings: LmdbSettings, *, read_only: bool = False) -> Driver:
    from moltnet_lmdb.driver import LmdbDriver

    return LmdbDriver(settings, read_only=read_only)


BACKEND: Final = Backend(
    name="lmdb",
    summary="one LMDB file, read by many processes while one writes",
    durability="persistent: each write is synced, and survives a power cut",
    settings=LmdbSettings,
    open=_open,
    from_url=file_url,
    traits=[Trait.PERSISTENT, Trait.MULTI_PROCESS],
    powers=[Power.READ_ONLY, Power.ONLINE_BACKUP, Power.MIGRATIONS],
    migration_target="lmdb",
    sublocation=file_beside,
    drop_sublocation=drop_file,
)


@hookimpl
def moltnet_register_backend() -> Backend:
    """The backend."""
    return BACKEND


@hookimpl
def moltnet_migrations(backend: Backend) -> Sequence[Migration]:
    """Its layout's versions."""
    if backend.name != BACKEND.name:
        return ()
    from moltnet_lmdb.migrations import MIGRATIONS

    return MIGRATIONS
