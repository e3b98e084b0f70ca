"""Migrations on a real store: a plugin's series beside ours, failures, and what is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import moltnet_sql
from moltnet_core import (
    MigrationDriftError,
    MigrationFailedError,
    MigrationRequiredError,
    Room,
    SchemaTooNewError,
    Store,
    ValidationError,
    hookimpl,
    open_store,
)
from moltnet_core.migrations import Migration

CREATE = ("CREATE TABLE mine_notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",)
FILL = ("INSERT INTO mine_notes (text) VALUES ('first')",)


class Mine:
    """A plugin with a series of its own."""

    def __init__(self, *statements: Sequence[str], series: str = "mine") -> None:
        self.steps = [
            Migration.of_statements(series, version, f"step_{version}", texts)
            for version, texts in enumerate(statements, 1)
        ]
        self.events: list[Any] = []

    @hookimpl
    def moltnet_migrations(self, backend: Any) -> Sequence[Migration]:
        return self.steps if backend.migration_target == "sql:sqlite" else ()

    @hookimpl
    def moltnet_before_migrate(self, store: Store, plan: Sequence[Migration]) -> None:
        self.events.append(("before", [step.label for step in plan], store.needs_migration))

    @hookimpl
    def moltnet_after_migrate(self, store: Store, applied: Sequence[Migration]) -> None:
        self.events.append(("after", [step.label for step in applied], store.counts().rooms))


@pytest.fixture
def location(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chat.db"


def tables(store: Store) -> set[str]:
    with moltnet_sql.transaction(store) as database:
        rows = database.execute_sql("SELECT name FROM sqlite_master").fetchall()
    return {row[0] for row in rows}


def opened(location: str, *plugins: object, **options: Any) -> Store:
    return open_store(location, environ={}, plugins=plugins, **options)


def test_a_plugin_s_series_is_applied_after_ours_and_once(location: str) -> None:
    plugin = Mine(CREATE, FILL)
    with opened(location, plugin) as store:
        assert [series.series for series in store.migration_status().series] == ["moltnet", "sqlite", "mine"]
        assert "mine_notes" in tables(store)
    (before, plan, _), (after, applied, rooms) = plugin.events
    assert (before, after, rooms) == ("before", "after", 0)
    assert plan == applied
    assert plan[0] == "moltnet:1"
    assert plan[-2:] == ["mine:1", "mine:2"]
    plugin.events.clear()
    with opened(location, plugin) as store, moltnet_sql.transaction(store) as database:
        assert database.execute_sql("SELECT text FROM mine_notes").fetchall() == [("first",)]
    assert plugin.events == []


def test_only_the_server_s_versions_stand_in_its_table(location: str) -> None:
    with opened(location, Mine(CREATE)) as store, moltnet_sql.transaction(store) as database:
        versions = database.execute_sql("SELECT version FROM schema_migrations ORDER BY version").fetchall()
        ours = database.execute_sql("SELECT series, version, checksum FROM moltnet_ext_migrations").fetchall()
    assert versions == [(number,) for number in range(1, 9)]
    assert {(series, version) for series, version, _ in ours} == {("sqlite", 1), ("mine", 1)}
    assert all(checksum for _, _, checksum in ours)


def test_an_absent_plugin_s_series_is_left_alone(location: str) -> None:
    opened(location, Mine(CREATE, FILL)).close()
    with opened(location, migrate=False) as store:
        status = store.migration_status()
        assert [(each.series, each.applied, each.known) for each in status.series][-1] == ("mine", 2, 0)
        assert "mine_notes" in tables(store)
    opened(location, Mine(CREATE, FILL, ("SELECT 1",))).close()


def test_a_series_newer_than_its_plugin(location: str) -> None:
    opened(location, Mine(CREATE, FILL)).close()
    with pytest.raises(SchemaTooNewError) as caught:
        opened(location, Mine(CREATE))
    assert caught.value.__dict__["series"] == "mine"
    with opened(location, Mine(CREATE), read_only=True) as store:
        store.counts()


def test_a_changed_migration_is_drift(location: str) -> None:
    opened(location, Mine(CREATE)).close()
    other = Mine(("CREATE TABLE mine_other (id INTEGER)",), FILL)
    with pytest.raises(MigrationDriftError):
        opened(location, other)
    with opened(location) as store:
        assert "mine_other" not in tables(store)
    assert other.events == []


def test_a_failing_migration_is_rolled_back_wholly_and_earlier_ones_stay(location: str, tmp_path: Path) -> None:
    bad = ("CREATE TABLE mine_half (id INTEGER)", "INSERT INTO mine_notes (text) VALUES ('half')", "NOT SQL AT ALL")
    plugin = Mine(CREATE, bad, FILL)
    for _ in range(2):
        with pytest.raises(MigrationFailedError) as caught:
            opened(location, plugin)
        attributes = caught.value.__dict__
        assert (attributes["series"], attributes["version"], attributes["name"]) == ("mine", 2, "step_2")
    assert [event[0] for event in plugin.events] == ["before", "before"]
    with opened(location) as store:
        found = store.migration_status().series
        assert [(each.series, each.applied) for each in found] == [("moltnet", 8), ("sqlite", 1), ("mine", 1)]
        assert "mine_half" not in tables(store)
        with moltnet_sql.transaction(store) as database:
            assert database.execute_sql("SELECT COUNT(*) FROM mine_notes").fetchone() == (0,)
    opened(location, Mine(CREATE, FILL)).close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["chat.db"]


@pytest.mark.parametrize("error", [ValueError("a row: secret"), KeyError("secret"), SystemExit(3)])
def test_a_migration_that_raises_is_rolled_back_too(location: str, error: BaseException) -> None:
    class Raising(Mine):
        @hookimpl
        def moltnet_migrations(self, backend: Any) -> Sequence[Migration]:
            def up(handle: Any) -> None:
                handle.execute(CREATE[0])
                raise error

            return [Migration("mine", 1, "raises", "c", up)]

    expected = MigrationFailedError if isinstance(error, Exception) else SystemExit
    with pytest.raises(expected) as caught:
        opened(location, Raising())
    if expected is MigrationFailedError:
        assert "secret" not in str(caught.value)
    with opened(location) as store:
        assert "mine_notes" not in tables(store)
        assert "mine" not in [each.series for each in store.migration_status().series]


def test_an_error_before_migrating_keeps_it_from_happening(location: str) -> None:
    class Refusing(Mine):
        @hookimpl
        def moltnet_before_migrate(self, store: Store, plan: Sequence[Migration]) -> None:
            raise LookupError("no backup could be made")

    with pytest.raises(LookupError):
        opened(location, Refusing(CREATE))
    with opened(location, migrate="later") as store:
        assert [each.applied for each in store.migration_status().series] == [0, 0]
    opened(location).close()
    with pytest.raises(LookupError):
        opened(location, Refusing(CREATE))
    with opened(location) as store:
        assert "mine_notes" not in tables(store)


@pytest.mark.parametrize("migrate", [True, "later"])
def test_before_migrating_the_store_does_not_work(location: str, migrate: Any) -> None:
    """Rather than read the tables of an older version."""
    refused: list[str] = []

    class Looking(Mine):
        @hookimpl
        def moltnet_before_migrate(self, store: Store, plan: Sequence[Migration]) -> None:
            for call in (store.counts, store.list_rooms, lambda: store.create_room(Room("general", "net"))):
                with pytest.raises(MigrationRequiredError) as caught:
                    call()
                refused.append(caught.value.__dict__["pending"][-1])
            store.ping()

        @hookimpl
        def moltnet_store_opened(self, store: Store) -> None:
            refused.append(f"opened with {store.counts().rooms} rooms")

    with opened(location, Looking(CREATE), migrate=migrate) as store:
        store.migrate()
    assert refused == ["mine:1"] * 3 + ["opened with 0 rooms"]


def test_an_error_after_migrating_is_logged(location: str, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Mine):
        @hookimpl
        def moltnet_after_migrate(self, store: Store, applied: Sequence[Migration]) -> None:
            raise LookupError("secret")

    with opened(location, Failing(CREATE)) as store:
        assert store.migration_status().is_current
    assert "LookupError" in caplog.text
    assert "secret" not in caplog.text


def test_later_means_after_migrate(location: str) -> None:
    plugin = Mine(CREATE)
    with opened(location, plugin, migrate="later") as store:
        with pytest.raises(MigrationRequiredError) as caught:
            store.create_room(Room("general", "net"))
        assert caught.value.__dict__["pending"][-1] == "mine:1"
        store.ping()
        assert plugin.events == []
        assert store.migrate()[-1].label == "mine:1"
        store.create_room(Room("general", "net"))
        assert [event[0] for event in plugin.events] == ["before", "after"]


def test_a_store_that_was_never_told_of_as_opened_is_not_told_of_as_closing(location: str) -> None:
    told: list[str] = []

    class Telling:
        @hookimpl
        def moltnet_store_opened(self) -> None:
            told.append("opened")

        @hookimpl
        def moltnet_store_closing(self, store: Store) -> None:
            told.append("closing")
            assert store.counts().rooms == 0

    opened(location, Telling(), migrate="later").close()
    assert told == []
    with opened(location, Telling(), migrate="later") as store:
        store.migrate()
    assert told == ["opened", "closing"]


def test_a_gap_in_a_plugin_s_series_is_an_error_before_anything_is_made(location: str, tmp_path: Path) -> None:
    plugin = Mine(CREATE, FILL)
    plugin.steps = plugin.steps[1:]
    with pytest.raises(ImportError, match="mine"):
        opened(location, plugin)
    assert not (tmp_path / "chat.db").exists()


def test_what_migrate_may_be(location: str, tmp_path: Path) -> None:
    wrong: Any
    for wrong in ("now", None, "", 2):
        with pytest.raises(ValidationError):
            opened(location, migrate=wrong)
    assert not (tmp_path / "chat.db").exists()
