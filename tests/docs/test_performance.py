"""The page on performance and its charts follow from the figures that are kept."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.charts import charts
from benchmarks.measuring import Row
from benchmarks.page import TABLES, performance_page
from benchmarks.svg import Line, lines

DOCS = Path(__file__).parent.parent.parent / "docs"
KEPT = DOCS / "bench"


def test_page_and_charts_are_made_of_the_figures() -> None:
    made = dict(charts(KEPT))
    assert {path.name: path.read_text(encoding="utf-8") for path in KEPT.glob("*.svg")} == made, (
        "run python3 dev.py charts"
    )
    assert (DOCS / "performance.md").read_text(encoding="utf-8") == performance_page(KEPT), "run python3 dev.py charts"


def test_every_table_of_the_benchmark_has_a_heading() -> None:
    assert {path.stem for path in KEPT.glob("*.json")} - {"machine", "curves"} <= set(TABLES)


def test_every_chart_on_the_page_is_there_and_tells_what_it_shows() -> None:
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    shown = re.findall(r":file: bench/(\S+)", page)
    assert sorted(shown) == sorted(path.name for path in KEPT.glob("*.svg"))
    for name in shown:
        root = ElementTree.parse(KEPT / name).getroot()
        names = {each.get("id"): each.text for each in root.iter() if each.get("id")}
        assert all(names[part] for part in root.attrib["aria-labelledby"].split())


@pytest.mark.parametrize(
    ("goal", "ours", "floor", "share"),
    [
        ("≤ 2 times", 0.003, 0.002, 0.75),
        ("≥ 3 times", 0.006, 0.002, 1.0),
        ("≤ 20 ms more", 0.025, 0.005, 1.0),
        ("≤ 20 ms more", 0.004, 0.005, 0.0),
        ("", 1, 1, None),
    ],
)
def test_a_rows_share_of_its_goal(goal: str, ours: float, floor: float, share: float | None) -> None:
    assert Row("work", "other", ours, floor, ours / floor, goal, True).share == pytest.approx(share)


def test_a_line_goes_where_its_numbers_are() -> None:
    made = lines("x", "title", "messages", [Line("a", [(10, 0), (100, 50), (1000, 100)])], str, str)
    points = re.search(r'<polyline points="([^"]+)"', made)
    assert points is not None
    xs, ys = zip(*(map(float, point.split(",")) for point in points[1].split()), strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)  # logarithmic
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2)  # linear, upwards
