"""What is seen of a backend that is installed and removed: by the next command, and by a process that runs on."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Timer
from types import TracebackType
from typing import Self

from releasing.distributions import CORE
from releasing.environments import PATIENCE, Environment, bare_environ, run
from releasing.interpreters import Interpreter
from releasing.workbench import Workbench

__all__ = ["install_and_remove"]

SCRIPT = Path(__file__).with_name("onlooker.py")
# What the command lists; what the process lists, and answers when told to open a store and to use those that it has.
EXPECTED = [
    ("none", "none", "not installed", "used 0"),
    ("sqlite", "sqlite", "open", "used 1"),
    ("none", "none", "not installed", "used 1"),
    ("sqlite", "sqlite", "open", "used 2"),
]


class Onlooker:
    """A process of an environment that lists, opens and uses what is there, when it is told to."""

    def __init__(self, python: Path) -> None:
        command = [str(python), "-I", "-W", "error", str(SCRIPT)]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=bare_environ())
        self._limit = Timer(PATIENCE, self._process.kill)

    def __enter__(self) -> Self:
        self._limit.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._limit.cancel()
        self._process.__exit__(kind, error, traceback)  # which closes its input, so that it ends

    def answer(self, line: str) -> str:
        """What it says to a line; nothing, if it has ended, with an error that it has printed or at the limit."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def install_and_remove(workbench: Workbench, interpreter: Interpreter) -> list[str]:
    """Install, remove and install a backend; how what was seen differs from what is promised, a line each."""
    environment = Environment.make(workbench.folder / f"{interpreter.minor}-changing", interpreter)
    workbench.install(environment, f"{CORE}[cli]")
    url = workbench.place("sqlite", "changing")
    with Onlooker(environment.python) as onlooker:

        def look() -> tuple[str, ...]:
            lines = run([environment.program("moltnet-storage"), "backends", "--json"]).splitlines()
            listed = " ".join(json.loads(line)["name"] for line in lines) or "none"
            return listed, *(onlooker.answer(line) for line in ("list", f"open {url}", "use"))

        seen = [look()]
        workbench.install(environment, f"{CORE}[sqlite]")
        seen.append(look())
        environment.uninstall("moltnet-sqlite")
        seen.append(look())
        workbench.install(environment, f"{CORE}[sqlite]")
        seen.append(look())
    return [f"saw {there}, not {wanted}" for there, wanted in zip(seen, EXPECTED, strict=True) if there != wanted]
