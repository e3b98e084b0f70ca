"""What is printed: JSON lines for machines, tables for people at a terminal, aligned text in a pipe.

Nothing that a store holds can command a terminal: see :func:`safe`. JSON is complete and always valid UTF-8.
"""

from __future__ import annotations

import errno
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import click

__all__ = [
    "Column",
    "Rows",
    "note",
    "on_terminal",
    "print_json",
    "print_rows",
    "print_text",
    "read_input",
    "safe",
    "shown_json",
    "shown_time",
    "warn",
]

T = TypeVar("T")

# Control characters; line and paragraph separators; marks that reorder what follows; lone surrogates.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# What is valid in JSON as it is, but may end a line, command a terminal, or has no UTF-8.
_ESCAPED_IN_JSON: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_GAP: Final = "  "
_NOTHING: Final = "-"


# -- texts -------------------------------------------------------------------------------------------


def safe(text: str, keep: str = "") -> str:
    """A text in one line in which control characters are written out, so that it is only ever text.

    :param keep: characters to leave as they are.
    """

    def written_out(match: re.Match[str]) -> str:
        character = match[0]
        if character in keep:
            return character
        code = ord(character)
        return _NAMED.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")

    return _UNSAFE.sub(written_out, text)


def shown_time(moment: datetime, *, to_the_second: bool = False) -> str:
    """A time as RFC 3339 in UTC: with every digit it has, as in JSON, or to the second."""
    from datetime import UTC

    moment = moment.astimezone(UTC).replace(tzinfo=None)
    if to_the_second:
        return f"{moment.isoformat(timespec='seconds')}Z"
    return f"{moment.isoformat(timespec='microseconds').rstrip('0').rstrip('.')}Z"


def shown_json(value: object) -> str:
    """A value as compact JSON in one line of text that UTF-8 can hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


# -- streams -----------------------------------------------------------------------------------------


def on_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_json(value: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """One JSON object, on a line of its own, in UTF-8 whatever the locale.

    :param dry_run: say in it that nothing was written.
    """
    _check_output()
    if dry_run:
        value = {**value, "dry_run": True}
    sys.stdout.buffer.write(shown_json(value).encode() + b"\n")


def print_text(line: str = "") -> None:
    """A line of text that is safe already."""
    _check_output()
    sys.stdout.write(f"{line}\n")


def read_input() -> bytes:
    """All of standard input."""
    return sys.stdin.buffer.read() if sys.stdin is not None else b""


def note(text: str) -> None:
    """Something to know, for people, on standard error."""
    click.echo(safe(text), err=True)


def warn(text: str) -> None:
    """A warning on standard error."""
    click.echo(f"warning: {safe(text)}", err=True)


def _check_output() -> None:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")


# -- tables ------------------------------------------------------------------------------------------


class Column(Generic[T]):
    """A column of a table.

    :param title: in capitals.
    :param value: the text of an item's cell; ``None`` or ``""`` for an empty one.
    :param numeric: right-aligned.
    :param detail: left out at a terminal that is too narrow; never elsewhere.
    """

    def __init__(
        self, title: str, value: Callable[[T], object], *, numeric: bool = False, detail: bool = False
    ) -> None:
        self.title = title
        self.numeric = numeric
        self.detail = detail
        self._value = value

    def cell(self, item: T) -> str:
        """An item's text, in one line."""
        value = self._value(item)
        if isinstance(value, datetime):
            return shown_time(value, to_the_second=on_terminal())
        return safe(str(value)) if value not in (None, "") else _NOTHING


class Rows(Generic[T]):
    """Prints the items of one table as they come: drawn at a terminal, aligned text elsewhere. No cell is cut short.

    :param header: print the titles above the first item.
    """

    def __init__(self, columns: Sequence[Column[T]], *, header: bool = True) -> None:
        self._columns = columns
        self._header = header
        self._widths = [0] * len(columns)

    def print(self, items: Iterable[T]) -> None:
        """Print some items. A column is never narrower than for those before."""
        rows = [[column.cell(item) for column in self._columns] for item in items]
        if not rows:
            return
        _check_output()
        if on_terminal():
            _draw(rows, self._columns, header=self._header)
        else:
            shown = [[column.title for column in self._columns], *rows] if self._header else rows
            self._widths = [max(width, *map(_width, cells)) for width, *cells in zip(self._widths, *shown, strict=True)]
            for row in shown:
                print_text(_GAP.join(map(self._aligned, self._columns, row, self._widths)).rstrip())
        self._header = False

    @staticmethod
    def _aligned(column: Column[T], cell: str, width: int) -> str:
        space = " " * (width - _width(cell))
        return space + cell if column.numeric else cell + space


def print_rows(items: Iterable[T], columns: Sequence[Column[T]], *, header: bool = True) -> None:
    """A whole table, as :class:`Rows` prints it."""
    Rows(columns, header=header).print(items)


def _draw(rows: Sequence[Sequence[str]], columns: Sequence[Column[Any]], *, header: bool) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = terminal_console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, show_header=header, header_style="bold", pad_edge=False)
    shown = _fitting(rows, columns, console.width) if header else range(len(columns))
    for index in shown:
        justify: Any = "right" if columns[index].numeric else "left"
        table.add_column(columns[index].title, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[index]) for index in shown))
    console.print(table)


def _fitting(rows: Sequence[Sequence[str]], columns: Sequence[Column[Any]], width: int) -> list[int]:
    """The columns that a terminal has room for: details go, the last first, as long as it is too narrow."""
    shown = list(range(len(columns)))
    needed = [max(_width(row[index]) for row in rows) for index in shown]
    needed = [max(_width(column.title), cells) + 3 for column, cells in zip(columns, needed, strict=True)]
    for index in reversed(range(len(columns))):
        if sum(needed[each] for each in shown) - 3 <= width:
            break
        if columns[index].detail:
            shown.remove(index)
    return shown


def terminal_console(*, stderr: bool = False) -> Any:
    """A rich console that takes text as text."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def _width(text: str) -> int:
    """The cells that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
