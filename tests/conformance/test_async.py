"""``AsyncStore``, judged by the clauses that judge ``Store``: on memory by all, on SQLite where threads matter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backends import LOCATIONS
from tests.conformance.bridge import AsyncHarness, Loop

from moltnet_conformance import ConformanceSuite
from moltnet_conformance.suite import CLAUSES, ClauseFixtures


class AsyncMemory(AsyncHarness):
    backend = "memory"

    def new_location(self, tmp_path: Path) -> str:
        return LOCATIONS["memory"](tmp_path / "store")


class AsyncSQLite(AsyncHarness):
    backend = "sqlite"

    def new_location(self, tmp_path: Path) -> str:
        return LOCATIONS["sqlite"](tmp_path / "store")


@pytest.fixture(scope="module", autouse=True)
def _loop() -> Iterator[None]:
    AsyncHarness.loop = Loop()
    yield
    AsyncHarness.loop.close()


class TestMemoryAsync(ConformanceSuite):
    harness = AsyncMemory


class TestSQLiteAsync(ClauseFixtures):
    harness = AsyncSQLite


# Closing, threads that race, snapshots, which are open between calls, and watches, which wait between calls.
for _name, _clause in CLAUSES.items():
    if _clause.clause_id.startswith(("STORE-", "RACE-", "SCAN-", "WATCH-")):
        setattr(TestSQLiteAsync, _name, staticmethod(_clause.body))
