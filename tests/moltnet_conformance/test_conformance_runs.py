"""Runs of pytest that judge a backend, as an author starts them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.moltnet_conformance.runs import run, states_of

from moltnet_conformance import all_clauses
from moltnet_conformance.app import main
from moltnet_core.plugins import load_backend

SUITE = """
from moltnet_conformance import ConformanceSuite, Harness

class Memory(Harness):
    backend = "memory"
    def new_location(self, tmp_path): return "memory://"

class TestMemory(ConformanceSuite):
    harness = Memory
"""
ROOMS = ["-k", "room_00"]


def states(report: Any) -> dict[str, str]:
    (found,) = states_of(report).values()
    return found


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


@pytest.mark.timeout(300)
def test_a_whole_run_with_workers_comes_to_what_one_without_does(tmp_path: Path) -> None:
    """One without is among those of all backends, in ``tests/conformance``: conformant, and every clause passes."""
    status, said, report = run(tmp_path, SUITE, "-n", "2", "--moltnet-seed", "7")
    (suite,) = report["suites"]
    assert (status, suite["verdict"], suite["problems"]) == (0, "CONFORMANT contract 1.0", []), said
    assert "memory: CONFORMANT contract 1.0\n" in said
    capabilities = load_backend("memory")[0].capabilities
    applying = [clause.clause_id for clause in all_clauses() if clause.applies_to(capabilities)]
    assert states(report) == dict.fromkeys(applying, "passed")
    (note,) = suite["notes"]  # which histories were generated is said, so that they can be generated again
    assert re.fullmatch(r"DIFF-001: \d{3} histories, --moltnet-seed=7", note)
    assert f"  {note}\n" in said


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
