"""``repair``: puts right what ``check`` finds, by code, after a plan and a backup."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from moltnet_cli.options import Verb, dry_run_option, examples, globals_of
from moltnet_cli.progress import showing_progress
from moltnet_cli.rendering import Column, note, print_json, print_rows
from moltnet_cli.stores import reading, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moltnet_core import Change, RepairReport

__all__ = ["repair"]

_SHOWN: Final = 50
"""Changes that a plan shows to people."""


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage repair counter-drift last-message-drift --dry-run",
        "moltnet-storage repair undecodable --yes",
        "moltnet-storage --store postgres://localhost/moltnet repair artifact-missing --no-backup --yes",
    ),
)
@click.argument("codes", nargs=-1, required=True, metavar="CODES...")
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
@click.option("--no-backup", is_flag=True, help="Make no copy of the store first: you have one.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the copy and what is moved go.  [beside the store]",
)
@click.pass_context
def repair(
    ctx: click.Context, codes: Sequence[str], dry_run: bool, yes: bool, no_backup: bool, folder: Path | None
) -> None:
    """Put right some of what check finds, by its codes.

    It shows its plan and asks, copies the store, and then changes everything in one transaction, or nothing. Records
    that have to go are moved to a file beside the copy, never just deleted. Where there is nothing to put right,
    nothing is written. The store has to be of the newest version.
    """
    from moltnet_core import repair_store

    with reading(ctx) as seen, showing_progress(ctx) as on_progress:
        plan = repair_store(seen, codes, dry_run=True, on_progress=on_progress)
    if not plan.changes:
        _print(ctx, plan)
        note("nothing to put right; nothing was written")
        return
    if dry_run or not yes:
        _print(ctx, plan)
    if dry_run:
        return
    if not yes:
        _ask(ctx, len(plan.changes))
    options: dict[str, Any] = {"backup": None} if no_backup else {}
    with writing(ctx, create=False, upgrade=False) as store, showing_progress(ctx) as on_progress:
        done = repair_store(store, codes, folder=folder, on_progress=on_progress, **options)
    _print(ctx, done)
    if done.backup is not None:
        note(f"the store as it was: {done.backup}")
    if done.moved is not None:
        note(f"what was moved out of it: {done.moved} (it holds content and credentials)")


def _ask(ctx: click.Context, count: int) -> None:
    if globals_of(ctx).as_json or not (sys.stdin is not None and sys.stdin.isatty()):
        raise click.UsageError("this was the plan; nothing was written: add --yes to carry it out", ctx)
    click.confirm(f"make {'this change' if count == 1 else f'these {count} changes'}?", abort=True, err=True)


_COLUMNS: Final[tuple[Column[Change], ...]] = (
    Column("CODE", lambda change: change.code),
    Column("KIND", lambda change: change.kind),
    Column("ID", lambda change: change.id),
    Column("BEFORE", lambda change: change.before),
    Column("AFTER", lambda change: change.after),
)


def _print(ctx: click.Context, report: RepairReport) -> None:
    if globals_of(ctx).as_json:
        for change in report.changes:
            print_json({"event": "change", **change.to_json()}, dry_run=report.dry_run)
        print_json({"event": "report", **report.to_json()})
        return
    print_rows(report.changes[:_SHOWN], _COLUMNS)
    if len(report.changes) > _SHOWN:
        note(f"and {len(report.changes) - _SHOWN} more (all of them with --json)")
