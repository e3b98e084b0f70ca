"""Drawing charts as SVG that suits light and dark pages, phones and screen readers, and does not change by itself.

Colours are those of the page that a chart is part of (the variables of the documentation's theme); by itself, as a
file, it follows what the system prefers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from attrs import frozen

__all__ = ["Bar", "Line", "bars", "lines"]

WIDTH = 440
STYLE = Path(__file__).with_name("charts.css").read_text(encoding="utf-8")
_ROOM = 62.0  # between the middles of two short numbers along an axis
_LETTER = 9.5  # the width of a digit there
COLOURS = ("a", "b", "c", "d")


@frozen
class Bar:
    """A bar, with a line of text above it.

    :param share: of the whole, that is of what is allowed; more than 1 is too much.
    """

    label: str
    value: str
    share: float


@frozen
class Line:
    """A line, and what its points are called where the numbers are read out."""

    label: str
    points: Sequence[tuple[float, float]]


def _svg(name: str, title: str, description: str, height: float, parts: Iterable[str]) -> str:
    return "\n".join(
        [
            (
                f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
                f'role="img" aria-labelledby="{name}-title {name}-desc" width="100%" style="max-width: 35rem">'
            ),
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(description)}</desc>',
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    classes = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{classes}>{escape(text)}</text>'


def bars(name: str, title: str, drawn: Sequence[Bar]) -> str:
    """Bars below each other, and a line at what is allowed."""
    whole, step, top = WIDTH * 0.72, 58, 22
    height = top + step * len(drawn) + 4
    parts = [_text(whole, 14, "goal", "middle", "soft")]
    for number, bar in enumerate(drawn):
        y = top + step * number
        width = min(bar.share * whole, WIDTH - 1)
        fill = "a" if bar.share <= 1 else "bad"
        parts += [
            _text(0, y + 14, bar.label),
            _text(0, y + 31, bar.value, kind="soft"),
            f'<rect x="0" y="{y + 37}" width="{width:.1f}" height="12" rx="2" fill="var(--{fill})"/>',
            f'<line class="limit" x1="{whole:.1f}" y1="{y + 34}" x2="{whole:.1f}" y2="{y + 52}"/>',
        ]
    read = "; ".join(f"{bar.label}: {bar.value}" for bar in drawn)
    return _svg(name, title, f"Bars up to the goal. {read}.", height, parts)


def lines(
    name: str,
    title: str,
    across: str,
    drawn: Sequence[Line],
    count: Callable[[float], str],
    figure: Callable[[float], str],
) -> str:
    """Lines over a logarithmic axis, from 0 up, and their names below.

    :param count: how a number along the axis is written.
    :param figure: how one of the height is.
    """
    left, right, top, bottom, legend = 66, 18, 34, 230, 22
    xs = sorted({x for line in drawn for x, _ in line.points})
    most, step = _round_up(max(y for line in drawn for _, y in line.points))
    low, high = math.log(xs[0]), math.log(xs[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        along = (math.log(x) - low) / (high - low or 1)
        return left + along * (WIDTH - left - right), bottom - y / most * (bottom - top)

    parts = [_text(0, 14, title)]
    for number in range(round(most / step) + 1):
        _, y = place(xs[0], number * step)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{WIDTH - right}" y2="{y:.1f}"/>')
        parts.append(_text(left - 8, y + 5, figure(number * step), "end", "soft"))
    free = 0.0  # from where on there is room for the next number
    for x in xs:
        along, _ = place(x, 0)
        half = max(len(count(x)) * _LETTER / 2, _ROOM / 2)
        if along - half >= free:
            parts.append(_text(along, bottom + 20, count(x), "middle", "soft"))
            free = along + half
    parts.append(_text((left + WIDTH - right) / 2, bottom + 42, across, "middle", "soft"))
    for number, line in enumerate(drawn):
        colour, dash = _pen(number, paired=len(drawn) > len(COLOURS))
        places = [place(x, y) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<polyline points="{path}" stroke="{colour}"{dashed}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        y = bottom + 68 + legend * number
        parts.append(f'<polyline points="{left},{y - 5} {left + 30},{y - 5}" stroke="{colour}"{dashed}/>')
        parts.append(_text(left + 38, y, line.label))
    read = "; ".join(
        f"{line.label}: " + ", ".join(f"{figure(y)} at {count(x)}" for x, y in line.points) for line in drawn
    )
    return _svg(name, title, f"Over {across}. {read}.", bottom + 68 + legend * len(drawn), parts)


def _pen(number: int, *, paired: bool) -> tuple[str, str]:
    """Colour and dashes of a line; many lines come in pairs of one colour, the second of which is dashed."""
    colour = COLOURS[number // 2 % len(COLOURS)] if paired else COLOURS[number % len(COLOURS)]
    return f"var(--{colour})", "7 4" if paired and number % 2 else ""


def _round_up(value: float) -> tuple[float, float]:
    """A round number at least as large, and the distance of four or five grid lines below it."""
    power: float = 10.0 ** math.floor(math.log10(value))
    for step in (0.2, 0.25, 0.5, 1, 2, 2.5, 5):
        if step * power * 5 >= value:
            return math.ceil(value / (step * power)) * step * power, step * power
    return 10 * power, 2 * power
