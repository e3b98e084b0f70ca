"""Measuring two sides in turn: medians over alternating rounds and several runs, and a table of goals and findings."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

__all__ = [
    "Row",
    "alternate",
    "difference_row",
    "format_figure",
    "in_process",
    "memory_row",
    "peak_memory",
    "print_measured",
    "print_table",
    "ratio_row",
    "read_json",
    "seconds",
    "write_json",
]

_RUNS = 5
_GOAL = re.compile(r"([≤≥]) ([\d.]+) (times|ms more)")


@frozen
class Row:
    """One line of the table.

    :param work: what was done.
    :param ours: seconds, the median of a run.
    :param floor: seconds, the median of what it is compared with, in the same run.
    :param ratio: ``ours / floor``.
    :param goal: the greatest ratio (or, for differences, number of seconds) that meets it.
    :param met: whether it does.
    :param unit: of both sides.
    """

    work: str
    against: str
    ours: float
    floor: float
    ratio: float
    goal: str
    met: bool
    unit: str = "seconds"

    @property
    def share(self) -> float | None:
        """How much of what the goal allows was taken: more than 1 is too much. ``None`` if there is no goal."""
        if (found := _GOAL.fullmatch(self.goal)) is None:
            return None
        sign, limit, unit = found[1], float(found[2]), found[3]
        if unit == "ms more":
            return max(self.ours - self.floor, 0) * 1000 / limit
        return self.ratio / limit if sign == "≤" else limit / self.ratio

    @property
    def finding(self) -> str:
        """What is compared with the goal, for people."""
        more = self.goal.endswith("ms more")
        return f"{(self.ours - self.floor) * 1000:+.2f} ms" if more else f"{self.ratio:.2f}"


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def alternate(ours: Callable[[], object], floor: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The times of two calls: of a few runs the one whose ratio is in the middle.

    What else the machine does may spoil a run either way.
    """
    runs = [_run(ours, floor, rounds) for _ in range(_RUNS)]
    runs.sort(key=lambda times: times[0] / times[1])
    return runs[_RUNS // 2]


def _run(ours: Callable[[], object], floor: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The median times of two calls, made in turn so that both see the machine in the same mood."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 2):
        first, second = (0, 1) if number % 2 else (1, 0)
        for side in (first, second):
            taken = seconds((ours, floor)[side])
            if number >= 2:  # the first two warm up
                found[side].append(taken)
    return statistics.median(found[0]), statistics.median(found[1])


def ratio_row(work: str, against: str, times: tuple[float, float], goal: float) -> Row:
    """A row whose goal is a ratio."""
    ours, floor = times
    return Row(work, against, ours, floor, ours / floor, f"≤ {goal:g} times", ours / floor <= goal)


def difference_row(work: str, against: str, times: tuple[float, float], goal: float) -> Row:
    """A row whose goal is so many seconds more."""
    ours, floor = times
    return Row(work, against, ours, floor, ours / floor, f"≤ {goal * 1000:g} ms more", ours - floor <= goal)


def format_figure(value: float, unit: str) -> str:
    """A figure for people."""
    if unit != "seconds":
        return f"{value:.0f} {unit}"
    return f"{value * 1e6:.0f} µs" if value < 0.01 else f"{value * 1e3:.1f} ms" if value < 10 else f"{value:.1f} s"


def in_process(module: str, work: str, *arguments: str) -> dict[str, float]:
    """A piece of work in a process of its own: what it printed by :func:`print_measured`."""
    command = [sys.executable, "-W", "ignore", "-m", module, work, *arguments]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def print_measured(found: dict[str, float]) -> None:
    """In such a process: seconds by name, and with them the most memory that it took, in MiB."""
    print(json.dumps(found | {"peak": peak_memory() / (1 << 20)}))


def peak_memory() -> int:
    """This process's greatest memory so far, in bytes; ``getrusage`` would count what its parent had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def memory_row(work: str, small: tuple[int, float], large: tuple[int, float]) -> Row:
    """A row whose goal is that memory does not grow with the messages.

    :param small: how many messages, and the peak in MiB.
    """
    (few, low), (many, high) = small, large
    told = f"{work}: peak {low:.0f} MiB of {few:,} messages, {high:.0f} MiB of {many:,}"
    return Row(told, "the fewer", high, low, high / low, "≤ 1.2 times", high <= 1.2 * low, "MiB")


def print_table(rows: Iterable[Row]) -> None:
    """The rows for people."""
    lines = [("work", "against", "ours", "its", "ratio", "goal", "met")]
    lines += [
        (
            row.work,
            row.against,
            format_figure(row.ours, row.unit),
            format_figure(row.floor, row.unit),
            f"{row.ratio:.2f}",
            row.goal,
            "yes" if row.met else "NO",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def write_json(rows: Iterable[Row], path: Path) -> None:
    """The rows for programs: a list of objects."""
    found: list[dict[str, Any]] = [asdict(row) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> list[Row]:
    """What :func:`write_json` has written."""
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
