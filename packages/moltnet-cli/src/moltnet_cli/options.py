"""Options that several verbs share, and the classes that give every verb the global ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = [
    "Globals",
    "Noun",
    "NumberType",
    "Paging",
    "Verb",
    "dry_run_option",
    "examples",
    "globals_of",
    "paging_options",
]

_F = TypeVar("_F", bound=Callable[..., Any])

MAX_LIMIT = 1000
"""The core's; repeated here because importing it takes longer than all of ``--help``. A test compares them."""


class Globals:
    """What the global options say, before or after the verb; a later one wins."""

    def __init__(self) -> None:
        self.store: str | None = None
        self.config_file: str | None = None
        self.network: str | None = None
        self.as_json = False


def globals_of(ctx: click.Context) -> Globals:
    """The global options of the running command."""
    return ctx.find_root().ensure_object(Globals)


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value and param.name is not None:
        setattr(globals_of(ctx), param.name, value)


def _global_options() -> list[click.Parameter]:
    common: dict[str, Any] = {"expose_value": False, "callback": _remember}
    return [
        click.Option(["--store"], metavar="URL", help="The store, such as sqlite:///chat.db.", **common),
        click.Option(
            ["--config", "config_file"], metavar="FILE", type=click.Path(), help="The configuration file.", **common
        ),
        click.Option(["--network"], metavar="ID", help="The network of what is written.", **common),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object a line.", **common),
    ]


def _write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The verb's own options, then the global ones."""
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            (shared if param.callback is _remember else own).append(record)
    for title, records in (("Options", own), ("Global options, before or after the command", shared)):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _write_epilog(command: click.Command, formatter: click.HelpFormatter) -> None:
    """The epilog's lines as they are: it is reStructuredText with a literal block, for the documentation."""
    if not command.epilog:
        return
    title, _, lines = command.epilog.partition("::\n\n")
    with formatter.section(title):
        for line in lines.splitlines():
            formatter.write(f"{line}\n")


class Verb(click.Command):
    """A command that takes the global options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _global_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own options and global options apart."""
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, each on a line."""
        _write_epilog(self, formatter)


class Noun(click.Group):
    """A group of commands that takes the global options."""

    command_class = Verb
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _global_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands first, then own options and global options apart."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, each on a line."""
        _write_epilog(self, formatter)


def examples(*commands: str) -> str:
    """An epilog that shows commands as they are typed, in the help and in the documentation."""
    return "\n".join(["Examples::", "", *(f"  $ {command}" for command in commands)])


# -- pages -------------------------------------------------------------------------------------------


class NumberType(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"expected a number from {self.min} to {self.max}, not {value!r}", param, ctx)


class Paging:
    """Which part of a listing was asked for.

    :param limit: how many; ``None`` for the default.
    :param everything: all pages of it.
    """

    def __init__(self, limit: int | None, before: str | None, after: str | None, everything: bool) -> None:
        if everything and limit is not None:
            raise click.UsageError("--limit and --all exclude each other")
        if before is not None and after is not None:
            raise click.UsageError("--before and --after exclude each other")
        self.limit = limit
        self.before = before or None
        self.after = after or None
        self.everything = everything


def paging_options(function: _F) -> _F:
    """``--limit``, ``--before``, ``--after`` and ``--all``, as the arguments of :class:`Paging`."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="All pages, oldest first, as they are read."),
        click.option("--after", metavar="ID", help="Items just after this one; START: the oldest."),
        click.option("--before", metavar="ID", help="Items just before this one."),
        click.option("--limit", type=NumberType(1, MAX_LIMIT), help="How many, the newest by default.  [100]"),
    ):
        function = option(function)
    return function


def dry_run_option(function: _F) -> _F:
    """``--dry-run``."""
    return click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")(function)
