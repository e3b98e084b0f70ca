"""Takes the figures of the last run into the documentation: ``python3 dev.py bench charts``.

What ``build/bench`` has goes to ``docs/bench``; the charts there, and the page, are made of what ``docs/bench`` holds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.curves import Curve, read_curves
from benchmarks.measuring import Row, read_json
from benchmarks.page import performance_page
from benchmarks.svg import Bar, Line, bars, lines

__all__ = ["charts", "main"]

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "docs" / "bench"
CHARTS = {
    "size": "What a call takes as a room grows, SQLite",
    "writers": "Durable appends a second by many threads",
    "waits": "99 of 100 appends were durable within",
    "memory": "Peak memory of a walk over a room",
}
UNITS = {"seconds": (1000, "{:.3g} ms"), "bytes": (1 / 2**20, "{:.0f} MiB"), "messages a second": (1, "{:,.0f}")}
"""What a unit's figures are multiplied by, and how they are written then."""


def charts(folder: Path) -> Iterator[tuple[str, str]]:
    """The name and text of each chart that the figures in a folder make."""
    for path in sorted(folder.glob("*.json")):
        if path.stem not in {"curves", "machine"}:
            drawn = [bar for row in read_json(path) if (bar := _bar(row)) is not None]
            if drawn:
                yield f"{path.stem}.svg", bars(path.stem, f"Goals of the table {path.stem}", drawn)
    curves = read_curves(folder / "curves.json") if (folder / "curves.json").exists() else []
    for chart, title in CHARTS.items():
        on_it = [curve for curve in curves if curve.chart == chart]
        if on_it:
            yield f"curve-{chart}.svg", _lines(chart, title, on_it)


def _bar(row: Row) -> Bar | None:
    share = row.share
    if share is None:
        return None
    return Bar(row.work, f"{row.finding} of {row.goal}, against {row.against}", share)


def _lines(chart: str, title: str, curves: list[Curve]) -> str:
    scale, figure = UNITS[curves[0].unit]
    return lines(
        f"curve-{chart}",
        title,
        curves[0].across,
        [Line(curve.name, [(x, y * scale) for x, y in curve.points]) for curve in curves],
        _count,
        figure.format,
    )


def _count(value: float) -> str:
    power = len(str(int(value))) - 1
    digits = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(power))
    return f"10{digits}" if value >= 1000 and value == 10**power else f"{value:,.0f}"


def main() -> None:
    """Take the figures over, draw, and write the page."""
    KEPT.mkdir(exist_ok=True)
    for path in sorted((ROOT / "build" / "bench").glob("*.json")):
        shutil.copyfile(path, KEPT / path.name)
    for old in KEPT.glob("*.svg"):
        old.unlink()
    for name, text in charts(KEPT):
        (KEPT / name).write_text(text, encoding="utf-8")
    (ROOT / "docs" / "performance.md").write_text(performance_page(KEPT), encoding="utf-8")


if __name__ == "__main__":
    main()
