"""``backends``: what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from moltnet_cli.options import Verb, examples, globals_of
from moltnet_cli.rendering import Column, note, print_json, print_rows
from moltnet_cli.stores import on_warning

__all__ = ["backends"]

_COLUMNS = (
    Column[dict[str, Any]]("NAME", lambda row: row["name"]),
    Column[dict[str, Any]]("VERSION", lambda row: row["version"]),
    Column[dict[str, Any]]("DISTRIBUTION", lambda row: row["distribution"], detail=True),
    Column[dict[str, Any]]("DURABILITY", lambda row: row.get("durability")),
    Column[dict[str, Any]]("CAPABILITIES", lambda row: row.get("error") or ", ".join(row.get("capabilities", ()))),
)


@click.command(cls=Verb, epilog=examples("moltnet-storage backends", "moltnet-storage backends --json"))
@click.pass_context
def backends(ctx: click.Context) -> None:
    """Show the installed backends: version, distribution, durability, capabilities.

    One that cannot be loaded is shown with the reason, and does not keep the others from working.
    """
    on_warning(ctx, note)
    rows = list(_rows())
    if globals_of(ctx).as_json:
        for row in rows:
            print_json(row)
        return
    print_rows(rows, _COLUMNS)
    if not rows:
        note('no backend is installed: pip install "moltnet-core[sqlite]"')


def _rows() -> Iterator[dict[str, Any]]:
    from moltnet_core import MoltnetError
    from moltnet_core.plugins import installed_backends, load_backend

    for name, found in installed_backends().items():
        row: dict[str, Any] = {
            "name": name,
            "version": ", ".join(item.version for item in found),
            "distribution": ", ".join(item.distribution for item in found),
        }
        try:
            backend, _ = load_backend(name)
        except MoltnetError as error:
            yield {**row, "error": str(error)}
            continue
        if backend.name != name:
            row["alias_of"] = backend.name
        yield {
            **row,
            "summary": backend.summary,
            "durability": backend.durability,
            "capabilities": sorted(backend.capabilities),
        }
