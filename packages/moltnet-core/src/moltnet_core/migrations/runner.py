"""The migration runner: which steps are missing, and applying them.

It compares the steps that the installed software knows with those recorded in a store, series by series. It writes
nothing until everything was compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from attrs import frozen

from moltnet_core.errors import MigrationDriftError, SchemaTooNewError
from moltnet_core.migrations.migration import SERVER_SERIES, AppliedMigration, Migration, MigrationLog

__all__ = ["MigrationStatus", "SeriesStatus", "apply_pending", "in_order", "read_status"]


@frozen
class SeriesStatus:
    """How far one series is.

    :param applied: the newest recorded version; 0 for none.
    :param known: the newest version that the installed software knows; 0 for a plugin that is not installed.
    """

    series: str
    applied: int
    known: int


@frozen
class MigrationStatus:
    """How far a store's schema is.

    :param series: one entry each, in the order of application. Empty for a backend without migrations.
    :param pending: the missing steps, in that order.
    """

    series: tuple[SeriesStatus, ...] = ()
    pending: tuple[Migration, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether nothing is missing."""
        return not self.pending


def in_order(migrations: Iterable[Migration], backend: str) -> tuple[Migration, ...]:
    """All known steps in order of application: the server's series, the backend's own, then others by name.

    :raises ValueError: a series has a gap or two steps of one version.
    """
    series: dict[str, list[Migration]] = defaultdict(list)
    for migration in migrations:
        series[migration.series].append(migration)
    first = [name for name in (SERVER_SERIES, backend) if name in series]
    ordered: list[Migration] = []
    for name in (*first, *sorted(set(series) - set(first))):
        steps = sorted(series[name], key=lambda step: step.version)
        if [step.version for step in steps] != list(range(1, len(steps) + 1)):
            raise ValueError(f"the versions of the migration series {name!r} are not 1, 2, 3, … without gaps")
        ordered += steps
    return tuple(ordered)


def _check_series(
    series: str, known: Sequence[Migration], applied: Sequence[AppliedMigration], *, newer_is_error: bool
) -> None:
    steps = {step.version: step for step in known}
    for place, record in enumerate(sorted(applied, key=lambda step: step.version), start=1):
        if record.version != place:
            raise MigrationDriftError(series, place, f"version {record.version} is recorded and {place} is not")
        step = steps.get(record.version)
        if step is None:
            if newer_is_error:
                raise SchemaTooNewError(series, max(item.version for item in applied), len(steps))
            continue
        if record.name != step.name:
            raise MigrationDriftError(series, place, f"it is recorded as {record.name!r} and known as {step.name!r}")
        if record.checksum is not None and record.checksum != step.checksum:
            raise MigrationDriftError(series, place, f"{step.name!r} is recorded with another checksum")


def read_status(log: MigrationLog, known: Sequence[Migration], *, newer_is_error: bool = True) -> MigrationStatus:
    """Compare what is recorded with what is known; takes no lock and writes nothing.

    :param known: as :func:`in_order` gives them.
    :param newer_is_error: refuse a series that is newer than what is known. A reader need not.
    :raises SchemaTooNewError: a series is newer than the software.
    :raises MigrationDriftError: a recorded step has another name or checksum, or one is missing in between.
    """
    recorded: dict[str, list[AppliedMigration]] = defaultdict(list)
    for record in log.read():
        recorded[record.series].append(record)
    steps: dict[str, list[Migration]] = {}
    for migration in known:
        steps.setdefault(migration.series, []).append(migration)
    for name, series in steps.items():
        _check_series(name, series, recorded[name], newer_is_error=newer_is_error)
    applied = {name: max((record.version for record in found), default=0) for name, found in recorded.items()}
    names = [*steps, *sorted(set(applied) - set(steps))]
    return MigrationStatus(
        tuple(SeriesStatus(name, applied.get(name, 0), len(steps.get(name, ()))) for name in names),
        tuple(step for step in known if step.version > applied.get(step.series, 0)),
    )


def apply_pending(log: MigrationLog, pending: Sequence[Migration]) -> tuple[Migration, ...]:
    """Apply steps in order, each in a transaction of its own.

    :returns: those that this call applied, which may be fewer when another process migrates too.
    :raises MigrationFailedError: one failed; those before it stay applied.
    """
    return tuple(step for step in pending if log.apply(step))
