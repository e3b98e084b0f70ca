"""The group: help, lazy loading, global options, exit codes of errors."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import moltnet_cli.commands
from moltnet_cli.app import PROGRAM, VERBS, cli, main
from moltnet_cli.failures import _STORE_ERRORS, _USAGE_ERRORS, exit_code, one_line
from moltnet_cli.options import MAX_LIMIT
from moltnet_core import errors
from moltnet_core.types import MAX_LIMIT as CORE_LIMIT

Invoke = Callable[..., Result]


def every_command(
    group: click.Group = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


@pytest.mark.parametrize(
    ("words", "command"), list(every_command()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_help_of_every_command(invoke: Invoke, words: tuple[str, ...], command: click.Command) -> None:
    text = invoke(*words, "--help").stdout
    assert f"Usage: {PROGRAM} {' '.join(words)}" in text
    assert "--store URL" in text
    assert "--json" in text
    assert isinstance(command, click.Group) or "Examples:" in text
    assert "\x08" not in text


def test_every_module_is_a_verb() -> None:
    folder = Path(next(iter(moltnet_cli.commands.__path__)))
    assert {path.stem.rstrip("_") for path in folder.glob("[a-z]*.py")} == set(VERBS)  # a keyword has a _ behind it


def test_help_imports_neither_core_nor_rich() -> None:
    script = (
        "import sys\n"
        "from moltnet_cli.app import cli\n"
        "sys.argv = ['moltnet-storage', *sys.argv[1:]]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'moltnet_core', 'rich', 'attrs', 'peewee', 'yaml', 'pluggy', 'logging'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for args in (["--help"], ["read", "--help"], ["rooms", "create", "--help"], ["completion", "bash"]):
        subprocess.run([sys.executable, "-c", script, *args], check=True, stdout=subprocess.DEVNULL)


def test_the_installed_script_is_this() -> None:
    (found,) = entry_points(group="console_scripts", name=PROGRAM)
    assert found.load() is main


def test_version(invoke: Invoke) -> None:
    assert invoke("--version").stdout.startswith(f"{PROGRAM} ")


@pytest.mark.parametrize(
    "args",
    [
        ("nosuch",),
        ("read",),
        ("read", "general"),
        ("read", "room:"),
        ("read", "room:general", "--limit", "0"),
        ("read", "room:general", "--limit", "1001"),
        ("read", "room:general", "--limit", "5", "--all"),
        ("read", "room:general", "--before", "a", "--after", "b"),
        ("rooms", "list", "--nosuch"),
        ("--config", "no-such-file.yaml", "rooms", "list"),
        ("--store", "nosuch://", "rooms", "list"),
        ("--store", "sqlite://host/x", "rooms", "list"),
        ("--store", "chat.db", "rooms", "list"),
        ("completion", "tcsh"),
    ],
)
def test_usage_errors_are_one_line_and_create_nothing(invoke: Invoke, args: tuple[str, ...]) -> None:
    result: Result = invoke(*args, code=2)
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert not list(Path.cwd().iterdir())


def test_usage_errors_say_what_to_type(invoke: Invoke) -> None:
    assert "did you mean room:general?" in invoke("read", "general", code=2).stderr
    for args in (("read", "room:general"), ("rooms", "list")):
        assert "expected a number from 1 to 1000" in invoke(*args, "--limit", "x", code=2).stderr
    assert "expected a number from 0 to 1000" in invoke("tail", "room:general", "--limit", "-1", code=2).stderr


@pytest.mark.parametrize("command", [command for _, command in every_command() if not isinstance(command, click.Group)])
def test_examples_are_literal_in_the_documentation_and_in_the_help(command: click.Command) -> None:
    assert command.epilog is not None
    title, *lines = command.epilog.splitlines()
    assert title == "Examples::"
    help_text = command.get_help(click.Context(command, max_content_width=40))
    for line in lines:
        assert not line or line.startswith("  ")
        assert line in help_text


def test_a_group_alone_shows_its_help() -> None:
    result = CliRunner().invoke(cli, [])
    assert "Commands:" in result.output
    assert "error:" not in result.output


def test_global_options_before_and_after_the_verb(invoke: Invoke, filled: Path) -> None:
    url = f"sqlite:///{filled}"
    after = invoke("rooms", "list", "--json", "--store", url).stdout
    assert invoke("--store", url, "--json", "rooms", "list").stdout == after
    assert invoke("rooms", "--json", "--store", url, "list").stdout == after
    assert invoke("--store", "sqlite:///no.db", "rooms", "list", "--json", "--store", url).stdout == after


def test_limits_are_the_cores() -> None:
    assert MAX_LIMIT == CORE_LIMIT


def test_every_error_has_a_code_and_one_line() -> None:
    names = [*_USAGE_ERRORS, *_STORE_ERRORS]
    assert len(names) == len(set(names))
    for name in names:
        assert issubclass(getattr(errors, name), errors.MoltnetError)
    found = {
        errors.RoomNotFoundError("x"): 1,
        errors.DuplicateMessageError([]): 1,
        errors.CorruptRecordError("messages", "m", "no"): 1,
        errors.MigrationFailedError("moltnet", 1, "x", "no"): 1,
        errors.ValidationError("x", "no"): 2,
        errors.ConfigError("file", "key", "no"): 2,
        errors.InvalidCursorError("x"): 2,
        errors.BackendNotFoundError("x", []): 2,
        errors.BackendLoadError("x", "d", "1", "no"): 2,
        errors.UnsupportedCapabilityError("read_only", "memory"): 2,
        errors.StoreUnavailableError("no"): 3,
        errors.StorageFullError("no"): 3,
        errors.SchemaTooNewError("moltnet", 9, 8): 3,
        errors.CorruptStoreError("no"): 3,
        OSError(5, "bad disk", "/x"): 1,
        KeyboardInterrupt(): 130,
        RuntimeError("a\nb"): 1,
    }
    for error, code in found.items():
        with pytest.raises(type(error)) as caught:
            raise error
        assert exit_code(caught.value) == code
        assert "\n" not in one_line(caught.value)


def test_an_unknown_commit_is_said() -> None:
    assert "not known" in one_line(errors.StoreUnavailableError("gone", committed=None))
    assert "not known" not in one_line(errors.StoreUnavailableError("gone"))


def test_an_unexpected_error_is_one_line_that_says_where(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ctx: click.Context) -> None:
        raise RuntimeError("\x1b[31mred")

    monkeypatch.setattr("moltnet_cli.commands.dms.reading", broken)
    result = invoke("dms", code=1)
    assert result.stderr.startswith(
        f"error: unexpected RuntimeError at {Path(__file__).name}:{inspect.getsourcelines(broken)[1] + 1}"
    )
    assert "\x1b" not in result.stderr
