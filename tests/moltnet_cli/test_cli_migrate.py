"""``migrate``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_cli.commands.migrate import _blocks, _duration, _seconds
from moltnet_core import open_store
from moltnet_core.driver import SupportsMigrations
from moltnet_core.migrations import Migration

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def old(path: Path, sql: Callable[..., None]) -> Path:
    """A store of the server's version 4, with a message."""
    with open_store(migrate="later") as store:
        assert isinstance(store.driver, SupportsMigrations)
        for step in store.migration_status().pending[:4]:
            store.driver.migration_log.apply(step)
    sql(
        path,
        "INSERT INTO rooms VALUES ('general', 'local', 'molt://local/rooms/general', 'G', '2026-01-01T00:00:00Z')",
        "INSERT INTO messages (id, network_id, target_kind, room_id, target_json, from_json, parts_json, mentions_json,"
        " created_at) VALUES ('m1', 'local', 'room', 'general', '{\"kind\":\"room\",\"room_id\":\"general\"}',"
        ' \'{"type":"agent","id":"a"}\', \'[{"kind":"text","text":"hi"}]\', \'[]\', \'2026-01-01T00:00:00Z\')',
    )
    return path


def test_looking_leaves_an_old_store_as_it_is(invoke: Invoke, objects: Objects, old: Path) -> None:
    before = old.read_bytes()
    assert objects("migrate", "status") == [
        {"series": "moltnet", "applied": 4, "known": 8, "pending": [5, 6, 7, 8]},
        {"series": "sqlite", "applied": 0, "known": 1, "pending": [1]},
    ]
    assert "out of date" in invoke("migrate", "status").stdout
    plan = objects("migrate", "plan")
    assert [f"{step['series']}:{step['version']}" for step in plan] == [
        "moltnet:5",
        "moltnet:6",
        "moltnet:7",
        "moltnet:8",
        "sqlite:1",
    ]
    assert plan[-1]["rows"] == {"messages": 1, "artifacts": 0, "members": 0, "agents": 0}
    assert plan[-1]["seconds"] is not None
    assert "1 messages" in invoke("migrate", "plan").stdout
    assert objects("migrate", "up", "--dry-run") == plan
    assert objects("read", "room:general")[0]["parts"] == [{"kind": "text", "text": "hi"}]
    assert objects("info")[0]["pending"][0] == "moltnet:5"
    assert "missing migrations: moltnet:5" in invoke("info").stdout
    invoke("send", "room:general", "hi", "--from", "bob", "--dry-run")
    assert "moltnet:5" in invoke("rooms", "create", "x", "--dry-run").stderr
    assert old.read_bytes() == before


def test_up(invoke: Invoke, objects: Objects, old: Path) -> None:
    assert len(objects("migrate", "up")) == 5
    assert objects("migrate", "up") == []
    assert "up to date" in invoke("migrate", "up").stderr
    assert "up to date" in invoke("migrate", "plan").stderr
    assert "out of date" not in invoke("migrate", "status").stdout
    assert objects("read", "room:general")[0]["id"] == "m1"


@pytest.mark.parametrize(
    "args",
    [
        ("send", "room:general", "hi", "--from", "bob"),
        ("rooms", "create", "x"),
        ("rooms", "members", "general", "--add", "bob"),
        ("rooms", "remove", "general", "--yes"),
        ("agents", "register", "bob", "--credential-stdin"),
    ],
)
def test_writing_migrates_and_says_so(invoke: Invoke, objects: Objects, old: Path, args: tuple[str, ...]) -> None:
    error = invoke(*args, input="secret").stderr
    assert "applying moltnet:5, moltnet:6, moltnet:7, moltnet:8, sqlite:1; there is no way back" in error
    assert objects("migrate", "plan") == []
    assert "applying" not in invoke("send", "room:general", "hi", "--from", "bob", code=int("remove" in args)).stderr


def test_a_new_store_is_no_upgrade(invoke: Invoke) -> None:
    assert invoke("rooms", "create", "x").stderr == ""


