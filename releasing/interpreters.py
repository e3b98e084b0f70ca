"""Which Pythons a machine has: the running one, those that are named, those on ``PATH`` and those of ``pyenv``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Interpreter", "InterpreterError", "find", "identify", "running"]

NEWEST = 30  # the minor version up to which names on PATH are looked for
PATIENCE = 30  # seconds
LOOK = """
import json, platform, sys
final = platform.python_implementation() == "CPython" and sys.version_info.releaselevel == "final"
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps([final, list(sys.version_info[:3]), base]))
"""


class InterpreterError(Exception):
    """A Python that was named cannot be used."""


@dataclass(frozen=True, order=True)
class Interpreter:
    """A released CPython.

    :param version: such as ``(3, 12, 1)``.
    :param path: the program; of a virtual environment, the one that it was made from.
    """

    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> str:
        """The version as classifiers have it, such as ``3.12``."""
        return f"{self.version[0]}.{self.version[1]}"


def running() -> Interpreter:
    """The Python that runs this."""
    found = identify(sys.executable)
    if found is None:
        raise InterpreterError(f"{sys.executable} is no released CPython")
    return found


def identify(program: str | Path) -> Interpreter | None:
    """What a program is, by running it; ``None`` if it is no released CPython, or does not run.

    A version manager's stand-in for a Python that is not chosen is on ``PATH`` too, and does not run.
    """
    try:
        done = subprocess.run(
            [str(program), "-I", "-c", LOOK], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        is_final, (major, minor, micro), base = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Interpreter((major, minor, micro), Path(base)) if is_final else None


def find(named: Sequence[str], oldest: str) -> list[Interpreter]:
    """One of each minor version from ``oldest`` on, oldest first; of several the first in the order above.

    :param named: programs, by path or by name on ``PATH``.
    :raises InterpreterError: one that is named cannot be used.
    """
    first = running()
    found = {first.minor: first}
    for name in named:
        one = identify(shutil.which(name) or name)
        if one is None:
            raise InterpreterError(f"{name} is no released CPython, or does not run")
        if one.minor != first.minor:  # of the running version it is the running one
            found[one.minor] = one
    for program in _candidates(int(oldest.partition(".")[2])):
        one = identify(program)
        if one is not None:
            found.setdefault(one.minor, one)
    lowest = tuple(map(int, oldest.split(".")))
    return sorted(each for each in found.values() if each.version >= lowest)


def _candidates(oldest: int) -> Iterator[str | Path]:
    for minor in range(oldest, NEWEST):
        if program := shutil.which(f"python3.{minor}"):
            yield program
    yield from _of_pyenv()


def _of_pyenv() -> Iterator[Path]:
    """Those of ``pyenv``, newest first: it puts only the chosen ones on ``PATH``."""
    if not (pyenv := shutil.which("pyenv")):
        return
    listed = subprocess.run(
        [pyenv, "versions", "--bare", "--skip-aliases"], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    for version in reversed(listed.stdout.split()):
        if not version.startswith("3.") or "/" in version:
            continue
        prefix = subprocess.run(
            [pyenv, "prefix", version], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        if prefix.returncode == 0:
            yield Path(prefix.stdout.strip(), "bin", "python")
