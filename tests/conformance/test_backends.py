"""The backends of this project, judged by the kit as anybody's are: by their entry points, with no deviation."""

from __future__ import annotations

from pathlib import Path

from tests.backends import LOCATIONS

from moltnet_conformance import ConformanceSuite, Harness


class JSON(Harness):
    backend = "json"

    def new_location(self, tmp_path: Path) -> str:
        return LOCATIONS["json"](tmp_path / "store")


class Memory(Harness):
    backend = "memory"

    def new_location(self, tmp_path: Path) -> str:
        return LOCATIONS["memory"](tmp_path / "store")


class Postgres(Harness):
    backend = "postgres"

    def new_location(self, tmp_path: Path) -> str:
        return LOCATIONS["postgres"](tmp_path / "store")


class SQLite(Harness):
    backend = "sqlite"

    def new_location(self, tmp_path: Path) -> str:
        return LOCATIONS["sqlite"](tmp_path / "store")


class TestJSON(ConformanceSuite):
    harness = JSON


class TestMemory(ConformanceSuite):
    harness = Memory


class TestPostgres(ConformanceSuite):
    harness = Postgres


class TestSQLite(ConformanceSuite):
    harness = SQLite
