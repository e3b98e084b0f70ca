"""``check_store`` and ``check_location``: what is wrong in a store, all of it, without changing anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from moltnet_core.backend import Power
from moltnet_core.checking.checked import Check
from moltnet_core.checking.findings import CheckReport, Findings
from moltnet_core.checking.listed_artifacts import check_artifacts
from moltnet_core.checking.places import check_config_file
from moltnet_core.checking.tallying import check_records
from moltnet_core.driver import SupportsCheck, SupportsRecordCheck
from moltnet_core.errors import (
    CorruptStoreError,
    MigrationDriftError,
    MigrationRequiredError,
    SchemaTooNewError,
    StorageIOError,
)
from moltnet_core.transfer.progress import Cancelled, OnProgress, Work, records_in

if TYPE_CHECKING:
    from moltnet_core.config import StorageConfig
    from moltnet_core.store import Store

__all__ = ["check_location", "check_store"]

_DAMAGED = (CorruptStoreError, StorageIOError)
_UNREADABLE = (*_DAMAGED, SchemaTooNewError, MigrationDriftError)


def check_store(
    store: Store,
    *,
    deep: bool = False,
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> CheckReport:
    """Check everything that is stored, as of one moment. Nothing is changed, and writers are not held up.

    Open the store with ``mode=ro`` where its backend can: then it may be of any version, and its file may be one that
    cannot be written.

    :param deep: let the engine check its own file, too, which reads all of it.
    :param on_progress: is told how far the check is.
    :param cancelled: is asked now and then whether to end.
    :raises MigrationRequiredError: it was opened with ``migrate="later"``; open it with ``mode=ro``.
    :raises StoreUnavailableError: it cannot be reached; so for other errors that say nothing of what is stored.
    :raises CancelledError: the check was called off.
    """
    if store.needs_migration:
        raise MigrationRequiredError([step.label for step in store.migration_status().pending])
    return _check(store, Findings(), deep, Work(on_progress, cancelled))


def check_location(
    location: str | StorageConfig | None = None,
    *,
    deep: bool = False,
    on_progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
    config_file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> CheckReport:
    """Open what ``location`` names, read-only where its backend can, and check it.

    What :func:`check_store` cannot be asked about, a store that cannot even be opened, is a finding here.

    :param location: as for :func:`moltnet_core.opening.open_store`; so ``config_file`` and ``environ``.
    :raises MoltnetError: as :func:`moltnet_core.opening.open_store`, where that says nothing of what is stored.
    """
    from moltnet_core.config import find_config_file, load_config_file
    from moltnet_core.opening import open_store, resolve_location

    found = Findings()
    backend, _, _ = resolve_location(location, config_file=config_file, environ=environ)
    if location is None:
        path = find_config_file(os.environ if environ is None else environ, Path(), config_file)
        if path is not None:
            check_config_file(found, load_config_file(path), backend.name, backend.settings)
    try:
        store = open_store(
            location,
            migrate=False,
            read_only=Power.READ_ONLY in backend.powers,
            config_file=config_file,
            environ=environ,
        )
    except _UNREADABLE as error:
        return _unreadable(error, found, deep)
    with store:
        return _check(store, found, deep, Work(on_progress, cancelled))


def _unreadable(error: Exception, found: Findings, deep: bool) -> CheckReport:
    found.add("unreadable-store", "store", "", str(error))
    return CheckReport(found.all(), {}, deep)


def _check(store: Store, found: Findings, deep: bool, work: Work) -> CheckReport:
    with store.held(write=False):
        try:
            check = _prepare(store, found, deep, work)
        except _UNREADABLE as error:
            return _unreadable(error, found, deep)
        for step in (_check_engine, _check_records):
            try:
                step(store, check)
            except _DAMAGED as error:
                found.add("damage", "store", store.backend.name, str(error))
                found.add("check-incomplete", "store", store.backend.name, "damage was in the way")
    return CheckReport(found.all(), dict(check.checked), deep)


def _prepare(store: Store, found: Findings, deep: bool, work: Work) -> Check:
    status = store.migration_status()
    recorded = {series.series: series.applied for series in status.series}
    applied = [step for step in store.migrations if step.version <= recorded.get(step.series, 0)]
    for step in status.pending:
        found.add("pending-migrations", "schema", step.label, step.name)
    for series in status.series:
        if series.applied > series.known > 0:
            found.add("newer-schema", "schema", series.series, f"version {series.applied}, and {series.known} is known")
    return Check(deep=deep, migrations=applied, work=work, found=found)


def _check_engine(store: Store, check: Check) -> None:
    if isinstance(store.driver, SupportsCheck):
        check.work.begin("check engine")
        store.driver.check_engine(check)


def _check_records(store: Store, check: Check) -> None:
    driver = store.driver
    check.work.begin("check", records_in(driver.counts()))
    with driver.snapshot() as view:
        if isinstance(view, SupportsRecordCheck):
            view.check_records(check)
        else:
            check_artifacts(check, driver, check_records(check, view))
