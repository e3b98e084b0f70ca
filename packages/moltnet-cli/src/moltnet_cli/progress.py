"""How far a long piece of work is: a bar at a terminal, events with ``--json``, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from moltnet_cli.options import globals_of
from moltnet_cli.rendering import print_json, shown_json, terminal_console

if TYPE_CHECKING:
    from moltnet_core.transfer.progress import OnProgress, Progress

__all__ = ["print_event", "showing_progress"]

_SECONDS_BETWEEN_EVENTS: Final = 1.0


@contextmanager
def showing_progress(ctx: click.Context, *, output_taken: bool = False) -> Iterator[OnProgress | None]:
    """What to give a tool as its ``on_progress``.

    At a terminal bars are drawn on standard error while the context lasts. With ``--json`` it is one object a second
    and at each beginning of a phase. Otherwise there is nothing to tell.

    :param output_taken: standard output is for something else, so events go to standard error.
    """
    if globals_of(ctx).as_json:
        yield _events(output_taken)
        return
    console = terminal_console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with _bars(console) as bars:
        yield bars


def print_event(ctx: click.Context, event: str, values: dict[str, Any], *, output_taken: bool = False) -> None:
    """One object with ``--json``, else nothing."""
    if globals_of(ctx).as_json:
        _print({"event": event, **values}, output_taken)


def _print(value: dict[str, Any], output_taken: bool) -> None:
    if output_taken:
        click.echo(shown_json(value), err=True)
    else:
        print_json(value)
        sys.stdout.flush()  # whoever reads a pipe wants to know now


def _events(output_taken: bool) -> Callable[[Progress], None]:
    told = 0.0

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if progress.done and now - told < _SECONDS_BETWEEN_EVENTS:
            return
        told = now
        values: dict[str, Any] = {"phase": progress.phase, "done": progress.done, "unit": progress.unit}
        if progress.total is not None:
            values["total"] = progress.total
        if progress.kind is not None:
            values["kind"] = str(progress.kind)
        _print({"event": "progress", **values}, output_taken)

    return tell


@contextmanager
def _bars(console: Any) -> Iterator[Callable[[Progress], None]]:
    from rich.filesize import decimal
    from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        """How much a second."""

        def render(self, task: Any) -> Text:
            speed = task.finished_speed or task.speed
            if speed is None or not task.fields["told"]:
                return Text("")
            shown = decimal(int(speed)) if task.fields["unit"] == "bytes" else f"{int(speed):,}"
            return Text(f"{shown}/s")

    class Done(ProgressColumn):
        """How much is done."""

        def render(self, task: Any) -> Text:
            done = int(task.completed) if task.fields["told"] else 0
            return Text("" if not done else decimal(done) if task.fields["unit"] == "bytes" else f"{done:,}")

    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TaskProgressColumn(),
        Done(),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bars(*columns, console=console) as bars:
        current: Any = None

        def tell(progress: Progress) -> None:
            nonlocal current
            if progress.done == 0 and (current is None or bars.tasks[current].description != progress.phase):
                if current is not None:
                    _finish(bars, current)
                current = bars.add_task(progress.phase, total=progress.total, unit=progress.unit, told=False)
            bars.update(current, completed=progress.done, total=progress.total, told=progress.done > 0)

        yield tell
        if current is not None:
            _finish(bars, current)


def _finish(bars: Any, task: Any) -> None:
    done = bars.tasks[task].completed or 1
    bars.update(task, total=done, completed=done)
