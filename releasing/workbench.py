"""The place where shapes are tried: a folder of clean environments, fetched wheels, and a PostgreSQL server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.postgres.server import Server

from releasing.distributions import CORE, ROOT, brought, distributions
from releasing.environments import Environment, fetch, run
from releasing.interpreters import Interpreter

__all__ = ["Workbench"]

DIST = ROOT / "dist"
EXERCISE = Path(__file__).with_name("exercise.py")


class Workbench:
    """What all shapes share.

    :param folder: one that is empty.
    :param server: where stores of the PostgreSQL backend go.
    """

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server

    def fetch(self, interpreter: Interpreter) -> None:
        """Fetch what the distributions need of other projects, once for all shapes of a Python."""
        needed = brought(distributions()[CORE].extras).others.values()
        environment = Environment.make(self.folder / f"{interpreter.minor}-fetch", interpreter)
        fetch(environment, [str(each) for several in needed for each in several], self._wheels(interpreter))

    def _wheels(self, interpreter: Interpreter) -> Path:
        return self.folder / "wheels" / interpreter.minor

    def install(self, environment: Environment, name: str) -> None:
        """Install from our wheels, and from those that were fetched."""
        environment.install(name, DIST, self._wheels(environment.interpreter))

    def place(self, backend: str, label: str) -> str:
        """The URL of a new store."""
        if backend == "memory":
            return "memory://"
        if backend in ("postgres", "postgresql"):
            scheme, _, rest = self.server.url(schema=self.server.new_schema()).partition(":")
            assert scheme == "postgres"
            return f"{backend}:{rest}"
        return f"{backend}:///{self.folder}/{label}.{backend}"

    def use(self, environment: Environment, extras: Sequence[str], label: str) -> None:
        """Write to, page and read stores of all backends that the extras bring, and of no other."""
        places = {name: self.place(name, label) for name in brought(extras).backends}
        folder = self.folder / f"{label}-work"
        folder.mkdir()
        run([environment.python, "-I", "-W", "error", EXERCISE, json.dumps(places)], cwd=folder)

    def judge(self, environment: Environment, label: str) -> None:
        """Have the conformance kit, which is installed there, judge the memory backend."""
        folder = self.folder / f"{label}-judged"
        folder.mkdir()
        run([environment.program("moltnet-conformance"), "run", "memory", "--location", "memory://"], cwd=folder)
