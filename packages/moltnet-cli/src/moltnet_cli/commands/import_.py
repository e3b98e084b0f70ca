"""``import``: an export into the store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from moltnet_cli.options import Verb, dry_run_option, examples
from moltnet_cli.progress import print_event, showing_progress
from moltnet_cli.rendering import note, warn
from moltnet_cli.stores import locate, rehearsing, writing
from moltnet_cli.whole_stores import counted, verify_option

if TYPE_CHECKING:
    from moltnet_core import ImportResult, Progress
    from moltnet_core.transfer.progress import OnProgress

__all__ = ["import_"]


@click.command(
    "import",
    cls=Verb,
    epilog=examples(
        "moltnet-storage --store sqlite:///new.db import chat.jsonl.gz",
        "moltnet-storage import chat.jsonl --dry-run",
        "ssh old-host moltnet-storage export - | moltnet-storage import -",
    ),
)
@click.argument("file", type=click.Path(), metavar="FILE")
@verify_option
@dry_run_option
@click.pass_context
def import_(ctx: click.Context, file: str, verify: bool, dry_run: bool) -> None:
    """Load an export from FILE into the store, which is created if there is none. - is standard input.

    The store has to be empty, or one where an import of the same export was interrupted: that goes on where it was. A
    file is read to its end first, and where it was cut short or altered nothing is written. From a pipe records are
    stored as they come.
    """
    from moltnet_core import check_export, import_store

    from_input = file == "-"
    with showing_progress(ctx) as on_progress:
        if dry_run or not from_input:
            # Nothing is created or upgraded for what will be refused.
            source = sys.stdin.buffer if from_input else file
            with rehearsing(ctx, create=True, dry_run=dry_run) as seen:
                if seen is None or seen.needs_migration:
                    digits = locate(ctx).backend.time_digits
                    result = check_export(source, time_digits=digits, on_progress=on_progress)
                else:
                    result = import_store(seen, source, dry_run=True, on_progress=on_progress)
        if not dry_run:
            told = on_progress if from_input else _of(result.loaded, on_progress)
            with writing(ctx, create=True) as store:
                source = sys.stdin.buffer if from_input else file
                result = import_store(store, source, check=False, verify=verify, on_progress=told)
    _tell(ctx, result, file, dry_run=dry_run)


def _of(total: int, on_progress: OnProgress | None) -> OnProgress | None:
    """Tells how much there is to import, which was found before."""
    from attrs import evolve

    if on_progress is None:
        return None

    def tell(progress: Progress) -> object:
        return on_progress(evolve(progress, total=total) if progress.phase == "import" else progress)

    return tell


def _tell(ctx: click.Context, result: ImportResult, file: str, *, dry_run: bool) -> None:
    values = {
        "loaded": result.loaded,
        "unchanged": result.unchanged,
        "truncated": result.truncated,
        "without_credentials": result.without_credentials,
        "skipped": result.skipped,
        "verified": result.verified,
    }
    print_event(ctx, "done", {**result.digest.to_json(), **values} | ({"dry_run": True} if dry_run else {}))
    before = f", {result.unchanged} of them before" if result.unchanged else ""
    what = f"{counted(result.digest)} from {'standard input' if file == '-' else file}{before}"
    note(f"dry run: would import {what}" if dry_run else f"imported {what}{'; verified' if result.verified else ''}")
    if result.truncated:
        note(f"{result.truncated} records lost digits of a time that this store does not keep")
    if result.without_credentials:
        warn(
            f"{result.without_credentials} agents came without credentials: nobody can act as one until "
            '"agents register AGENT --reconcile" binds it to a credential'
        )
    if result.skipped:
        warn(f"where the export was made, {result.skipped} records could not be read: they are not in it")
