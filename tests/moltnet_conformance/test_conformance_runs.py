"""Runs of pytest that judge a backend, as an author starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moltnet_conformance.app import main

SUITE = """
from moltnet_conformance import ConformanceSuite, Harness

class Memory(Harness):
    backend = "memory"
    def new_location(self, tmp_path): return "memory://"

class TestMemory(ConformanceSuite):
    harness = Memory
"""
ROOMS = ["-k", "room_00"]


def run(folder: Path, text: str, *arguments: str) -> tuple[int, str, Any]:
    """The exit status of a run of pytest on a file, what it says, and its report."""
    Path(folder, "test_it.py").write_text(text)
    Path(folder, "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    report = folder / "report.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--moltnet-report", str(report), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    said = done.stdout + done.stderr
    return done.returncode, said, json.loads(report.read_text()) if report.exists() else None


def states(report: Any) -> dict[str, str]:
    (suite,) = report["suites"]
    return {clause["id"]: clause["state"] for clause in suite["clauses"]}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_what_was_not_selected_makes_a_run_incomplete(tmp_path: Path, workers: tuple[str, ...]) -> None:
    status, said, report = run(tmp_path, SUITE, *ROOMS, *workers)
    assert (status, report["suites"][0]["verdict"]) == (1, "INCOMPLETE"), said
    assert "memory: INCOMPLETE" in said
    found = states(report)
    assert {each for each, state in found.items() if state == "passed"} == {f"ROOM-00{n}" for n in range(1, 10)}
    assert {state for each, state in found.items() if not each.startswith("ROOM")} == {"not run"}
    assert "OPEN-001" not in found  # of a capability that is not declared


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_deviation_that_passes_fails_the_run(tmp_path: Path, workers: tuple[str, ...]) -> None:
    status, said, report = run(tmp_path, SUITE + '    deviations = {"ROOM-001": "issue 12"}\n', *ROOMS, *workers)
    assert (status, report["suites"][0]["verdict"]) == (1, "NOT CONFORMANT"), said
    assert report["suites"][0]["problems"] == ["ROOM-001, named as a deviation, passes"]


def test_a_deviation_that_is_one_is_expected_to_fail(tmp_path: Path) -> None:
    broken = SUITE + (
        '    deviations = {"ROOM-001": "issue 12"}\n'
        "from moltnet_core import Store\n"
        "Store.get_room = lambda self, room_id: None\n"
    )
    status, said, report = run(tmp_path, broken, "-k", "room_001")
    assert status == 1, said  # it is required
    assert states(report)["ROOM-001"] == "deviates"
    assert report["suites"][0]["problems"] == ["ROOM-001, named as a deviation, is required"]


@pytest.mark.parametrize(
    "change",
    [
        '    deviations = {"ROOM-999": "x"}\n',
        "    def test_room_001_a_room_that_was_created_is_got_and_listed(self): ...\n",
    ],
)
def test_a_deviation_from_no_clause_and_a_replaced_clause_are_errors_at_collection(tmp_path: Path, change: str) -> None:
    status, said, report = run(tmp_path, f"{SUITE}    {change}")
    assert status == 2, said
    assert report["suites"] == []


def test_a_run_that_selects_nothing_of_a_suite_is_not_judged(tmp_path: Path) -> None:
    status, said, report = run(tmp_path, SUITE + "\ndef test_other(): pass\n", "-k", "test_other")
    assert (status, report["suites"]) == (0, []), said


def test_the_plugin_is_light_where_nothing_is_judged(tmp_path: Path) -> None:
    text = (
        "import sys\n"
        "def test_light():\n"
        "    assert 'moltnet_conformance.plugin' in sys.modules\n"
        "    heavy = {'moltnet_core.store', 'moltnet_conformance.clauses', 'moltnet_conformance.recorder', 'attrs'}\n"
        "    assert heavy & set(sys.modules) == set()\n"
    )
    status, said, _ = run(tmp_path, text, "-p", "no:hypothesispytest")
    assert status == 0, said


def test_the_command_lists_clauses_and_says_what_it_cannot_judge(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clauses"]) == 0
    assert "`ROOM-001`" in capsys.readouterr().out
    assert main(["run", "nothing", "--location", "nothing://"]) == 2
    assert main(["run", "memory", "--location", "not a url"]) == 2


UNINSTALLED = """
import attrs
from moltnet_core import hookimpl
from moltnet_sqlite.migrations import MIGRATIONS
from moltnet_sqlite.plugin import BACKEND as SQLITE

BACKEND = attrs.evolve(SQLITE, name="mine")

@hookimpl
def moltnet_register_backend():
    return BACKEND

@hookimpl
def moltnet_migrations(backend):
    return MIGRATIONS if backend is BACKEND else ()
"""
OF_UNINSTALLED = """
from moltnet_conformance import ConformanceSuite, Harness

class Mine(Harness):
    backend = "mine"
    plugins = ("my_backend",)
    def new_location(self, tmp_path): return f"mine:///{tmp_path}/db"

class TestMine(ConformanceSuite):
    harness = Mine
"""


def test_a_backend_that_is_not_installed_is_reached_by_the_processes_that_clauses_start(tmp_path: Path) -> None:
    (tmp_path / "my_backend.py").write_text(UNINSTALLED, "utf-8")
    started = ("OPEN-003", "FORK-001", "KILL-002", "PROC-001", "PROC-002")
    chosen = " or ".join(each.lower().replace("-", "_") for each in started)
    status, said, report = run(tmp_path, OF_UNINSTALLED, "-k", chosen)
    assert (status, report["suites"][0]["verdict"]) == (1, "INCOMPLETE"), said
    assert {each for each, state in states(report).items() if state == "passed"} == set(started)
