"""The backends of this project, judged by the kit as anybody's are: by their entry points, with no deviation."""

from __future__ import annotations

from pathlib import Path

from tests.postgres.shared import new_location

from moltnet_conformance import ConformanceSuite, Harness


class JSON(Harness):
    backend = "json"

    def new_location(self, tmp_path: Path) -> str:
        return f"json:///{tmp_path}/store.json"


class Memory(Harness):
    backend = "memory"

    def new_location(self, tmp_path: Path) -> str:
        return "memory://"


class Postgres(Harness):
    backend = "postgres"

    def new_location(self, tmp_path: Path) -> str:
        return new_location()


class SQLite(Harness):
    backend = "sqlite"

    def new_location(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/store.db"


class TestJSON(ConformanceSuite):
    harness = JSON


class TestMemory(ConformanceSuite):
    harness = Memory


class TestPostgres(ConformanceSuite):
    harness = Postgres


class TestSQLite(ConformanceSuite):
    harness = SQLite
