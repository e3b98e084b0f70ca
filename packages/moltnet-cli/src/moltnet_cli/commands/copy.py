"""``copy``: everything in one store into another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moltnet_cli.options import Verb, dry_run_option, examples, globals_of
from moltnet_cli.progress import print_event, showing_progress
from moltnet_cli.rendering import note, warn
from moltnet_cli.stores import Location, locate_url, reading, rehearsing, same_place, writing
from moltnet_cli.whole_stores import counted, skip_corrupt_option, verify_option

if TYPE_CHECKING:
    from moltnet_core import CopyResult, DeferredTarget, Progress, Store
    from moltnet_core.transfer.progress import OnProgress

__all__ = ["copy"]


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage copy sqlite:///chat.db postgres://host/chat --dry-run",
        "moltnet-storage copy sqlite:///chat.db postgres://host/chat",
        "moltnet-storage copy json:///data.json sqlite:///chat.db --json",
    ),
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@skip_corrupt_option
@verify_option
@dry_run_option
@click.pass_context
def copy(ctx: click.Context, source: str, target: str, skip_corrupt: bool, verify: bool, dry_run: bool) -> None:
    """Copy everything in the store FROM, as of one moment, into the store TO, and compare them. Both are URLs.

    TO is created if there is none. It has to be empty, or to hold a part of FROM and nothing else: a copy that was
    interrupted, by whatever it was, goes on with the same command. FROM may be in use; what is written to it meanwhile
    is not copied. Whatever stands in the way is found, and told, before anything is written.
    """
    if globals_of(ctx).store:
        raise click.UsageError("this command takes both stores as arguments, not --store", ctx)
    origin, place = locate_url(ctx, source, "FROM"), locate_url(ctx, target, "TO")
    if same_place(origin, place):
        raise click.UsageError("FROM and TO are one store", ctx)
    last = _Last()
    try:
        with showing_progress(ctx) as last.on_progress:
            result = _copy(ctx, origin, place, last, skip_corrupt=skip_corrupt, verify=verify, dry_run=dry_run)
    except BaseException as error:
        _tell_what_is_there(last, error)  # below the bars
        raise
    _tell(ctx, result, dry_run=dry_run)


def _copy(
    ctx: click.Context,
    origin: Location,
    place: Location,
    on_progress: OnProgress,
    *,
    skip_corrupt: bool,
    verify: bool,
    dry_run: bool,
) -> CopyResult:
    from moltnet_core import DeferredTarget, copy_store

    with reading(ctx, origin) as source, rehearsing(ctx, place, create=True, dry_run=dry_run) as seen:
        target: Store | DeferredTarget = DeferredTarget(place.backend, lambda: writing(ctx, place, create=True), seen)
        if seen is not None and not seen.read_only:
            target = seen  # its backend has no other way to look at it
        return copy_store(
            source,
            target,
            verify=verify,
            dry_run=dry_run,
            on_corrupt="skip" if skip_corrupt else "raise",
            on_progress=on_progress,
        )


class _Last:
    """Remembers how far the copy is."""

    on_progress: OnProgress | None = None
    progress: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        self.progress = progress
        if self.on_progress is not None:
            self.on_progress(progress)


def _tell_what_is_there(last: _Last, error: BaseException) -> None:
    """What an interrupted copy leaves."""
    from moltnet_core import RecordConflictError

    progress = last.progress
    if progress is None or progress.phase == "check":
        if isinstance(error, KeyboardInterrupt):
            note("nothing was written to TO")
    elif progress.phase == "copy" and isinstance(error, RecordConflictError):
        note(f"TO holds at least {progress.done} of {progress.total} records, and some that are not of FROM")
    elif progress.phase == "copy":
        note(f"TO holds at least {progress.done} of {progress.total} records; the same command goes on from there")
    elif isinstance(error, KeyboardInterrupt):
        note("everything was copied, and not compared to the end; the same command does that again")


def _tell(ctx: click.Context, result: CopyResult, *, dry_run: bool) -> None:
    values = {
        "copied": result.copied,
        "present": result.present,
        "truncated": result.truncated,
        "reordered": result.reordered,
        "skipped": sum(each.count for each in result.skipped),
        "verified": result.verified,
    }
    print_event(ctx, "done", {**result.digest.to_json(), **values} | ({"dry_run": True} if dry_run else {}))
    before = f", {result.present} of them before" if result.present else ""
    what = f"{counted(result.digest)}{before}"
    if result.present and not result.copied:
        what = f"nothing: TO held all of it, {counted(result.digest)}"
    note(f"dry run: would copy {what}" if dry_run else f"copied {what}{'; verified' if result.verified else ''}")
    if result.truncated:
        lose = "would lose" if dry_run else "lost"
        note(
            f"{result.truncated} records {lose} digits of a time that TO does not keep; the order of "
            f"{result.reordered} neighbours in a conversation changes with it"
        )
    for each in result.skipped:
        warn(f"left out {each}")
