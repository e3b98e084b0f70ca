"""Migrations: from every version, twice, by several processes at once, with plugins that fail, later or not at all."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, foreign_in_chain, listen, tell, tree
from tests.moltnet_sqlite.support import (
    a_message,
    a_room,
    all_messages,
    be_killed_at_each_statement,
    dump,
    integrity,
    make_store,
    make_version,
    query,
    schema,
    url_of,
)

from moltnet_core import (
    Backend,
    MigrationFailedError,
    MigrationRequiredError,
    MoltnetError,
    SchemaTooNewError,
    Store,
    hookimpl,
    open_store,
)
from moltnet_core.migrations import Migration
from moltnet_sql import server_migrations, transaction

Start = Callable[..., Child]
VERSIONS = range(9)
NAMES = [
    "initial_schema",
    "message_origin",
    "global_paging_indexes",
    "thread_room_index_backfill",
    "agent_registry",
    "agent_credential_index",
    "soft_removed_rooms",
    "room_access_policy",
]


def columns(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: query(path, f"PRAGMA table_xinfo({table})")
        for (table,) in query(path, "SELECT name FROM sqlite_master WHERE type = 'table'")
    }


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A database that was made at the newest version."""
    path = tmp_path / "fresh" / "moltnet.db"
    make_store(path)
    return path


# -- from every version ------------------------------------------------------------------------------------


