"""``restore_store``: a backup into a place, without losing what is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from moltnet_core.backend import Backend, BackupFile
from moltnet_core.config import StorageConfig
from moltnet_core.errors import (
    CopyRefusedError,
    InvalidBackupError,
    MoltnetError,
    ReadOnlyStoreError,
    StoreNotEmptyError,
    StoreUnavailableError,
    UnsupportedCapabilityError,
)
from moltnet_core.events import logged
from moltnet_core.files import make_folder, storage_errors, sync
from moltnet_core.opening import open_store, resolve_location
from moltnet_core.paging import OnCorrupt
from moltnet_core.plugins import load_backend
from moltnet_core.store import Store
from moltnet_core.transfer.backing_up import read_export
from moltnet_core.transfer.copying import copy_store
from moltnet_core.transfer.importing import load_export
from moltnet_core.transfer.manifest import Manifest, hash_file
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work
from moltnet_core.transfer.scanning import compare_digests, scan_digest
from moltnet_core.transfer.workplace import workplace

__all__ = ["RestoreResult", "restore_store"]

_PIECE: Final = 1 << 20
_NOT_REPLACED: Final = (
    "a store that is no file is never replaced here. Restore into an empty place, such as another schema, and direct "
    "whoever uses it there; or first move the old one away by the server's own means (ALTER SCHEMA … RENAME TO …)"
)


@frozen
class RestoreResult:
    """What a restore did.

    :param manifest: what the backup says of itself.
    :param kept_aside: where the store is that was there before, if there was one.
    :param truncated: records of which a time lost digits that the new store does not keep.
    :param verified: whether the new store was compared with the backup.
    """

    manifest: Manifest
    kept_aside: Path | None = None
    truncated: int = 0
    verified: bool = False


@logged("restore")
def restore_store(
    backup: str | os.PathLike[str],
    to: str | StorageConfig | None = None,
    *,
    replace: bool = False,
    verify: bool = True,
    dry_run: bool = False,
    on_corrupt: OnCorrupt = "raise",
    plugins: Iterable[object] = (),
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> RestoreResult:
    """Make a store of a backup: by its file where the backend is the same, else by loading its records.

    A backend that keeps one file gets a new one, which is made beside its place, verified, and put there by one rename.
    Killed before that, the place is as it was; the same call does it anew. Into any other store the records are
    loaded, and killed in between, the same call goes on.

    :param backup: the folder that :func:`back_up_store` made. It is not changed.
    :param to: where to, as for :func:`moltnet_core.opening.open_store`. It must not be open.
    :param replace: where the place is a file that holds a store: keep that aside, beside it, and put the new one
        there. A store on a server is never replaced.
    :param verify: read the new store and compare it with what the backup was verified to hold.
    :param dry_run: check the backup, and whether it may go there; write nothing.
    :param on_corrupt: where the file of one backend is loaded into another: with ``"skip"`` what cannot be
        decoded is left out. A file that is put back holds it as it is.
    :param plugins: as for :func:`moltnet_core.opening.open_store`.
    :raises InvalidBackupError: the backup is damaged, or is none.
    :raises StoreNotEmptyError: there is a store that holds data.
    :raises CopyRefusedError: the place cannot hold what is in the backup's file. Nothing was written.
    :raises StoreBusyError: somebody has the file open that is to be replaced. Not everybody can be seen: stop whoever
        uses it first.
    :raises ReadOnlyStoreError: it cannot be written there, or ``to`` says ``mode=ro``.
    :raises StorageFullError: no space is left.
    :raises VerificationError: the new store is not what the backup holds. A file was not put in place.
    :raises CancelledError: it was called off.
    """
    folder, plugins = Path(backup), tuple(plugins)
    manifest = Manifest.read(folder)
    backend, settings, read_only = resolve_location(to, plugins=plugins)
    if read_only and not dry_run:
        raise ReadOnlyStoreError("mode=ro says that nothing is written, and a restore writes; leave it out")
    restore = _Restore(folder, manifest, backend, plugins, verify, on_corrupt, on_progress, cancelled)
    if backend.backup_file is None:
        return restore.into_store(to, replace=replace, dry_run=dry_run)
    place = backend.backup_file.place(settings)

    def may_go_there() -> None:
        if not replace:
            _refuse_data(place, to, plugins)

    may_go_there()
    if dry_run:
        restore.check_backup()
        return RestoreResult(manifest, verified=verify)
    with storage_errors("the store", place.parent, ": see to the permissions"):
        return restore.into_file(backend.backup_file, settings, place, may_go_there)


def _refuse_data(place: Path, to: str | StorageConfig | None, plugins: tuple[object, ...]) -> None:
    """See that there is no store at a place that holds anything.

    :raises StoreNotEmptyError: there is.
    """
    if not os.path.lexists(place):
        return
    advice = "choose another place, or replace it, by which it is kept aside under another name"
    try:
        with open_store(to, read_only=True, plugins=plugins) as store, store.snapshot() as snapshot:
            held = next(snapshot.records(on_corrupt="raise"), None)
    except MoltnetError as error:
        raise StoreNotEmptyError(f"{place} is there and cannot be read ({error})", (), advice) from None
    if held is not None:
        raise StoreNotEmptyError(f"{place} holds a store that is not empty", (), advice)


class _Restore:
    """One restore, of a backup whose manifest was read."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        backend: Backend,
        plugins: tuple[object, ...],
        verify: bool,
        on_corrupt: OnCorrupt,
        on_progress: OnProgress | None,
        cancelled: Cancelled | None,
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._data = folder / manifest.file
        self._backend = backend
        self._plugins = plugins
        self._verify = verify
        self._on_corrupt = on_corrupt
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._work = Work(on_progress, cancelled)

    # -- into a file ---------------------------------------------------------------------------------

    def into_file(
        self, form: BackupFile, settings: Any, place: Path, may_go_there: Callable[[], None]
    ) -> RestoreResult:
        """Make a file beside its place, then put it there, if it still may: others may have been there meanwhile."""
        place = place.absolute()
        make_folder(place.parent)
        place = place.resolve()  # a symbolic link stays one
        truncated = 0
        aside = _free_name(place)
        with workplace(place) as folder, _telling(place, made := folder / form.name, aside):
            config = StorageConfig(self._backend.name, form.settings(made))
            if self._manifest.form == "file" and self._manifest.backend == self._backend.name:
                self._copy_file(made)
                if self._verify:
                    with open_store(config, read_only=True, plugins=self._plugins) as store:
                        self._compare(store)
            else:
                self.check_backup(read=False)
                with open_store(config, plugins=self._plugins) as store:
                    truncated = self._load(store)
                if self._verify:
                    form.check(made)
            sync(made)
            self._work.begin("replace")
            may_go_there()
            kept = form.replace(settings, made, aside)
        return RestoreResult(self._manifest, aside if kept else None, truncated, self._verify)

    def _copy_file(self, made: Path) -> None:
        """Copy the backup's file, which has to be what the manifest says."""
        found = hashlib.sha256()
        self._work.begin("copy", self._manifest.size, "bytes")
        with self._opened() as source, made.open("xb") as target:
            made.chmod(0o600)
            while piece := source.read(_PIECE):
                target.write(piece)
                found.update(piece)
                self._work.step(len(piece))
        self._check_hash(found.hexdigest())

    # -- into a store --------------------------------------------------------------------------------

    def into_store(self, to: str | StorageConfig | None, *, replace: bool, dry_run: bool) -> RestoreResult:
        """Load the records into a store that is empty, or that this was begun with."""
        self.check_backup(read=dry_run)
        if dry_run:
            not_made = suppress(StoreUnavailableError, UnsupportedCapabilityError)
            with not_made, open_store(to, read_only=True, plugins=self._plugins) as store:
                self._load(store, dry_run=True)
            return RestoreResult(self._manifest, verified=self._verify)
        with open_store(to, plugins=self._plugins) as store:
            try:
                truncated = self._load(store)
            except CopyRefusedError as error:
                if replace:
                    error.add_note(_NOT_REPLACED)
                raise
        return RestoreResult(self._manifest, None, truncated, self._verify)

    # -- the backup ----------------------------------------------------------------------------------

    def check_backup(self, *, read: bool = True) -> None:
        """See that the data are those that the manifest was written for.

        :param read: also read all records.
        :raises InvalidBackupError: they are not.
        """
        with self._opened():
            pass
        self._check_hash(hash_file(self._data, self._work))
        if not read:
            return
        if self._manifest.form == "export":
            read_export(self._data, self._manifest, self._folder, self._work)
            return
        with self._as_store() as store:
            self._compare(store)

    def _opened(self) -> Any:
        try:
            if self._data.is_symlink() or self._data.stat().st_size != self._manifest.size:
                raise InvalidBackupError(
                    str(self._folder),
                    f"{self._data.name} does not have the {self._manifest.size} bytes that the manifest says",
                )
            return self._data.open("rb")
        except OSError as error:
            raise InvalidBackupError(str(self._folder), f"{self._data.name} cannot be read: {error.strerror}") from None

    def _check_hash(self, found: str) -> None:
        if found != self._manifest.sha256:
            raise InvalidBackupError(
                str(self._folder), f"{self._data.name} was changed or is damaged: its SHA-256 is not the manifest's"
            )

    @contextmanager
    def _as_store(self) -> Iterator[Store]:
        """The backup's file, opened to look at."""
        backend = load_backend(self._manifest.backend, self._plugins)[0]
        if backend.backup_file is None:
            raise InvalidBackupError(str(self._folder), f"the backend {backend.name} installed here cannot open it")
        config = StorageConfig(backend.name, backend.backup_file.settings(self._data))
        with open_store(config, read_only=True, plugins=self._plugins) as store:
            yield store

    def _load(self, store: Store, *, dry_run: bool = False) -> int:
        """Load all records into a store, and compare it with them.

        :returns: of how many a time lost digits.
        """
        if self._manifest.form == "export":
            return load_export(store, self._data, self._work, verify=self._verify, dry_run=dry_run).truncated
        with self._as_store() as source:
            return copy_store(
                source,
                store,
                verify=self._verify,
                dry_run=dry_run,
                on_corrupt=self._on_corrupt,
                on_progress=self._on_progress,
                cancelled=self._cancelled,
            ).truncated

    def _compare(self, store: Store) -> None:
        """Compare a store of the backup's own backend with what the backup was verified to hold."""
        found = scan_digest(store, store.backend.time_digits, self._work, "verify")
        if self._manifest.digest is not None:
            compare_digests(self._manifest.digest, found, self._manifest.corrupt)


@contextmanager
def _telling(place: Path, made: Path, aside: Path) -> Iterator[None]:
    """Whoever interrupts is told what is at the place now."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(_what_is_there(place, made, aside))
        raise


def _what_is_there(place: Path, made: Path, aside: Path) -> str:
    if place.exists() and (not made.exists() or place.samefile(made)) and os.path.lexists(aside):
        return f"{place} is wholly restored; what was there before is kept as {aside}"
    if os.path.lexists(aside) and not os.path.lexists(place):
        return f"what was there is kept as {aside}, and nothing is at {place} yet; begin the same restore again"
    return f"{place} is as it was; the same restore can be begun again"


def _free_name(place: Path) -> Path:
    """Where what is at a place is kept: beside it, by the time."""
    stamp = f"{place.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    found = place.with_name(stamp)
    for number in count(2):
        if not any(os.path.lexists(f"{found}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")):
            break
        found = place.with_name(f"{stamp}-{number}")
    return found
