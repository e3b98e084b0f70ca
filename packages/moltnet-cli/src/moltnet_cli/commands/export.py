"""``export``: everything in the store, as lines of JSON."""

from __future__ import annotations

import sys

import click

from moltnet_cli.options import Verb, dry_run_option, examples
from moltnet_cli.progress import print_event, showing_progress
from moltnet_cli.rendering import note, warn
from moltnet_cli.stores import reading
from moltnet_cli.whole_stores import counted, skip_corrupt_option

__all__ = ["export"]


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage export chat.jsonl.gz",
        "moltnet-storage --store json:///data.json export - | moltnet-storage --store sqlite:///chat.db import -",
    ),
)
@click.argument("file", type=click.Path(), metavar="FILE")
@click.option("--with-credentials", is_flag=True, help="Include the agents' credentials, which are secrets.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@skip_corrupt_option
@dry_run_option
@click.pass_context
def export(
    ctx: click.Context, file: str, with_credentials: bool, overwrite: bool, skip_corrupt: bool, dry_run: bool
) -> None:
    """Write everything in the store, as of one moment, into FILE, one JSON object a line. - is standard output.

    A name that ends in .gz is compressed. The file appears when it is whole, for its owner only. Agents come without
    their credentials unless --with-credentials is given: nobody can act as them where it is imported, until "agents
    register AGENT --reconcile" binds each to a credential.
    """
    from moltnet_core import export_store
    from moltnet_core.transfer.exporting import check_destination

    to_output = file == "-"
    if not to_output:
        check_destination(file, overwrite=overwrite)
    with reading(ctx) as store:
        if dry_run:
            counts = store.counts()
            note(f"dry run: would export about {counts.messages} messages to {file}")
            print_event(ctx, "done", {"dry_run": True, "messages": counts.messages}, output_taken=to_output)
            return
        with showing_progress(ctx, output_taken=to_output) as on_progress:
            result = export_store(
                store,
                sys.stdout.buffer if to_output else file,
                with_credentials=with_credentials,
                overwrite=overwrite,
                on_corrupt="skip" if skip_corrupt else "raise",
                on_progress=on_progress,
            )
    left_out, skipped = result.credentials_left_out, result.skipped
    print_event(
        ctx,
        "done",
        {**result.digest.to_json(), "credentials_left_out": left_out, "skipped": skipped},
        output_taken=to_output,
    )
    note(f"exported {counted(result.digest)} to {'standard output' if to_output else file}")
    if left_out:
        note(f"left out the credentials of {left_out} agents (--with-credentials includes them)")
    if skipped:
        warn(f"left out {skipped} records that cannot be read")
