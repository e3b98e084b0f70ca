"""``restore``: a backup into a place."""

from __future__ import annotations

import click

from moltnet_cli.options import Verb, dry_run_option, examples, globals_of
from moltnet_cli.progress import print_event, showing_progress
from moltnet_cli.rendering import note, warn
from moltnet_cli.stores import locate, on_warning
from moltnet_cli.whole_stores import counted, skip_corrupt_option, verify_option

__all__ = ["restore"]


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage restore backups/2026-01-31 sqlite:///drill.db",
        "moltnet-storage --store sqlite:///chat.db restore backups/2026-01-31 --replace",
        "moltnet-storage restore backups/2026-01-31 --dry-run",
    ),
)
@click.argument("backup", type=click.Path(), metavar="BACKUP")
@click.argument("to", required=False, metavar="[URL]")
@click.option("--replace", is_flag=True, help="Put it in the place of a store, whose file is kept under another name.")
@verify_option
@skip_corrupt_option
@dry_run_option
@click.pass_context
def restore(
    ctx: click.Context,
    backup: str,
    to: str | None,
    replace: bool,
    verify: bool,
    skip_corrupt: bool,
    dry_run: bool,
) -> None:
    """Make a store of BACKUP at URL, or where the store is that other commands use. Any kind of store will do.

    A store that holds data is refused, unless --replace is given and it is a file: that is kept beside the new one.
    Stop whoever has it open first. With --dry-run the backup is checked, and nothing written.
    """
    from moltnet_core import restore_store
    from moltnet_core.config import redact_url

    if to is not None and globals_of(ctx).store:
        raise click.UsageError("--store and URL both say where to; give one of them", ctx)
    on_warning(ctx, warn)
    location = None if to is not None else locate(ctx)
    if location is not None and location.config.read_only:
        raise click.UsageError("--store says mode=ro, and this command writes", ctx)
    with showing_progress(ctx) as on_progress:
        result = restore_store(
            backup,
            to if location is None else location.config,
            replace=replace,
            verify=verify,
            dry_run=dry_run,
            on_corrupt="skip" if skip_corrupt else "raise",
            on_progress=on_progress,
        )
    aside = str(result.kept_aside) if result.kept_aside else None
    values = {"kept_aside": aside, "truncated": result.truncated, "verified": result.verified}
    print_event(ctx, "done", {**result.manifest.to_json(), **values} | ({"dry_run": True} if dry_run else {}))
    held = result.manifest.digest
    what = counted(held) if held is not None else f"{result.manifest.size} bytes"
    where = redact_url(to) if to is not None else f"the {location.backend.name} store" if location else ""
    if dry_run:
        note(f"dry run: the backup of {result.manifest.created_at} is whole; would restore {what} to {where}")
        return
    note(f"restored {what}, as of {result.manifest.created_at}, to {where}{'; verified' if result.verified else ''}")
    if aside:
        note(f"the store that was there is kept as {aside}")
    if result.truncated:
        note(f"{result.truncated} records lost digits of a time that this store does not keep")