REFUSED = [
    ("send", "room:nosuch", "hi", "--from", "bob"),
    ("send", "room:general", "hi", "--from", "bob", "--id", "m1"),
    ("send", "thread:new", "hi", "--from", "bob", "--room", "nosuch"),
    ("rooms", "members", "nosuch", "--add", "bob"),
    ("rooms", "remove", "nosuch", "--yes"),
    ("rooms", "create", "general"),
]


@pytest.mark.parametrize("args", REFUSED)
def test_what_is_refused_does_not_migrate(invoke: Invoke, old: Path, args: tuple[str, ...]) -> None:
    before = old.read_bytes()
    assert "applying" not in invoke(*args, code=1).stderr
    assert old.read_bytes() == before


def test_removing_nobody_does_not_migrate(invoke: Invoke, old: Path) -> None:
    before = old.read_bytes()
    invoke("agents", "remove", "nobody", "--rooms")
    assert old.read_bytes() == before


@pytest.mark.parametrize("args", [args for args in REFUSED if "create" not in args])
def test_what_is_refused_leaves_an_empty_file_empty(invoke: Invoke, path: Path, args: tuple[str, ...]) -> None:
    path.parent.mkdir()
    path.touch()
    invoke(*args, code=1)
    assert path.read_bytes() == b""


def test_up_creates_a_store(invoke: Invoke, path: Path) -> None:
    invoke("migrate", "up", "--dry-run")
    assert not path.parent.exists()
    assert "moltnet:1" in invoke("migrate", "up").stdout
    assert path.exists()


@pytest.mark.parametrize("verb", ["status", "plan"])
def test_looking_creates_nothing(invoke: Invoke, path: Path, verb: str) -> None:
    invoke("migrate", verb, code=3)
    assert not path.parent.exists()


def test_a_newer_store_is_read_but_not_written(
    invoke: Invoke, objects: Objects, filled: Path, sql: Callable[..., None]
) -> None:
    sql(filled, "INSERT INTO schema_migrations VALUES (9, 'from_the_future', '2026-01-01T00:00:00Z')")
    assert len(objects("read", "room:general")) == 5
    assert "warning: " in invoke("read", "room:general").stderr
    assert "newer than this software" in invoke("migrate", "status").stdout
    assert objects("info")[0]["warnings"]
    for options in ((), ("--json",)):
        plan = invoke("migrate", "plan", *options, code=1)
        assert "newer than this software" in plan.stderr
        assert "nothing to do" not in plan.stderr
    invoke("send", "room:general", "hi", "--from", "bob", code=3)
    invoke("send", "room:general", "hi", "--from", "bob", "--dry-run", code=3)
    invoke("migrate", "up", code=3)
    invoke("migrate", "up", "--dry-run", code=3)


def test_a_series_of_an_absent_plugin(invoke: Invoke, filled: Path, sql: Callable[..., None]) -> None:
    sql(filled, "INSERT INTO moltnet_ext_migrations VALUES ('search', 1, 'x', 'y', '2026-01-01T00:00:00Z')")
    assert "not installed" in invoke("migrate", "status").stdout
    assert "not installed" in invoke("info").stdout


def test_a_backend_without_migrations(invoke: Invoke) -> None:
    assert "no migrations" in invoke("--store", "memory://", "migrate", "status").stderr


def test_estimates() -> None:
    def step(*passes_over: str) -> Migration:
        return Migration.of_statements("x", 1, "x", (), passes_over=passes_over)

    assert _seconds(step("messages", "artifacts"), {"messages": 2_000_000, "artifacts": 1_000_000}) == 6
    assert _seconds(step(), {}) == 0
    assert "messages and artifacts" in _blocks(step("messages", "artifacts"))
    assert "nobody" in _blocks(step())
    assert [_duration(each) for each in (0.5, 6, 300)] == ["under 1 s", "about 6 s", "about 5 min"]
