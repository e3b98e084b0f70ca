"""``check``: everything that can be wrong in a store, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.failures import FOUND
from moltnet_cli.options import Verb, examples, globals_of
from moltnet_cli.progress import showing_progress
from moltnet_cli.rendering import note, print_json, print_text, safe
from moltnet_cli.stores import checking
from moltnet_cli.whole_stores import counted_kinds, only_reading

if TYPE_CHECKING:
    from moltnet_core import CheckReport
    from moltnet_core.checking import Finding

__all__ = ["check"]

_SHOWN_OF_A_NOTE: Final = 3


@click.command(
    cls=Verb,
    epilog=examples(
        "moltnet-storage check",
        "moltnet-storage --store sqlite:///chat.db check --deep",
        "moltnet-storage check --strict --json",
    ),
)
@click.option("--deep", is_flag=True, help="Let the engine check its own file, too, which reads all of it.")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings, too.")
@click.pass_context
def check(ctx: click.Context, deep: bool, strict: bool) -> None:
    """Look for everything that can be wrong in the store. Writes nothing; a server may go on meanwhile.

    A store of any version can be checked as it is. Exits with 1 where there is an error; warnings and notes are only
    shown.
    """
    from moltnet_core.checking import Severity

    with only_reading(), showing_progress(ctx) as on_progress:
        report = checking(ctx, deep=deep, on_progress=on_progress)
    if globals_of(ctx).as_json:
        for finding in report.findings:
            print_json({"event": "finding", **finding.to_json()})
        print_json({"event": "report", **report.to_json()})
    else:
        for code in dict.fromkeys(finding.code for finding in report.findings):
            print_findings(report.of(code))
        _summarise(report)
    failing = [name for name in ("error", "warning") if name == "error" or strict]
    faults = [_counted(report, name) for name in failing if report.count(Severity(name))]
    if faults:
        click.echo(f"error: the store has {' and '.join(faults)}", err=True)
        ctx.exit(FOUND)


def print_findings(findings: Sequence[Finding]) -> None:
    """The findings of one code for people: what, how many, which, and what to do."""
    fault = findings[0].fault
    counted = ", ".join(f"{each.count} {each.kind}{'' if each.count == 1 else 's'}" for each in findings)
    print_text(f"{fault.severity}: {fault.code}: {counted}")
    print_text(f"    {fault.meaning}")
    for finding in findings:
        shown = finding.items[:_SHOWN_OF_A_NOTE] if fault.severity == "note" else finding.items
        for item in shown:
            print_text(safe(f"    - {item.id}{': ' if item.id and item.detail else ''}{item.detail}"))
        if finding.count > len(shown):
            print_text(f"    - and {finding.count - len(shown)} more {finding.kind}s")
    print_text(f"    repair: {fault.repair}")


def _summarise(report: CheckReport) -> None:
    from moltnet_core.checking import Severity

    checked = counted_kinds(report.checked)
    found = ", ".join(_counted(report, name) for name in Severity if report.count(name))
    note(f"checked {checked}: {found or 'nothing is wrong'}")
    if report.repairable:
        note(f"to put right: moltnet-storage repair {' '.join(report.repairable)}")


def _counted(report: CheckReport, severity: str) -> str:
    from moltnet_core.checking import Severity

    count = report.count(Severity(severity))
    return f"{count} {severity}{'' if count == 1 else 's'}"
