"""``repair_store``: puts right what a check finds, after a backup, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from moltnet_core.checking.changes import UNTOUCHED, Change, Moved, telling_untouched
from moltnet_core.checking.checked import Check
from moltnet_core.checking.faults import FAULTS
from moltnet_core.checking.findings import Findings
from moltnet_core.driver import SupportsRepair
from moltnet_core.errors import MigrationRequiredError, UnsupportedCapabilityError, ValidationError
from moltnet_core.events import logged
from moltnet_core.timestamps import now
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work, records_in

if TYPE_CHECKING:
    from moltnet_core.store import Store

__all__ = ["RepairReport", "back_up_beside", "repair_store"]


@frozen
class RepairReport:
    """What a repair did, or with ``dry_run`` would do.

    :param changes: in the order in which they were made; empty where nothing was to do, and then nothing was written.
    :param backup: the copy that was made before.
    :param moved: the file that holds what was moved out of the store.
    """

    changes: tuple[Change, ...]
    backup: Path | None = None
    moved: Path | None = None
    dry_run: bool = False

    def to_json(self) -> dict[str, Any]:
        """The report without its changes as one JSON object."""
        return {
            "changes": len(self.changes),
            "backup": str(self.backup) if self.backup else None,
            "moved": str(self.moved) if self.moved else None,
            "dry_run": self.dry_run,
        }


def back_up_beside(store: Store, destination: Path) -> None:
    """The backup that a repair makes, unless it is given another way to make one: a folder that ``restore`` takes."""
    from moltnet_core.transfer.backing_up import back_up_store

    back_up_store(store, destination)


@logged("repair")
def repair_store(
    store: Store,
    codes: Iterable[str],
    *,
    dry_run: bool = False,
    backup: Callable[[Store, Path], object] | None = back_up_beside,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> RepairReport:
    """Put right everything of some codes: a plan, a backup, and one transaction under the lock for writing.

    Where there is nothing to put right, nothing is written. Records that have to go are written to a file of JSON lines
    and synced before the transaction commits. A repair that is interrupted has changed nothing; what it had moved by
    then is in the store and in the file.

    :param codes: of :data:`moltnet_core.checking.faults.FAULTS`, repairable ones.
    :param dry_run: only say what would be done.
    :param backup: makes a copy at the path that it is given, which does not exist; ``None``: you have one.
    :param folder: where the copy and the file go; by default beside the store's file, else the working directory.
    :raises ValidationError: a code is unknown, or not one that can be repaired; or the backend cannot make a backup.
    :raises UnsupportedCapabilityError: the backend repairs nothing.
    :raises ReadOnlyStoreError: the store is read-only, and this is no dry run.
    :raises MigrationRequiredError: the store is not migrated.
    :raises CancelledError: it was called off, and nothing was changed.
    """
    driver = store.driver
    if not isinstance(driver, SupportsRepair):
        raise UnsupportedCapabilityError("repair", store.backend.name)
    chosen = _checked(codes, driver.repairs, store.backend.name)
    work = Work(on_progress, cancelled)
    with store.held(write=not dry_run):
        pending = store.migration_status().pending
        if pending:
            raise MigrationRequiredError([step.label for step in pending])
        with telling_untouched():
            plan = _plan(store, driver, chosen, work)
            if dry_run or not plan:
                return RepairReport(tuple(plan), dry_run=dry_run)
            copy, moved = _places(store, driver, folder)
            if backup is back_up_beside:
                from moltnet_core.transfer.backing_up import back_up_store

                _refuse_without_file(store, driver)
                back_up_store(store, copy, on_progress=on_progress, cancelled=cancelled)
            elif backup is not None:
                backup(store, copy)
            work.begin("repair", records_in(driver.counts()))
        try:
            changes = driver.repair(chosen, _check(store, work), moved)
        except KeyboardInterrupt as error:
            if UNTOUCHED not in getattr(error, "__notes__", ()):
                # It may have come when the transaction was committed already: only the store can tell.
                undone = _plan(store, driver, chosen, Work())
                error.add_note(UNTOUCHED if undone else f"all {len(plan)} changes were made")
            if backup is not None:
                untouched = UNTOUCHED in getattr(error, "__notes__", ())
                error.add_note(f"{'a backup was made' if untouched else 'the store as it was'}: {copy}")
            raise
    return RepairReport(tuple(changes), copy if backup else None, moved.path if moved.count else None)


def _check(store: Store, work: Work) -> Check:
    return Check(deep=False, migrations=store.migrations, work=work, found=Findings())


def _plan(store: Store, driver: SupportsRepair, codes: frozenset[str], work: Work) -> Sequence[Change]:
    """What is to be changed; nothing is."""
    work.begin("plan", records_in(store.driver.counts()))
    return driver.repair(codes, _check(store, work), None)


def _checked(codes: Iterable[str], possible: frozenset[str], backend: str) -> frozenset[str]:
    chosen = frozenset((codes,) if isinstance(codes, str) else codes)
    if not chosen:
        raise ValidationError("codes", f"name what to repair: {', '.join(sorted(possible))}")
    for code in sorted(chosen):
        fault = FAULTS.get(code)
        if fault is None:
            raise ValidationError("codes", f"there is no code {code!a}; can be repaired: {', '.join(sorted(possible))}")
        if not fault.repairable:
            raise ValidationError("codes", f"{code} is not repaired. {fault.repair}")
        if code not in possible:
            raise ValidationError("codes", f"{code} does not occur in the backend {backend}")
    return chosen


def _places(store: Store, driver: SupportsRepair, folder: Path | None) -> tuple[Path, Moved]:
    """Where the backup and what is moved go."""
    beside = driver.beside
    stamp = f"{now():%Y%m%dT%H%M%S.%fZ}"
    name = beside.resolve().name if beside is not None else store.backend.name
    home = folder if folder is not None else beside.resolve().parent if beside is not None else Path()
    if not home.is_dir():
        raise ValidationError("folder", f"the folder {home} does not exist; create it")
    return home / f"{name}.{stamp}.backup", Moved(home / f"{name}.{stamp}.moved.jsonl")


def _refuse_without_file(store: Store, driver: SupportsRepair) -> None:
    if driver.beside is None:
        raise ValidationError(
            "backup",
            f"the backend {store.backend.name} makes no copy of itself: back it up with its own tools (pg_dump), then "
            "repair without a backup",
        )
