"""Putting a snapshot in the place of another, which is kept."""

from __future__ import annotations

from pathlib import Path

from moltnet_core.files import give_name, replace_file, sync
from moltnet_json.document import NEW
from moltnet_json.locked import SnapshotFile
from moltnet_json.settings import JSONSettings

__all__ = ["replace_snapshot"]


def replace_snapshot(settings: JSONSettings, new: Path, aside: Path) -> bool:
    """See :class:`moltnet_core.backend.BackupFile`.

    A Moltnet server takes no lock, and overwrites the file with what it has in memory: it is not noticed here.

    :raises StoreBusyError: another store has the snapshot open.
    """
    path = settings.path.absolute()
    if not path.exists():
        give_name(new, path.resolve())
        sync(path.resolve().parent)
        return False
    held = SnapshotFile(path, NEW, settings.busy_timeout)
    try:
        replace_file(path.resolve(), new, aside)
    finally:
        held.close()
    return True
