"""``back_up_store``: a consistent copy of a store in use, proved to be whole before it has its name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import evolve

from moltnet_core.backend import BackupFile, Power
from moltnet_core.config import StorageConfig
from moltnet_core.errors import InvalidBackupError, StorageFullError, ValidationError
from moltnet_core.events import logged
from moltnet_core.files import storage_errors, sync
from moltnet_core.opening import open_store
from moltnet_core.paging import OnCorrupt
from moltnet_core.store import Store
from moltnet_core.transfer.exporting import new_export, write_export
from moltnet_core.transfer.format import ExportReader
from moltnet_core.transfer.manifest import MANIFEST, Form, Manifest, hash_file, software_of
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work
from moltnet_core.transfer.scanning import scan_digest
from moltnet_core.transfer.sources import Source
from moltnet_core.transfer.workplace import workplace

__all__ = ["back_up_store", "backup_form", "check_destination", "read_export"]

_EXPORT: Final = "moltnet.jsonl.gz"


def backup_form(store: Store) -> Form:
    """Which form a backup of a store has: a file of the backend's own where it can make one, else an export."""
    return "file" if _file_of(store) is not None else "export"


def _file_of(store: Store) -> BackupFile | None:
    return store.backend.backup_file if Power.ONLINE_BACKUP in store.capabilities else None


@logged("backup")
def back_up_store(
    store: Store,
    destination: str | os.PathLike[str],
    *,
    verify: bool = True,
    on_corrupt: OnCorrupt = "raise",
    plugins: Iterable[object] = (),
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> Manifest:
    """Back up a store that may be in use, as of one moment, into a new folder with the data and ``manifest.json``.

    It holds every message that was acknowledged before the call, and the agents' credentials: keep it as safe as the
    store. Folder and files are for their owner only. The folder appears under its name when all is written, verified
    and on the disk; before that there is nothing.

    :param destination: the folder, which must not exist; the one above it must.
    :param verify: read all of the backup, and let the engine check it. Without that only its SHA-256 is kept.
    :param on_corrupt: where the backup is an export: with ``"skip"`` stored records that cannot be decoded are left out
        and counted. A file of the backend's own holds them as they are.
    :param plugins: those that the store was opened with.
    :raises ValidationError: the destination exists, or the folder above does not.
    :raises CorruptStoreError: the engine finds the copy damaged, so the store is too. Nothing was kept.
    :raises CorruptRecordError: of an export: a record cannot be decoded, and ``on_corrupt`` is ``"raise"``.
    :raises StorageFullError: no space is left.
    :raises CancelledError: it was called off; nothing was kept.
    """
    path = check_destination(destination)
    work = Work(on_progress, cancelled)
    try:
        with storage_errors("the backup", path.parent), workplace(path) as folder:
            made = folder / "backup"
            made.mkdir(mode=0o700)
            made.chmod(0o700)
            manifest = _make(store, made, verify, on_corrupt, tuple(plugins), work)
            manifest.write(made)
            (made / MANIFEST).chmod(0o600)
            for each in (made / manifest.file, made / MANIFEST, made):
                sync(each)
            if os.path.lexists(path):  # a rename would take the place of an empty folder
                raise ValidationError("destination", f"{path} was created by somebody else meanwhile")
            made.rename(path)
            sync(path.parent)
    except KeyboardInterrupt as error:
        if not os.path.lexists(path):
            error.add_note(f"there is no backup {path}: nothing of it was kept")
        raise
    return manifest


def check_destination(destination: str | os.PathLike[str]) -> Path:
    """See that a backup may be made at a path.

    :returns: it, absolute.
    :raises ValidationError: it exists, or the folder above does not.
    """
    path = Path(destination).absolute()
    if os.path.lexists(path):
        raise ValidationError("destination", f"{path} exists already; a backup never overwrites anything")
    if not path.parent.is_dir():
        raise ValidationError("destination", f"the folder {path.parent} does not exist; create it")
    return path


def _make(
    store: Store, folder: Path, verify: bool, on_corrupt: OnCorrupt, plugins: tuple[object, ...], work: Work
) -> Manifest:
    form = _file_of(store)
    manifest = Manifest(
        backend=store.backend.name,
        form=backup_form(store),
        file=form.name if form is not None else _EXPORT,
        size=0,
        sha256="",
        digest=None,
        corrupt=0,
        schema={series.series: series.applied for series in store.migration_status().series},
        software=software_of(store),
    )
    data = folder / manifest.file
    if form is not None:
        work.begin("copy")
        try:
            store.backup(data)
        except StorageFullError as error:  # which names the hidden folder that it was made in
            place = folder.parent.parent
            raise StorageFullError(f"no space is left in {place} for the backup; make room and try again") from error
        if verify:
            manifest = _verified(manifest, form, data, plugins, work)
    else:
        with new_export(data) as stream:
            result = write_export(store, stream, work, with_credentials=True, on_corrupt=on_corrupt)
        manifest = evolve(manifest, digest=result.digest, corrupt=result.skipped)
        if verify:
            read_export(data, manifest, folder, work)
    return evolve(manifest, size=data.stat().st_size, sha256=hash_file(data, work))


def _verified(manifest: Manifest, form: BackupFile, data: Path, plugins: tuple[object, ...], work: Work) -> Manifest:
    """The manifest of a file that was found sound and read to its end."""
    work.begin("check")
    form.check(data)
    with open_store(StorageConfig(manifest.backend, form.settings(data)), read_only=True, plugins=plugins) as copy:
        found = scan_digest(copy, copy.backend.time_digits, work, "verify")
        return evolve(manifest, digest=found.digest, corrupt=found.corrupt)


def read_export(data: Path, manifest: Manifest, folder: Path, work: Work) -> None:
    """Read an export in a backup to its end, as it is judged only there.

    :raises InvalidExportError: it is damaged.
    :raises InvalidBackupError: it is another one.
    """
    with Source.opened(data) as source:
        reader: ExportReader = source.reader()
        work.begin("verify", source.size, "bytes")
        place = 0
        for number, _ in enumerate(reader):
            if number % 1000 == 0:
                before, place = place, source.position()
                work.step(place - before)
        work.step((source.size or 0) - place)
        if manifest.digest is not None and reader.digest != manifest.digest:
            raise InvalidBackupError(str(folder), f"{data.name} is not the export that the manifest was written for")
