"""Installs every extra from the built wheels alone, on every Python of this machine, uses it, and prints what came."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.postgres.cluster import Cluster

from releasing.changing import install_and_remove
from releasing.distributions import CORE, ROOT, distributions, supported_pythons
from releasing.environments import CommandError, Environment
from releasing.interpreters import Interpreter, find, running
from releasing.shapes import HEAD, Shape
from releasing.workbench import Workbench

__all__ = ["matrix"]

REPORT = ROOT / "build" / "matrix.md"
ALL = "all"
KIT = "conformance"

Job = tuple[str, Callable[[], list[str]]]


def matrix(named: Sequence[str]) -> int:
    """Run it, print the table, and write it into ``build/matrix.md``.

    :param named: Pythons by path or name, besides those that are found.
    :return: 0, or 1 where something did not install or work, which is printed.
    """
    pythons = find(named, supported_pythons()[0])
    for version in sorted(set(supported_pythons()) - {each.minor for each in pythons}):
        print(f"Python {version} is not on this machine: not tried")
    shapes = shapes_of(pythons, running())
    with TemporaryDirectory(prefix="moltnet-matrix-") as folder, Cluster() as server:
        workbench = Workbench(Path(folder).resolve(), server)
        problems = _do([(f"fetching for {each.minor}", partial(_fetch, workbench, each)) for each in pythons])
        if not problems:
            jobs = [(f"{shape.interpreter.minor} {shape.name}", partial(_try, workbench, shape)) for shape in shapes]
            jobs.append(("installing and removing", partial(install_and_remove, workbench, running())))
            problems = _do(jobs)
    table = "\n".join([HEAD, *(shape.row() for shape in shapes)])
    print(table, *problems, sep="\n", flush=True)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(f"{table}\n", encoding="utf-8")
    if not problems:
        print("installing and removing a backend shows at once, in the command and in a process that runs on")
    return 1 if problems else 0


def shapes_of(pythons: Sequence[Interpreter], current: Interpreter) -> list[Shape]:
    """The core and each extra on the current Python, everything on the others."""
    shapes = [Shape(current, extras) for extras in [(), *((name,) for name in distributions()[CORE].extras)]]
    return shapes + [Shape(each, (ALL,)) for each in pythons if each.minor != current.minor]


def _do(jobs: Sequence[Job]) -> list[str]:
    """Do them, as many at a time as the machine has processors; what was wrong, with the name of the job."""

    def done(job: Job) -> list[str]:
        name, work = job
        try:
            return [f"{name}: {problem}" for problem in work()]
        except CommandError as error:
            return [f"{name}: {error}"]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [problem for problems in pool.map(done, jobs) for problem in problems]


def _fetch(workbench: Workbench, interpreter: Interpreter) -> list[str]:
    workbench.fetch(interpreter)
    return []


def _try(workbench: Workbench, shape: Shape) -> list[str]:
    """Install a shape and use it; how it differs from what is promised."""
    started = time.monotonic()
    shape.verdict = "FAILED"
    environment = Environment.make(workbench.folder / shape.label, shape.interpreter)
    workbench.install(environment, shape.name)
    shape.installed = environment.installed()
    workbench.use(environment, shape.extras, shape.label)
    verdict = "works"
    if KIT in shape.extras or shape.interpreter != running():  # the kit judges once on every Python
        workbench.install(environment, f"{CORE}[{KIT}]")
        workbench.judge(environment, shape.label)
        verdict = "works, memory conformant"
    shape.seconds = time.monotonic() - started
    differences = shape.differences()
    shape.verdict = "FAILED" if differences else verdict
    return differences
