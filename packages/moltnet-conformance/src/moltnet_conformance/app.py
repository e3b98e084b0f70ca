"""The ``moltnet-conformance`` command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from moltnet_core import MoltnetError
from moltnet_core.config import parse_url
from moltnet_core.plugins import load_backend

__all__ = ["main"]
SUITE = """
from moltnet_conformance import ConformanceSuite, Harness


class Given(Harness):
    backend = {backend!r}
    location = {location!r}


class Test(ConformanceSuite):
    harness = Given
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :return: its exit status: 0 for a conformant backend, 1 for another, 2 where none could be judged.
    """
    parser = argparse.ArgumentParser(
        prog="moltnet-conformance", description="Judges whether a backend of Moltnet's storage keeps the contract."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="judge an installed backend")
    run.add_argument("name", help="the backend's name, such as sqlite")
    run.add_argument(
        "--location", required=True, metavar="URL", help="a place; stores are made beside it, and removed afterwards"
    )
    run.add_argument("--report", type=Path, metavar="FILE", help="write what each clause came to into a JSON file")
    run.add_argument("--profile", choices=("quick", "deep"), default="quick", help="how many histories are generated")
    run.add_argument(
        "--seed",
        type=int,
        metavar="NUMBER",
        help="generate the histories of this number, which an earlier run has said",
    )
    commands.add_parser("clauses", help="list the clauses, with the contract's sentences")
    selftest = commands.add_parser(
        "selftest",
        help="show that the kit notices broken backends",
        description="Runs the kit on backends that are broken on purpose, one fault each, and shows which clause "
        "noticed which. Each has to fail every clause that it names, each required clause has to notice at least one, "
        "and backends that are lawful but odd have to pass all that applies. Takes some minutes. Those on real files "
        "come with the extra moltnet-conformance[selftest]; without it the verdict is INCOMPLETE.",
        epilog="Exit status: 0 where the verdict is PASSED, else 1.",
    )
    selftest.add_argument("--report", type=Path, metavar="FILE", help="write the matrix into a JSON file")
    chosen = parser.parse_args(arguments)
    if chosen.command == "selftest":
        return _selftest(chosen.report)
    if chosen.command == "clauses":
        from moltnet_conformance.catalogue import catalogue  # pytest is to see the clauses first

        sys.stdout.write("\n".join(catalogue()) + "\n")
        return 0
    try:
        backend = load_backend(chosen.name)[0]
        parse_url(chosen.location)
    except MoltnetError as error:
        return _cannot(str(error))
    if backend.sublocation is None:
        return _cannot(
            f"backend {backend.name} has no rule for places beside a given one (Backend.sublocation). "
            "Write a harness with new_location, and a ConformanceSuite, and run pytest."
        )
    return _run(backend.name, chosen.location, chosen.report, chosen.profile, chosen.seed)


def _cannot(problem: str) -> int:
    sys.stderr.write(f"moltnet-conformance: {problem}\n")
    return 2


def _selftest(report: Path | None) -> int:
    from moltnet_conformance.mutants import all_mutants, are_complete
    from moltnet_conformance.selftest import fates

    found = fates(all_mutants())
    from moltnet_conformance.clauses import all_clauses  # pytest is to see the clauses first
    from moltnet_conformance.matrix import Matrix

    matrix = Matrix(found, all_clauses(), are_complete())
    sys.stdout.write("\n".join(matrix.lines()) + "\n")
    if report is not None:
        matrix.write(report)
    return 0 if matrix.verdict == "PASSED" else 1


def _run(backend: str, location: str, report: Path | None, profile: str, seed: int | None) -> int:
    with TemporaryDirectory(prefix="moltnet-conformance-") as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder  # else it makes one where the command is run
        import pytest

        suite = Path(folder, "test_backend.py")
        suite.write_text(SUITE.format(backend=backend, location=location), "utf-8")
        options = ["-q", "--rootdir", folder, "-c", str(Path(folder, "pytest.ini")), "-p", "no:cacheprovider"]
        options += ["--basetemp", str(Path(folder, "temporary"))]  # pytest would keep its own
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # this package is imported: it is running
        Path(folder, "pytest.ini").write_text("[pytest]\n", "utf-8")
        if report is not None:
            options += ["--moltnet-report", str(report.absolute())]
        if seed is not None:
            options += ["--moltnet-seed", str(seed)]
        status = pytest.main([*options, "--moltnet-profile", profile, str(suite)])
    return int(status)
