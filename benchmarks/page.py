"""The documentation's page on performance, made of the figures that it keeps and the text in performance.md here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Row, format_figure, read_json

__all__ = ["TABLES", "performance_page"]

TABLES = {
    "sqlite": "SQLite",
    "postgres": "PostgreSQL",
    "snapshots": "JSON",
    "asynchronous": "AsyncStore",
    "growth": "As it grows",
    "moving": "Moving a store",
    "backups": "Backups and exports",
}
"""The tables of the benchmark in the page's order, and their headings."""

HARD_SPACE = "\u00a0"
"""Keeps a figure and its unit on one line."""


def performance_page(folder: Path) -> str:
    """The page in Markdown, of the figures and charts in a folder beside it."""
    found = {name: read_json(path) for name in TABLES if (path := folder / f"{name}.json").exists()}
    parts = {name: _chart(folder, f"curve-{name}") for name in ("size", "writers", "waits", "memory")}
    parts["machine"] = _machine(folder)
    parts["verdict"] = _verdict([row for rows in found.values() for row in rows if row.goal])
    parts["tables"] = "\n\n".join(
        "\n".join([f"## {TABLES[name]}", "", *_table(rows), "", _chart(folder, name)]) for name, rows in found.items()
    )
    page = Path(__file__).with_name("performance.md").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"<!-- {name} -->", text)
    return re.sub(r"\n{3,}", "\n\n", page).rstrip() + "\n"


def _machine(folder: Path) -> str:
    found = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    return "The machine of the figures below: " + ", ".join(f"{name} {value}" for name, value in found.items()) + "."


def _verdict(goals: list[Row]) -> str:
    missed = [row for row in goals if not row.met]
    lines = [f"Of {len(goals)} goals {len(goals) - len(missed)} are met{':' if missed else '.'}", ""]
    lines += [f"- missed: {row.work}, against {row.against}: {row.finding} ({row.goal})" for row in missed]
    return "\n".join(lines)


def _chart(folder: Path, name: str) -> str:
    """A chart as a part of the page, so that it has the page's colours."""
    if not (folder / f"{name}.svg").exists():
        return ""
    return f"```{{raw}} html\n:file: {folder.name}/{name}.svg\n```"


def _table(rows: list[Row]) -> Iterator[str]:
    yield "| work | against | ours | its | ratio | goal | met |"
    yield "|---|---|--:|--:|--:|---|---|"
    for row in rows:
        ours, its = (format_figure(row.ours, row.unit), format_figure(row.floor, row.unit)) if row.ours else ("", "")
        met = "" if not row.goal else "yes" if row.met else "**no**"
        figures = " | ".join(text.replace(" ", HARD_SPACE) for text in (ours, its, f"{row.ratio:.2f}", row.goal))
        yield f"| {row.work} | {row.against} | {figures} | {met} |"
