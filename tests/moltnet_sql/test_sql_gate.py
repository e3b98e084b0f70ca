"""A plugin's transaction is a use of the store like any other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

import moltnet_sql
from moltnet_core import (
    Backend,
    BackendLoadError,
    Migration,
    MigrationRequiredError,
    Room,
    StoreClosedError,
    hookimpl,
    open_store,
)


def test_closing_waits_for_the_transaction(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    closing = threading.Thread(target=store.close)
    with moltnet_sql.transaction(store) as database:
        database.execute_sql("CREATE TABLE mine_t (x)")
        closing.start()
        closing.join(0.2)
        assert closing.is_alive()
    closing.join(10)
    assert not closing.is_alive()
    with pytest.raises(StoreClosedError), moltnet_sql.transaction(store):
        pass


def test_there_is_none_before_the_store_is_migrated(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/s.db", migrate="later") as store:
        with pytest.raises(MigrationRequiredError), moltnet_sql.transaction(store):
            pass
        store.migrate()
        with moltnet_sql.transaction(store) as database:
            database.execute_sql("CREATE TABLE mine_t (x)")


@pytest.mark.parametrize("what", ["commit", "rollback", "begin"])
def test_it_is_not_ended_from_within(tmp_path: Path, what: str) -> None:
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:

        def end() -> None:
            with moltnet_sql.transaction(store) as database:
                store.create_room(Room("r", "net"))
                getattr(database, what)()

        with pytest.raises(RuntimeError, match="atomic"):
            end()
        assert store.get_room("r") is None


def test_a_deferred_store_is_announced_once_it_was_migrated(tmp_path: Path) -> None:
    told: list[str] = []

    class Watcher:
        @hookimpl
        def moltnet_store_opened(self) -> None:
            told.append("opened")

        @hookimpl
        def moltnet_after_migrate(self) -> None:
            told.append("migrated")

    with open_store(f"sqlite:///{tmp_path}/s.db", migrate="later", plugins=[Watcher()]) as store:
        assert told == []
        store.migrate()
        assert told == ["migrated", "opened"]
        store.migrate()
        assert told == ["migrated", "opened"]


def test_a_hook_that_is_a_wrapper_is_refused(tmp_path: Path) -> None:
    class Wrapper:
        @hookimpl(wrapper=True)
        def moltnet_message_appended(self):  # type: ignore[no-untyped-def]
            return (yield)

    with pytest.raises(BackendLoadError, match="moltnet_message_appended"):
        open_store(f"sqlite:///{tmp_path}/s.db", plugins=[Wrapper()])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["COMMIT", "end;", "  rollback", "BEGIN IMMEDIATE"])
def test_a_migration_cannot_end_its_transaction(tmp_path: Path, word: str) -> None:
    class Plugin:
        @hookimpl
        def moltnet_migrations(self, backend: Backend) -> Sequence[Migration]:
            return [Migration.of_statements("mine", 1, "one", ["CREATE TABLE mine_t (x)", word])]

    with pytest.raises(Exception, match="failed and was rolled back"):
        open_store(f"sqlite:///{tmp_path}/s.db", plugins=[Plugin()])
    with open_store(f"sqlite:///{tmp_path}/s.db") as store, moltnet_sql.transaction(store) as database:
        assert database.execute_sql("SELECT 1 FROM sqlite_master WHERE name = 'mine_t'").fetchone() is None
