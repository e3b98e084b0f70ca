"""``backup``: a consistent copy of the store while it is in use."""

from __future__ import annotations

import click

from moltnet_cli.options import Verb, dry_run_option, examples
from moltnet_cli.progress import print_event, showing_progress
from moltnet_cli.rendering import note, warn
from moltnet_cli.stores import reading
from moltnet_cli.whole_stores import counted, skip_corrupt_option, verify_option

__all__ = ["backup"]


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage backup backups/$(date +%F)",
        "moltnet-storage --store sqlite:///chat.db backup chat-backup",
    ),
)
@click.argument("folder", type=click.Path(), metavar="FOLDER")
@verify_option
@skip_corrupt_option
@dry_run_option
@click.pass_context
def backup(ctx: click.Context, folder: str, verify: bool, skip_corrupt: bool, dry_run: bool) -> None:
    """Back up the store, as of one moment and while it is in use, into a new FOLDER.

    It appears when it is whole and verified, for its owner only, and holds the agents' credentials: keep it as safe as
    the store. SQLite and JSON stores are copied as files; of others it is an export (where --skip-corrupt applies).
    """
    from moltnet_core import back_up_store
    from moltnet_core.transfer.backing_up import backup_form, check_destination

    check_destination(folder)
    with reading(ctx) as store:
        if dry_run:
            form = backup_form(store)
            note(f"dry run: would back up the {store.backend.name} store as {form!r} to {folder}")
            print_event(ctx, "done", {"dry_run": True, "form": form, "folder": folder})
            return
        with showing_progress(ctx) as on_progress:
            manifest = back_up_store(
                store,
                folder,
                verify=verify,
                on_corrupt="skip" if skip_corrupt else "raise",
                on_progress=on_progress,
            )
    print_event(ctx, "done", {"folder": folder, **manifest.to_json()})
    what = counted(manifest.digest) if manifest.digest is not None else f"{manifest.size} bytes, not verified,"
    note(f"backed up {what} to {folder}")
    if manifest.corrupt:
        where = "are in it as they are" if manifest.form == "file" else "are not in it"
        warn(f"{manifest.corrupt} records cannot be read, and {where} (see: moltnet-storage check)")
