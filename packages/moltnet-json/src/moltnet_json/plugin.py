"""The ``json`` backend: ``json:///relative.json``, ``json:////absolute.json``."""

from __future__ import annotations

from pathlib import Path

from moltnet_core.backend import Backend, BackupFile, Power, Trait
from moltnet_core.config import drop_file, file_beside, file_url
from moltnet_core.driver import Driver
from moltnet_core.plugins import hookimpl
from moltnet_json.settings import JSONSettings

__all__ = ["BACKEND"]


def _open(settings: JSONSettings, *, read_only: bool = False) -> Driver:
    from moltnet_json.driver import JSONDriver

    return JSONDriver(settings, read_only=read_only)


def _replace(settings: JSONSettings, new: Path, aside: Path) -> bool:
    from moltnet_json.restoring import replace_snapshot

    return replace_snapshot(settings, new, aside)


BACKEND = Backend(
    name="json",
    summary="one snapshot file, rewritten on each write; for small stores that exist already",
    durability="persistent: each write is a new file, synced and put in the old one's place",
    settings=JSONSettings,
    open=_open,
    from_url=file_url,
    traits=(Trait.PERSISTENT,),
    powers=(Power.READ_ONLY, Power.ONLINE_BACKUP, Power.WATCH),
    time_digits=9,
    sublocation=file_beside,
    drop_sublocation=drop_file,
    backup_file=BackupFile(
        name="data.json",
        settings=lambda path: {"path": str(path)},
        place=lambda settings: settings.path,
        replace=_replace,
    ),
)


@hookimpl
def moltnet_register_backend() -> Backend:
    """The backend."""
    return BACKEND