def test_the_versions_are_the_servers() -> None:
    assert [(step.series, step.version, step.name) for step in server_migrations("TEXT")] == [
        ("moltnet", number, name) for number, name in enumerate(NAMES, 1)
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_becomes_the_newest(path: Path, fresh: Path, version: int) -> None:
    make_version(path, version)
    with open_store(url_of(path)) as store:
        assert store.migration_status().is_current
        if version:
            assert all_messages(store) == ["was"]
            message = store.get_message("was")
            assert message is not None
            assert message.parts[0].text == "written long ago"
            room = store.get_room("old")
            assert room is not None
            assert (room.members, room.visibility, room.write_policy) == (("alice",), "private", "members")
        store.create_room(a_room())
        store.append_message(a_message("new"))
        assert len(all_messages(store)) == (2 if version else 1)
    assert query(path, "SELECT version, name FROM schema_migrations ORDER BY version") == list(enumerate(NAMES, 1))
    assert query(path, "SELECT series, version FROM moltnet_ext_migrations") == [("sqlite", 1)]
    assert schema(path) == schema(fresh)
    assert columns(path) == columns(fresh)
    assert integrity(path) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_open_writes_nothing(path: Path, version: int) -> None:
    make_version(path, version)
    open_store(url_of(path)).close()
    before = tree(path.parent)
    for migrate in (True, False, "later"):
        with open_store(url_of(path), migrate=migrate) as store:
            assert store.migrate() == ()
            assert not store.needs_migration
    assert tree(path.parent) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_that_may_not_be_migrated(path: Path, version: int) -> None:
    make_version(path, version)
    before = tree(path.parent)
    with pytest.raises(MigrationRequiredError) as caught:
        open_store(url_of(path), migrate=False)
    expected = [f"moltnet:{number}" for number in range(version + 1, 9)] + ["sqlite:1"]
    assert list(caught.value.pending) == expected
    assert tree(path.parent) == before


def test_what_the_server_adds_again_is_no_obstacle(path: Path) -> None:
    """An old server ran a statement of a later version already, but had not recorded it when it was stopped."""
    make_version(path, 3)
    query(path, "CREATE INDEX IF NOT EXISTS idx_threads_room ON threads (room_id, id)")
    with open_store(url_of(path)) as store:
        assert store.migration_status().is_current


def test_an_index_that_an_old_database_lacks_is_made(path: Path, fresh: Path) -> None:
    make_version(path, 3)
    query(path, "DROP INDEX idx_threads_room")
    open_store(url_of(path)).close()
    assert schema(path) == schema(fresh)


def test_a_database_from_before_the_version_table(path: Path, fresh: Path) -> None:
    """The version table is absent: version 0, whatever tables there are."""
    make_version(path, 1)
    query(path, "DROP TABLE schema_migrations")
    with open_store(url_of(path)) as store:
        assert all_messages(store) == ["was"]
    assert schema(path) == schema(fresh)


# -- looking without writing ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_status_and_plan_write_nothing(path: Path, version: int) -> None:
    make_version(path, version)
    before = tree(path.parent)
    with open_store(url_of(path), migrate="later") as store:
        status = store.migration_status()
        assert store.needs_migration
        assert [(series.series, series.applied, series.known) for series in status.series] == [
            ("moltnet", version, 8),
            ("sqlite", 0, 1),
        ]
        assert [step.label for step in status.pending] == [
            *(f"moltnet:{number}" for number in range(version + 1, 9)),
            "sqlite:1",
        ]
        store.ping()
        store.describe()
    assert tree(path.parent) == before


LATER: dict[str, Callable[[Store], object]] = {
    "counts": Store.counts,
    "create_room": lambda store: store.create_room(a_room()),
    "get_room": lambda store: store.get_room("old"),
    "list_rooms": Store.list_rooms,
    "append_message": lambda store: store.append_message(a_message("m", room_id="old")),
    "append_messages": lambda store: store.append_messages([a_message("m", room_id="old")]),
    "get_message": lambda store: store.get_message("was"),
    "list_room_messages": lambda store: store.list_room_messages("old"),
    "list_artifacts": Store.list_artifacts,
    "list_agents": Store.list_agents,
    "list_members": Store.list_members,
    "remove_agent": lambda store: store.remove_agent("alice"),
    "snapshot": lambda store: store.snapshot().__enter__(),
    "load": lambda store: store.load([]),
}


@pytest.mark.parametrize("call", LATER)
def test_later_only_what_needs_no_schema_works(path: Path, call: str) -> None:
    make_version(path, 4)
    with open_store(url_of(path), migrate="later") as store:
        store.ping()
        assert "multi_process" in store.capabilities
        assert store.backend.name == "sqlite"
        with pytest.raises(MigrationRequiredError) as caught:
            LATER[call](store)
        assert "moltnet:5" in caught.value.pending
        assert [step.label for step in store.migrate()] == [
            "moltnet:5",
            "moltnet:6",
            "moltnet:7",
            "moltnet:8",
            "sqlite:1",
        ]
        if call != "snapshot":
            LATER[call](store)


# -- several at once -----------------------------------------------------------------------------------------


def open_at_once(path: str, name: str) -> None:
    tell("ready")
    listen()
    with open_store(url_of(Path(path), busy_timeout=30)) as store:
        tell([step.label for step in store.migration_status().pending])
        store.append_message(a_message(name, room_id="old"))


@pytest.mark.parametrize("version", [0, 1, 5, 8])
def test_eight_first_openers(path: Path, fresh: Path, start: Start, version: int) -> None:
    """Of a new file (version 0: it does not exist) and of old ones."""
    if version:
        make_version(path, version)
    children = [start(open_at_once if version else create_at_once, path, f"by-{number}") for number in range(8)]
    for child in children:
        assert child.hear() == "ready"
    for child in children:
        child.say()
    for child in children:
        assert child.rest() == [[]]
    assert query(path, "SELECT version, name FROM schema_migrations ORDER BY version") == list(enumerate(NAMES, 1))
    assert query(path, "SELECT series, version FROM moltnet_ext_migrations") == [("sqlite", 1)]
    assert schema(path) == schema(fresh)
    assert query(path, "SELECT count(*) FROM messages WHERE id LIKE 'by-%'") == [(8,)]
    assert integrity(path) == []


def create_at_once(path: str, name: str) -> None:
    tell("ready")
    listen()
    with open_store(url_of(Path(path), busy_timeout=30)) as store:
        tell([step.label for step in store.migration_status().pending])
        try:
            store.create_room(a_room("old"))
        except MoltnetError as error:
            assert type(error).__name__ == "RoomExistsError"  # noqa: PT017 - in a child
        store.append_message(a_message(name, room_id="old"))


# -- plugins ---------------------------------------------------------------------------------------------------


class Notes:
    """A plugin with tables of its own: steps are lists of statements, or functions."""

    def __init__(self, *steps: Sequence[str] | Callable[[Any], None], series: str = "notes") -> None:
        self._migrations = [
            Migration(series, number, f"step_{number}", f"checksum {number}", step)
            if callable(step)
            else Migration.of_statements(series, number, f"step_{number}", step)
            for number, step in enumerate(steps, 1)
        ]

    @hookimpl
    def moltnet_migrations(self, backend: Backend) -> Sequence[Migration]:
        return self._migrations if backend.migration_target == "sql:sqlite" else ()


CREATE = ("CREATE TABLE notes_notes (id INTEGER PRIMARY KEY, note TEXT)", "INSERT INTO notes_notes VALUES (1, 'first')")


def test_a_plugins_tables_are_made_once(path: Path) -> None:
    for _ in range(3):
        with open_store(url_of(path), plugins=[Notes(CREATE)]) as store:
            assert store.migration_status().is_current
    assert query(path, "SELECT * FROM notes_notes") == [(1, "first")]
    assert query(path, "SELECT series, version, name FROM moltnet_ext_migrations ORDER BY 1") == [
        ("notes", 1, "step_1"),
        ("sqlite", 1, "order_indexes"),
    ]
    assert query(path, "SELECT max(version) FROM schema_migrations") == [(8,)]


def test_a_plugins_second_step_is_applied_alone(path: Path) -> None:
    open_store(url_of(path), plugins=[Notes(CREATE)]).close()
    plugin = Notes(CREATE, ["ALTER TABLE notes_notes ADD COLUMN colour TEXT DEFAULT 'red'"])
    with open_store(url_of(path), plugins=[plugin], migrate="later") as store:
        assert [step.label for step in store.migrate()] == ["notes:2"]
    assert query(path, "SELECT * FROM notes_notes") == [(1, "first", "red")]


def test_plugins_are_applied_by_name_after_the_backends_own(path: Path) -> None:
    order: list[str] = []
    plugins = [Notes(lambda _, name=name: order.append(name), series=name) for name in ("zebra", "notes", "alpha")]  # type: ignore[misc]
    open_store(url_of(path), plugins=plugins).close()
    assert order == ["alpha", "notes", "zebra"]


def test_the_series_of_an_absent_plugin_is_left_alone(path: Path) -> None:
    open_store(url_of(path), plugins=[Notes(CREATE)]).close()
    before = dump(path)
    with open_store(url_of(path)) as store:
        assert [(series.series, series.applied, series.known) for series in store.migration_status().series] == [
            ("moltnet", 8, 8),
            ("sqlite", 1, 1),
            ("notes", 1, 0),
        ]
    assert dump(path) == before


def test_a_plugin_that_is_older_than_its_tables(path: Path) -> None:
    open_store(url_of(path), plugins=[Notes(CREATE, [])]).close()
    with pytest.raises(SchemaTooNewError) as caught:
        open_store(url_of(path), plugins=[Notes(CREATE)])
    assert (caught.value.series, caught.value.found, caught.value.known) == ("notes", 2, 1)


def raising(handle: Any) -> None:
    handle.execute("CREATE TABLE notes_more (id INTEGER)")
    handle.execute("INSERT INTO notes_more VALUES (1)")
    raise KeyError("the plugin's own")


FAILING: dict[str, Sequence[str] | Callable[[Any], None]] = {
    "its first statement": ["CREATE TABLE rooms (id INTEGER)"],
    "its last statement": ["CREATE TABLE notes_more (id INTEGER)", "INSERT INTO nowhere VALUES ('secret')"],
    "after a change of the server's rows": ["DELETE FROM messages", "SELECT secret FROM nowhere"],
    "after a change of the server's tables": ["ALTER TABLE rooms ADD COLUMN notes_x TEXT", "not SQL"],
    "an error of its own": raising,
    "two statements in one": ["CREATE TABLE notes_more (id INTEGER); CREATE TABLE notes_yet_more (id INTEGER)"],
    "a row that is there": ["INSERT INTO rooms SELECT * FROM rooms"],
}


@pytest.mark.parametrize("failure", FAILING)
def test_a_failing_plugin_is_rolled_back_wholly(path: Path, failure: str) -> None:
    make_store(path, messages=3)
    before = dump(path)
    for _ in range(2):
        with pytest.raises(MigrationFailedError) as caught:
            open_store(url_of(path), plugins=[Notes(FAILING[failure])])
        assert (caught.value.series, caught.value.version, caught.value.name) == ("notes", 1, "step_1")
        assert not any("secret" in text or "sqlite3" in text for text in foreign_in_chain(caught.value))
        assert "nowhere" not in str(caught.value)
        assert dump(path) == before
    with open_store(url_of(path)) as store:
        assert all_messages(store) == ["m0", "m1", "m2"]


def test_the_steps_before_a_failing_one_stay(path: Path) -> None:
    make_version(path, 5)
    with pytest.raises(MigrationFailedError) as caught:
        open_store(url_of(path), plugins=[Notes(CREATE, ["not SQL"], ["DROP TABLE notes_notes"])])
    assert caught.value.version == 2
    assert query(path, "SELECT max(version) FROM schema_migrations") == [(8,)]
    assert query(path, "SELECT series, version FROM moltnet_ext_migrations ORDER BY 1") == [("notes", 1), ("sqlite", 1)]
    assert query(path, "SELECT * FROM notes_notes") == [(1, "first")]


def test_a_plugin_cannot_end_the_migrations_transaction(path: Path) -> None:
    """Half of it would stay when the rest fails."""
    make_store(path)
    before = dump(path)
    with pytest.raises(MoltnetError):
        open_store(url_of(path), plugins=[Notes(["CREATE TABLE notes_half (id INTEGER)", "COMMIT", "not SQL"])])
    assert "notes_half" not in str(dump(path)) or dump(path) == before


def test_what_a_before_migrate_hook_refuses_is_not_migrated(path: Path) -> None:
    class Refuses:
        @hookimpl
        def moltnet_before_migrate(self) -> None:
            raise RuntimeError("make a backup first")

    make_version(path, 6)
    before = tree(path.parent)
    with pytest.raises(Exception, match="make a backup first"):
        open_store(url_of(path), plugins=[Refuses()])
    assert tree(path.parent) == before


def test_the_hooks_hear_what_was_planned_and_applied(path: Path) -> None:
    heard: list[tuple[str, list[str]]] = []

    class Listens:
        @hookimpl
        def moltnet_before_migrate(self, store: Store, plan: Sequence[Migration]) -> None:
            store.ping()
            heard.append(("before", [step.label for step in plan]))

        @hookimpl
        def moltnet_after_migrate(self, store: Store, applied: Sequence[Migration]) -> None:
            assert store.counts().rooms == 1
            heard.append(("after", [step.label for step in applied]))

    make_version(path, 7)
    for _ in range(2):
        open_store(url_of(path), plugins=[Listens()]).close()
    assert heard == [("before", ["moltnet:8", "sqlite:1"]), ("after", ["moltnet:8", "sqlite:1"])]


def test_a_plugins_writes_are_part_of_its_transaction(path: Path) -> None:
    with open_store(url_of(path), plugins=[Notes(CREATE)]) as store:
        store.create_room(a_room())
        with transaction(store) as database:
            store.append_message(a_message("m"))
            database.execute_sql("INSERT INTO notes_notes (note) VALUES ('about m')")
    assert query(path, "SELECT note FROM notes_notes ORDER BY id") == [("first",), ("about m",)]


# -- killed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 6])
def test_killed_after_each_statement(path: Path, tmp_path: Path, fresh: Path, start: Start, version: int) -> None:
    """Each migration is wholly there or not at all, and the next open completes the rest."""
    expected = {}
    for number in VERSIONS:
        made = tmp_path / f"version-{number}.db"
        make_version(made, number)
        expected[number] = [row for row in schema(made) if row[1] != "schema_migrations"]
    make_version(path, version)
    child = start(be_killed_at_each_statement, path)
    seen: set[tuple[int, int]] = set()
    kills = 0
    while (status := child.hear()) == -signal.SIGKILL:
        kills += 1
        tables = {row[1] for row in schema(path)}
        applied = (
            query(path, "SELECT version, name FROM schema_migrations ORDER BY 1")
            if "schema_migrations" in tables
            else []
        )
        own = query(path, "SELECT version FROM moltnet_ext_migrations") if "moltnet_ext_migrations" in tables else []
        assert applied == list(enumerate(NAMES, 1))[: len(applied)]
        assert own in ([], [(1,)])
        found = [row for row in schema(path) if row[1] not in ("schema_migrations", "moltnet_ext_migrations")]
        if own:
            assert found == [
                row for row in schema(fresh) if row[1] not in ("schema_migrations", "moltnet_ext_migrations")
            ]
        else:
            assert found == expected[len(applied)]
        seen.add((len(applied), len(own)))
        assert integrity(path) == []
        with open_store(url_of(path, synchronous="normal")) as store:
            assert store.migration_status().is_current
            assert all_messages(store) == (["was"] if version else [])
        assert schema(path) == schema(fresh)
        for left in path.parent.iterdir():
            left.unlink()
        make_version(path, version)
        child.say()
    assert status == 0
    child.end()
    assert kills > 30
    # Nothing is executed after the last commit, but by the run that was not killed.
    assert seen >= {(number, 0) for number in range(version, 9)}
