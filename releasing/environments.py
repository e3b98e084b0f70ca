"""Clean environments to install wheels into: nothing in them but what was installed, from nowhere but given folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from releasing.interpreters import Interpreter

__all__ = ["PATIENCE", "CommandError", "Environment", "Installed", "bare_environ", "fetch", "run"]

PATIENCE = 600  # seconds; the slowest is a first download
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]

LOOK = """
import json
from importlib.metadata import distributions
print(json.dumps({
    each.metadata["Name"]: [each.version, sum(file.locate().stat().st_size for file in each.files
    if file.suffix != ".pyc" and file.locate().is_file())] for each in distributions()}))
"""


class CommandError(Exception):
    """A command failed; says which, and what it printed."""


@dataclass(frozen=True)
class Installed:
    """A distribution in an environment.

    :param size: of its files, in bytes, without compiled ones.
    """

    version: str
    size: int


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip; the pip that installs into it is the running Python's."""

    folder: Path
    interpreter: Interpreter

    @classmethod
    def make(cls, folder: Path, interpreter: Interpreter) -> Environment:
        """Make it in a folder that is not there yet."""
        run([interpreter.path, "-I", "-m", "venv", "--without-pip", folder])
        return cls(folder, interpreter)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.program("python")

    def program(self, name: str) -> Path:
        """A program of its own; there or not."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / (f"{name}.exe" if os.name == "nt" else name)

    def install(self, requirement: str, *folders: Path) -> None:
        """Install from the wheels in folders. No index is asked, for anybody could offer our names there."""
        links = [f"--find-links={folder}" for folder in folders]
        options = ["--isolated", "--quiet", "--no-compile", "--no-index", "--only-binary=:all:", *links]
        run([*PIP, "--python", self.python, "install", *options, requirement])

    def uninstall(self, name: str) -> None:
        """Remove a distribution, and nothing that came with it."""
        run([*PIP, "--python", self.python, "uninstall", "--isolated", "--quiet", "--yes", name])

    def installed(self) -> dict[str, Installed]:
        """What is there, by name."""
        found = json.loads(run([self.python, "-I", "-c", LOOK]))
        return {name: Installed(*values) for name, values in sorted(found.items(), key=lambda item: item[0].lower())}


def fetch(environment: Environment, requirements: Sequence[str], into: Path) -> None:
    """Fetch wheels of other projects, with all that they need, for an environment's Python, from the usual index."""
    options = ["--quiet", "--only-binary=:all:", f"--dest={into}"]
    run([*PIP, "--python", environment.python, "download", *options, *requirements])


def bare_environ() -> dict[str, str]:
    """The environment without this project's settings, nor Python's."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("MOLTNET_", "PYTHON"))}


def run(command: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """Run a command in a :func:`bare_environ`; what it printed.

    :raises CommandError: it failed, or did not end.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, env=bare_environ(), cwd=cwd, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(words)} did not end in {PATIENCE} s") from error
    if done.returncode:
        raise CommandError(f"{' '.join(words)} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout
