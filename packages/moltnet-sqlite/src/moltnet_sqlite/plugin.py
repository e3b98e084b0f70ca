"""The ``sqlite`` backend: ``sqlite:///relative.db``, ``sqlite:////absolute.db``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moltnet_core.backend import Backend, BackupFile, Power, Trait
from moltnet_core.config import drop_file, file_beside, file_url
from moltnet_core.driver import Driver
from moltnet_core.migrations import Migration
from moltnet_core.plugins import hookimpl
from moltnet_sqlite.settings import SQLiteSettings

__all__ = ["BACKEND"]


def _open(settings: SQLiteSettings, *, read_only: bool = False) -> Driver:
    from moltnet_sqlite.driver import SQLiteDriver

    return SQLiteDriver(settings, read_only=read_only)


def _replace(settings: SQLiteSettings, new: Path, aside: Path) -> bool:
    from moltnet_sqlite.restoring import replace_database

    return replace_database(settings, new, aside)


def _check(path: Path) -> None:
    from moltnet_sqlite.backup import check_whole

    check_whole(path)


BACKEND = Backend(
    name="sqlite",
    summary="one file on this machine; the default",
    durability="persistent, WAL mode: a returned write survives a power cut",
    settings=SQLiteSettings,
    open=_open,
    from_url=file_url,
    traits=(Trait.PERSISTENT, Trait.MULTI_PROCESS),
    powers=(Power.READ_ONLY, Power.MIGRATIONS, Power.ONLINE_BACKUP, Power.WATCH),
    time_digits=9,
    sublocation=file_beside,
    drop_sublocation=drop_file,
    backup_file=BackupFile(
        name="moltnet.db",
        settings=lambda path: {"path": str(path)},
        place=lambda settings: settings.path,
        replace=_replace,
        check=_check,
    ),
    migration_target="sql:sqlite",
)


@hookimpl
def moltnet_register_backend() -> Backend:
    """The backend."""
    return BACKEND


@hookimpl
def moltnet_migrations(backend: Backend) -> Sequence[Migration]:
    """The Go server's versions, and the indexes that this backend adds."""
    if backend is not BACKEND:
        return ()
    from moltnet_sqlite.migrations import MIGRATIONS

    return MIGRATIONS
