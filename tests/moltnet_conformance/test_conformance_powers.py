"""Powers that are claimed and not there, or not as they should be, are found out, and it is said what is wrong."""

from __future__ import annotations

import pytest
from tests.moltnet_conformance.runs import State, run, states_of

SUITES = """
from pathlib import Path

import attrs
from moltnet_conformance import ConformanceSuite, Harness
from moltnet_core.files import publish
from moltnet_core.plugins import hookimpl
from moltnet_json.driver import JSONDriver
from moltnet_json.plugin import BACKEND as JSON
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.plugin import BACKEND as MEMORY


def suite(driver, base=MEMORY, powers=()):
    class Plugin:
        @hookimpl
        def moltnet_register_backend(self):
            arguments = (lambda settings: (settings,)) if base is JSON else (lambda settings: ())
            def opened(settings, *, read_only=False): return driver(*arguments(settings))
            return attrs.evolve(base, name="odd", open=opened, powers=powers, sublocation=None, drop_sublocation=None)

    class Odd(Harness):
        backend = "odd"
        plugins = (Plugin(),)
        def new_location(self, tmp_path):
            return f"odd:///{tmp_path}/odd" if base is JSON else "odd://"

    return type("Test" + driver.__name__, (ConformanceSuite,), {"harness": Odd})


class Told(MemoryDriver): pass
class Undeclared(MemoryDriver): pass

class ClaimsWatch(MemoryDriver):
    feed = None

class ClaimsReadOnly(MemoryDriver): pass
class ClaimsMigrations(MemoryDriver): pass
class ClaimsBackup(MemoryDriver): pass

class Backs(JSONDriver): pass

class Overwrites(JSONDriver):
    def backup(self, destination):
        with self._turn, self._reading() as state:
            destination.write_bytes(state.document.content())

class Stale(JSONDriver):
    content = None
    def backup(self, destination):
        with self._turn, self._reading() as state:
            self.content = self.content or state.document.content()
        with publish(destination) as temporary:
            temporary.write_bytes(self.content)

class Forgets(JSONDriver):
    def backup(self, destination):
        with self._turn, self._reading() as state:
            content = state.document.content().replace(b"token:1", b"token:?")
        with publish(destination) as temporary:
            temporary.write_bytes(content)


TestTold = suite(Told, powers=("watch",))
TestUndeclared = suite(Undeclared)
TestClaimsWatch = suite(ClaimsWatch, powers=("watch",))
TestClaimsReadOnly = suite(ClaimsReadOnly, powers=("read_only", "watch"))
TestClaimsMigrations = suite(ClaimsMigrations, powers=("migrations", "watch"))
TestClaimsBackup = suite(ClaimsBackup, powers=("online_backup", "watch"))
TestBacks = suite(Backs, JSON, powers=("online_backup", "watch"))
TestOverwrites = suite(Overwrites, JSON, powers=("online_backup", "watch"))
TestStale = suite(Stale, JSON, powers=("online_backup", "watch"))
TestForgets = suite(Forgets, JSON, powers=("online_backup", "watch"))
"""
FAILING = {
    "Told": set(),
    "Undeclared": {"POWER-010"},
    "ClaimsWatch": {"POWER-009", "POWER-011"},
    "ClaimsReadOnly": {"POWER-004"},
    "ClaimsMigrations": {"POWER-011", "MIGR-003"},
    "ClaimsBackup": {"POWER-005", "POWER-006", "POWER-007", "POWER-011"},
    "Backs": set(),
    "Overwrites": {"POWER-007"},
    "Stale": {"POWER-006"},
    "Forgets": {"POWER-005"},
}
SAID = (
    "odd declares watch, and its ClaimsWatch has no feed",
    "odd declares migrations, and its ClaimsMigrations has no migration_log",
    "odd declares online_backup, and its ClaimsBackup has no backup",
    "odd declares read_only, and what was written is not read so",
    "Undeclared has a feed, and odd does not declare watch",
    "it lacks messages that were acknowledged before it was begun",
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, dict[str, State]]]:
    """What a run on all of them says, and what became of each clause, by suite."""
    status, said, report = run(tmp_path_factory.mktemp("powers"), SUITES, "-k", "power_0 or migr_0")
    assert status == 1, said
    return said, states_of(report)


@pytest.mark.parametrize("name", FAILING)
def test_a_power_that_is_not_as_declared_fails_and_one_that_is_passes(
    judged: tuple[str, dict[str, dict[str, State]]], name: str
) -> None:
    said, states = judged
    found = {each for each, state in states[f"Test{name}"].items() if state == "failed"}
    assert found == FAILING[name], said


@pytest.mark.parametrize("text", SAID)
def test_it_is_said_what_is_wrong(judged: tuple[str, dict[str, dict[str, State]]], text: str) -> None:
    assert text in judged[0]
