"""``info``: which store the configuration opens, and how it is."""

from __future__ import annotations

from typing import Any

import click

from moltnet_cli.failures import exit_code, one_line
from moltnet_cli.networks import networks_of
from moltnet_cli.options import Verb, examples, globals_of
from moltnet_cli.rendering import Column, print_json, print_rows, print_text, safe, warn
from moltnet_cli.stores import Location, locate, on_warning, reading

__all__ = ["info"]

_PAIR = (Column[tuple[str, object]]("", lambda pair: pair[0]), Column[tuple[str, object]]("", lambda pair: pair[1]))


@click.command(
    cls=Verb, epilog=examples("moltnet-storage info", "moltnet-storage --store sqlite:///chat.db info --json")
)
@click.pass_context
def info(ctx: click.Context) -> None:
    """Show which store the configuration opens and why, and its state.

    That is: its settings (without secrets) and where each came from, the engine, the size, how much it holds, and the
    schema versions. The configuration is shown also where the store cannot be opened.
    """
    warnings: list[str] = []
    on_warning(ctx, warnings.append)
    location = locate(ctx)
    shown = _configuration(location)
    failure: Exception | None = None
    try:
        shown |= _state(ctx, location)
    except Exception as error:  # noqa: BLE001 - the configuration is shown before the error ends the command
        failure = error
        shown["error"] = one_line(error)
    shown["warnings"] = warnings
    if globals_of(ctx).as_json:
        print_json(shown)
    else:
        _print(shown)
        for text in warnings:
            warn(text)
    if failure is not None:
        click.echo(f"error: {shown['error']}", err=True)
        ctx.exit(exit_code(failure))


def _configuration(location: Location) -> dict[str, Any]:
    from importlib.metadata import version

    from moltnet_core.config import redact
    from moltnet_core.plugins import installed_backends

    backend = location.backend
    around = location.surroundings()
    installed = installed_backends()[location.config.kind][0]
    return {
        "backend": {
            "name": backend.name,
            "summary": backend.summary,
            "durability": backend.durability,
            "capabilities": sorted(backend.capabilities),
            "distribution": installed.distribution,
            "version": installed.version,
        },
        "core_version": version("moltnet-core"),
        "chosen_by": location.why,
        "config_file": str(around.file) if around.file else None,
        "network": around.network,
        "settings": {
            name: {"value": value, "source": location.sources[name]}
            for name, value in redact(location.settings).items()
        },
    }


def _state(ctx: click.Context, location: Location) -> dict[str, Any]:
    import attrs

    with reading(ctx, location) as store:
        store.ping()
        status = store.migration_status()
        return {
            "store": dict(store.describe()),
            "networks": networks_of(store),
            "counts": attrs.asdict(store.counts()),
            "schema": {series.series: {"applied": series.applied, "known": series.known} for series in status.series},
            "pending": [step.label for step in status.pending],
        }


def _print(shown: dict[str, Any]) -> None:
    backend = shown["backend"]
    stored = shown.get("networks", [])
    installed = f"{backend['distribution']} {backend['version']}, moltnet-core {shown['core_version']}"
    _section(
        "store",
        ("backend", f"{backend['name']} ({backend['summary']})"),
        ("chosen by", shown["chosen_by"]),
        ("configuration file", shown["config_file"]),
        ("network", shown["network"]),
        *([("networks stored", ", ".join(stored))] if stored not in ([], [shown["network"]]) else []),
        ("durability", backend["durability"]),
        ("installed", installed),
        *shown.get("store", {}).items(),
    )
    _section(
        "settings",
        *((name, f"{_value(each['value'])}  ({each['source']})") for name, each in shown["settings"].items()),
    )
    if "counts" not in shown:
        return
    _section("counts", *((name.replace("_", " "), count) for name, count in shown["counts"].items()))
    _section("schema", *((series, _versions(each)) for series, each in shown["schema"].items()))
    if shown["pending"]:
        print_text(f"missing migrations: {safe(', '.join(shown['pending']))} (see: moltnet-storage migrate plan)")


def _section(title: str, *pairs: tuple[str, object]) -> None:
    if pairs:
        print_text(f"{title}:")
        print_rows([(f"  {name}", value) for name, value in pairs], _PAIR, header=False)


def _value(value: object) -> object:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else value


def _versions(each: dict[str, int]) -> str:
    if each["known"] == 0:
        return f"version {each['applied']}, of a plugin that is not installed"
    return f"version {each['applied']} of {each['known']}"
