"""``migrate``: the schema's state, what an upgrade would do and block, and the upgrade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from moltnet_cli.options import Noun, dry_run_option, examples, globals_of
from moltnet_cli.rendering import Column, note, print_json, print_rows
from moltnet_cli.stores import announce, reading, rehearsing, writing

if TYPE_CHECKING:
    from moltnet_core import Counts
    from moltnet_core.migrations import Migration

__all__ = ["migrate"]


@click.group(cls=Noun)
def migrate() -> None:
    """Look at the schema and upgrade it.

    Every other command that writes upgrades an old store by itself. These are for those who want to know first.
    """


@migrate.command(epilog=examples("moltnet-storage migrate status", "moltnet-storage migrate status --json"))
@click.pass_context
def status(ctx: click.Context) -> None:
    """Show the schema's versions, series by series. Writes nothing."""
    with reading(ctx) as store:
        found = store.migration_status()
    missing: dict[str, list[int]] = {series.series: [] for series in found.series}
    for step in found.pending:
        missing[step.series].append(step.version)
    if globals_of(ctx).as_json:
        for series in found.series:
            print_json(
                {
                    "series": series.series,
                    "applied": series.applied,
                    "known": series.known,
                    "pending": missing[series.series],
                }
            )
        return

    def state(applied: int, known: int) -> str:
        if known == 0:
            return "of a plugin that is not installed"
        return "up to date" if applied == known else "newer than this software" if applied > known else "out of date"

    print_rows(
        found.series,
        (
            Column("SERIES", lambda each: each.series),
            Column("APPLIED", lambda each: each.applied, numeric=True),
            Column("KNOWN", lambda each: each.known, numeric=True),
            Column("STATE", lambda each: state(each.applied, each.known)),
        ),
    )
    if not found.series:
        note("this backend has no migrations")


@migrate.command(epilog=examples("moltnet-storage migrate plan"))
@click.pass_context
def plan(ctx: click.Context) -> None:
    """Show what an upgrade would do: each step, what it blocks, for how long. Writes nothing.

    The time is a rough estimate from the number of rows.
    """
    with reading(ctx) as store:
        found = store.migration_status()
        counts = store.counts() if found.pending else None
    newer = [series for series in found.series if series.applied > series.known > 0]
    if found.pending or not newer:
        _print_plan(ctx, found.pending, counts)
    if newer:
        versions = ", ".join(f"{each.series} at version {each.applied} of {each.known} known" for each in newer)
        raise click.ClickException(f"the schema is newer than this software ({versions}); install a newer version")


@migrate.command(epilog=examples("moltnet-storage migrate up --dry-run", "moltnet-storage migrate up"))
@dry_run_option
@click.pass_context
def up(ctx: click.Context, dry_run: bool) -> None:
    """Upgrade the schema to what the installed software knows; create the store if there is none.

    Each step is a transaction of its own: where one fails, those before it stay and the store goes on working.
    """
    if dry_run:
        with rehearsing(ctx, create=True, dry_run=True) as seen:
            if seen is not None:
                pending = seen.migration_status().pending
                _print_plan(ctx, pending, seen.counts() if pending else None)
        return
    with writing(ctx, create=True, upgrade=False) as store:
        announce(store)
        applied = store.migrate()
    if globals_of(ctx).as_json:
        for step in applied:
            print_json({"series": step.series, "version": step.version, "name": step.name})
        return
    print_rows(applied, (_STEP, _NAME))
    if not applied:
        note("nothing to do: the schema is up to date")


# -- the plan ----------------------------------------------------------------------------------------

_STEP: Final[Column[Migration]] = Column("STEP", lambda step: step.label)
_NAME: Final[Column[Migration]] = Column("NAME", lambda step: step.name)


def _print_plan(ctx: click.Context, pending: Sequence[Migration], counts: Counts | None) -> None:
    as_json = globals_of(ctx).as_json
    rows = {step.label: _rows(step, counts) for step in pending}
    seconds = {step.label: _seconds(step, rows[step.label]) for step in pending}
    if as_json:
        for step in pending:
            shown: dict[str, Any] = {"series": step.series, "version": step.version, "name": step.name}
            print_json(shown | {"blocks": _blocks(step), "rows": rows[step.label], "seconds": seconds[step.label]})
        return
    print_rows(
        pending,
        (
            _STEP,
            _NAME,
            Column("BLOCKS", _blocks),
            Column("ROWS", lambda step: ", ".join(f"{count} {name}" for name, count in rows[step.label].items())),
            Column("TIME", lambda step: _duration(seconds[step.label])),
        ),
    )
    if not pending:
        note("nothing to do: the schema is up to date")


def _rows(step: Migration, counts: Counts | None) -> dict[str, int]:
    """How many rows there are of what the migration passes over."""
    return {name: getattr(counts, name, 0) for name in step.passes_over}


def _seconds(step: Migration, rows: Mapping[str, int]) -> float:
    return round(step.seconds_per_row * sum(rows.values()), 3)


def _blocks(step: Migration) -> str:
    if not step.passes_over:
        return "nobody for longer than a moment"
    return f"writers, for a pass over {' and '.join(step.passes_over)}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
