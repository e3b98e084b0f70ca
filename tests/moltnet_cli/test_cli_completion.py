"""Completion: the scripts, and what they complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from moltnet_cli.app import COMPLETE_VARIABLE, VERBS, cli

Invoke = Callable[..., Result]
Complete = Callable[[str], list[str]]


@pytest.fixture
def complete() -> Complete:
    """What the command offers for a line, as the shells ask it."""

    def run(line: str) -> list[str]:
        words = line.split()
        index = len(words) - (not line.endswith(" "))
        environment = {COMPLETE_VARIABLE: "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(index)}
        result = CliRunner().invoke(cli, env=environment)
        assert result.stderr == ""
        assert result.exit_code == 0
        return [entry.partition(",")[2] for entry in result.stdout.splitlines() if entry]

    return run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(invoke: Invoke, shell: str) -> None:
    script = invoke("completion", shell).stdout
    assert COMPLETE_VARIABLE in script
    assert "moltnet-storage" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, check=True, encoding="utf-8")


def test_verbs_and_options(complete: Complete) -> None:
    assert complete("moltnet-storage ") == list(VERBS)
    assert complete("moltnet-storage rea") == ["read"]
    assert complete("moltnet-storage rooms re") == ["remove"]
    assert "--limit" in complete("moltnet-storage read --")
    assert complete("moltnet-storage --sto") == ["--store"]


def test_conversations_and_rooms(complete: Complete, filled: Path) -> None:
    assert complete("moltnet-storage read ") == ["room:general", "room:ops", "thread:t1", "thread:t2", "dm:d1", "dm:d2"]
    assert complete("moltnet-storage read room:g") == ["room:general"]
    assert complete("moltnet-storage read room:general") == ["room:general"]
    assert complete("moltnet-storage tail th") == ["thread:t1", "thread:t2"]
    assert complete("moltnet-storage send dm:") == ["dm:d1", "dm:d2"]
    assert complete("moltnet-storage rooms remove o") == ["ops"]
    assert complete("moltnet-storage threads ") == ["general", "ops"]
    assert complete(f"moltnet-storage --store sqlite:///{filled} read room:o") == ["room:ops"]
    assert complete("moltnet-storage read nosuch:x") == []


def test_nothing_to_complete_is_silent_and_creates_nothing(complete: Complete) -> None:
    assert complete("moltnet-storage read room:") == []
    assert complete("moltnet-storage --store nosuch:// read room:") == []
    assert complete("moltnet-storage --store memory:// read room:") == []
    Path("moltnet.toml").write_text("not [ toml")
    assert complete("moltnet-storage read room:") == []
    assert [path.name for path in Path.cwd().iterdir()] == ["moltnet.toml"]


def test_ids_that_a_shell_would_take_for_more_are_left_out(
    complete: Complete, filled: Path, sql: Callable[..., None]
) -> None:
    sql(filled, "UPDATE rooms SET id = '$(touch owned)' WHERE id = 'ops'")
    assert complete("moltnet-storage threads ") == ["general"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash(invoke: Invoke, filled: Path, tmp_path: Path) -> None:
    command = tmp_path / "moltnet-storage"
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'from moltnet_cli.app import main; main()' \"$@\"\n")
    command.chmod(0o755)
    script = tmp_path / "completion.bash"
    script.write_text(invoke("completion", "bash").stdout)
    ask = (
        'source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; _moltnet_storage_completion moltnet-storage; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )

    def offered(line: str) -> list[str]:
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", ask, "bash", str(script), line],
            check=True,
            capture_output=True,
            encoding="utf-8",
            env=environment,
        )
        assert done.stderr == ""
        return done.stdout.split()

    assert offered("moltnet-storage backe") == ["backends"]
    # What stands before the last colon is a word of its own to bash and is not offered again.
    assert offered("moltnet-storage read room:g") == ["general"]
    assert offered("moltnet-storage read d") == ["dm:d1", "dm:d2"]
    assert offered("moltnet-storage --store sqlite:///nosuch.db read ") == []
