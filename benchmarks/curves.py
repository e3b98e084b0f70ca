"""Curves: how a figure changes with another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import asdict, frozen

__all__ = ["Curve", "read_curves", "write_curves"]


@frozen
class Curve:
    """One line of a chart.

    :param chart: which chart it is on.
    :param name: what it shows.
    :param across: what its points' first numbers count.
    :param unit: of the second: ``seconds``, ``bytes``, ``messages a second``.
    """

    chart: str
    name: str
    across: str
    unit: str
    points: Sequence[tuple[float, float]]


def write_curves(curves: Iterable[Curve], path: Path) -> None:
    """The curves as JSON, to three digits: more would only be noise in a comparison."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [asdict(curve) for curve in curves]
    for curve in found:
        curve["points"] = [[float(f"{number:.3g}") for number in point] for point in curve["points"]]
    path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_curves(path: Path) -> list[Curve]:
    """What :func:`write_curves` has written."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return [Curve(**{**each, "points": [(x, y) for x, y in each["points"]]}) for each in found]
