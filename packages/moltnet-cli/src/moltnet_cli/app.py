"""The command itself: its verbs, each loaded when it is used, and what becomes of errors.

``--help`` and completion import neither the core nor a backend: a verb's module is imported when the verb is chosen,
and modules import what they need where they need it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from moltnet_cli.failures import run
from moltnet_cli.options import Noun, examples

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMPLETE_VARIABLE", "PROGRAM", "VERBS", "cli", "main"]

PROGRAM: Final = "moltnet-storage"

COMPLETE_VARIABLE: Final = "_MOLTNET_STORAGE_COMPLETE"
"""Set by the completion scripts."""

VERBS: Final = {
    "backends": "Show the installed backends.",
    "info": "Show which store the configuration opens, and its state.",
    "migrate": "Look at the schema and upgrade it.",
    "rooms": "List, create, change and remove rooms.",
    "agents": "List, register and remove agents.",
    "threads": "List the threads of a room.",
    "dms": "List direct conversations.",
    "artifacts": "List artifacts.",
    "read": "Show messages of a conversation.",
    "tail": "Show the newest messages and follow.",
    "send": "Append a message to a conversation.",
    "copy": "Copy a store into another of any kind.",
    "verify": "Compare two stores, or show the digest of one.",
    "check": "Look for everything that can be wrong in the store.",
    "repair": "Put right some of what check finds.",
    "export": "Write everything into a file, one JSON object a line.",
    "import": "Load such a file into an empty store.",
    "backup": "Copy the store while it is in use.",
    "restore": "Make a store of a backup.",
    "completion": "Print a completion script for a shell.",
}
"""Every verb and its line in the help. The module ``moltnet_cli.commands.<verb>`` has a command of that name;
one that is a keyword of Python has a ``_`` behind it there."""


class Application(Noun):
    """The outermost group. Its verbs are in :data:`VERBS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb, imported now."""
        if cmd_name not in VERBS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(import_module(f"moltnet_cli.commands.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs' lines, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that begin so, without importing them, and options."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=text) for name, text in VERBS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run the command and exit: with 0 to 3 or 130, and one line on standard error where it failed.

        :param complete_var: as the rest of click's own arguments but ``extra``, it changes nothing.
        """
        name = prog_name or PROGRAM

        def work() -> None:
            with self.make_context(name, list(sys.argv[1:] if args is None else args), **extra) as ctx:
                self.invoke(ctx)

        instruction = os.environ.get(COMPLETE_VARIABLE)
        if instruction:
            from click.shell_completion import shell_complete

            sys.exit(run(lambda: shell_complete(self, {}, name, COMPLETE_VARIABLE, instruction)))
        sys.exit(run(work))


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"{PROGRAM} {version('moltnet-cli')} (moltnet-core {version('moltnet-core')})")
    ctx.exit()


@click.group(
    PROGRAM,
    cls=Application,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "moltnet-storage info",
        "moltnet-storage --store sqlite:///chat.db read room:general --limit 20",
        "moltnet-storage send room:general 'Hello' --from alice",
        "moltnet-storage rooms list --all --json",
    ),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show versions."
)
def cli() -> None:
    """Look at, tend and upgrade the store of a Moltnet network.

    The store is --store URL, else what the environment and the configuration file say, else the SQLite default
    .moltnet/moltnet.db. Commands that only look never create or change one.

    Exit codes: 0 done; 1 it ran and found a difference or a fault; 2 usage or configuration; 3 the store could not be
    opened or reached; 130 interrupted.
    """


def main() -> None:
    """The entry point of the installed script."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that cannot show a character gets its number instead of ending the command.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # absent where it is replaced
    cli.main()
