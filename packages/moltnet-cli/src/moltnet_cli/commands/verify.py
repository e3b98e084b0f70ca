"""``verify``: whether two stores hold the same, or the digest of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from moltnet_cli.options import MAX_LIMIT, NumberType, Verb, examples, globals_of
from moltnet_cli.progress import print_event, showing_progress
from moltnet_cli.rendering import Column, note, print_rows, print_text, warn
from moltnet_cli.stores import locate_url, reading
from moltnet_cli.whole_stores import counted, only_reading, skip_corrupt_option

if TYPE_CHECKING:
    from moltnet_core import Difference, StoreDigest, Verification
    from moltnet_core.paging import OnCorrupt

__all__ = ["verify"]

_DEFAULT = 20


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage verify sqlite:///chat.db postgres://host/chat",
        "moltnet-storage verify sqlite:///chat.db --digest",
        "moltnet-storage verify sqlite:///chat.db --digest --time-digits 6",
    ),
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@click.option("--digest", "only_digest", is_flag=True, help="Show the digest of A, to compare on another machine.")
@click.option(
    "--time-digits",
    type=click.Choice(["9", "6"]),
    help="Digits of a second that count in it: 6 to compare with PostgreSQL.  [those that A keeps]",
)
@click.option(
    "--limit", type=NumberType(1, MAX_LIMIT), default=_DEFAULT, show_default=True, help="Differences to show."
)
@skip_corrupt_option
@click.pass_context
def verify(
    ctx: click.Context,
    first: str,
    second: str | None,
    only_digest: bool,
    time_digits: str | None,
    limit: int,
    skip_corrupt: bool,
) -> None:
    """Compare everything in the stores A and B, which are URLs. Exits with 1 when they differ.

    Times are compared to the digits that both keep. With --digest, show a digest of A: stores on two machines that
    have one digest hold the same.
    """
    if globals_of(ctx).store:
        raise click.UsageError("this command takes stores as arguments, not --store", ctx)
    if (second is None) != only_digest:
        raise click.UsageError("give two stores, or one and --digest", ctx)
    if time_digits is not None and not only_digest:
        raise click.UsageError("--time-digits goes with --digest", ctx)
    with only_reading():
        if second is None:
            _show_digest(ctx, first, int(time_digits) if time_digits else None, skip_corrupt=skip_corrupt)
        else:
            _compare(ctx, first, second, limit, skip_corrupt=skip_corrupt)


def _show_digest(ctx: click.Context, url: str, digits: int | None, *, skip_corrupt: bool) -> None:
    from moltnet_core import store_digest

    with reading(ctx, locate_url(ctx, url, "A")) as store, showing_progress(ctx) as on_progress:
        on_corrupt: OnCorrupt = "skip" if skip_corrupt else "raise"
        found = store_digest(store, time_digits=digits, on_corrupt=on_corrupt, on_progress=on_progress)
    if globals_of(ctx).as_json:
        print_event(ctx, "done", found.to_json())
        return
    print_text(found.text)
    note(counted(found))


def _compare(ctx: click.Context, first: str, second: str, limit: int, *, skip_corrupt: bool) -> None:
    from moltnet_core import verify_stores
    from moltnet_core.transfer.copying import same_store

    on_corrupt: OnCorrupt = "skip" if skip_corrupt else "raise"
    one, other = locate_url(ctx, first, "A"), locate_url(ctx, second, "B")
    with reading(ctx, one) as left, reading(ctx, other) as right, showing_progress(ctx) as on_progress:
        if same_store(left, right):
            raise click.UsageError("A and B are one store: to compare it with itself says nothing", ctx)
        found = verify_stores(left, right, limit=limit, on_corrupt=on_corrupt, on_progress=on_progress)
    for each in found.differences:
        print_event(ctx, "difference", each.to_json())
    for each in found.derived:
        print_event(ctx, "derived", each.to_json())
    both = {"first": found.first.to_json(), "second": found.second.to_json()}
    counts = {
        "differing": found.differing,
        "derived_differing": found.derived_differing,
        "skipped": list(found.skipped),
    }
    print_event(ctx, "done", {"equal": found.equal, **counts, **both})
    if not globals_of(ctx).as_json:
        _print(found)
    if not found.equal:
        raise click.ClickException(f"A and B are not equal: {found.differing} records differ")


def _values(found: Verification) -> dict[str, Any]:
    return {
        "equal": found.equal,
        "differing": found.differing,
        "derived_differing": found.derived_differing,
        "skipped": list(found.skipped),
        "first": found.first.to_json(),
        "second": found.second.to_json(),
    }


def _print(found: Verification) -> None:
    print_rows(list(found.first.kinds), _kinds(found.first, found.second))
    if found.differences:
        print_text()
        print_rows(found.differences, _DIFFERENCES)
    if found.differing > len(found.differences):
        note(f"and {found.differing - len(found.differences)} more differences")
    if found.derived_differing:
        note(
            f"{found.derived_differing} threads or DMs say another count or last time in A than in B, as "
            f"{found.derived[0].record_id}: that follows from the messages, and one of them is wrong (see: check)"
        )
    for name, count in zip("AB", found.skipped, strict=True):
        if count:
            warn(f"left out {count} records of {name} that cannot be read")
    if found.equal:
        note(f"equal, to {found.first.time_digits} digits of a second")


def _kinds(first: StoreDigest, second: StoreDigest) -> tuple[Column[str], ...]:
    from moltnet_core import RecordKind

    def of(digest: StoreDigest, name: str) -> tuple[Column[str], Column[str]]:
        return (
            Column(f"IN {name}", lambda kind: str(digest.kinds[RecordKind(kind)].count), numeric=True),
            Column(f"DIGEST OF {name}", lambda kind: digest.kinds[RecordKind(kind)].text[:16]),
        )

    return (Column("KIND", str), *of(first, "A"), *of(second, "B"))


_WHERE = {"first": "only in A", "second": "only in B", None: "differs"}
_DIFFERENCES: tuple[Column[Difference], ...] = (
    Column("KIND", lambda each: str(each.kind)),
    Column("ID", lambda each: each.record_id),
    Column("DIFFERENCE", lambda each: _WHERE[each.only_in]),
    Column("FIELDS", lambda each: ", ".join(each.fields)),
)
