"""``rooms``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_core import open_store, to_json

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]


def test_create_makes_the_store_and_the_room(objects: Objects, path: Path) -> None:
    (created,) = objects("rooms", "create", "general", "--name", "G", "--member", "bob", "--member", "alice")
    assert created["members"] == ["alice", "bob"]
    with open_store(read_only=True) as store:
        room = store.get_room("general")
        assert room is not None
        assert to_json(room) == created
        assert room.visibility == "private"
    assert path.stat().st_mode & 0o777 == 0o600


def test_create_all_options(objects: Objects) -> None:
    (room,) = objects(
        "rooms", "create", "x", "--visibility", "public", "--write-policy", "operators", "--network", "net"
    )
    assert (room["visibility"], room["write_policy"], room["network_id"]) == ("public", "operators", "net")


@pytest.mark.parametrize("args", [("bad id",), ("x", "--member", "no spaces please"), ("x", "--name", "\x00")])
def test_invalid_rooms_create_no_store(invoke: Invoke, args: tuple[str, ...], path: Path) -> None:
    invoke("rooms", "create", *args, code=2)
    assert not path.parent.exists()


def test_create_dry_run_creates_nothing(invoke: Invoke, objects: Objects, path: Path) -> None:
    result = invoke("rooms", "create", "general", "--dry-run")
    assert result.stdout == "would create the room general in the network local\n"
    assert str(path) in result.stderr
    assert objects("rooms", "create", "general", "--dry-run")[0]["dry_run"] is True
    assert not list(Path.cwd().iterdir())


def test_create_refuses_a_taken_id(invoke: Invoke, filled: Path) -> None:
    before = filled.read_bytes()
    assert "exists" in invoke("rooms", "create", "general", "--dry-run", code=1).stderr
    assert filled.read_bytes() == before
    assert "exists" in invoke("rooms", "create", "general", code=1).stderr
    invoke("rooms", "remove", "ops", "--yes")
    assert "removed" in invoke("rooms", "create", "ops", "--dry-run", code=1).stderr
    assert "removed" in invoke("rooms", "create", "ops", code=1).stderr
    invoke("rooms", "create", "new", "--dry-run")
    with open_store() as store:
        assert store.get_room("new") is None


def test_list(invoke: Invoke, objects: Objects, filled: Path) -> None:
    lines = invoke("rooms", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "NAME", "NETWORK", "MEMBERS", "VISIBILITY", "WRITERS", "CREATED"]
    assert lines[1].split()[:4] == ["general", "General", "local", "2"]
    with open_store(read_only=True) as store:
        assert objects("rooms", "list") == [to_json(room) for room in store.list_rooms().items]


def test_members_shown_and_changed(invoke: Invoke, objects: Objects, filled: Path) -> None:
    assert invoke("rooms", "members", "general").stdout.split() == ["MEMBER", "alice", "bob"]
    before = filled.read_bytes()
    rehearsed = invoke("rooms", "members", "general", "--add", "carol", "--remove", "bob", "--dry-run")
    assert rehearsed.stdout.split() == ["MEMBER", "alice", "carol"]
    assert filled.read_bytes() == before
    (room,) = objects("rooms", "members", "general", "--add", "carol", "--remove", "bob")
    assert room["members"] == ["alice", "carol"]
    assert invoke("rooms", "members", "general").stdout.split() == ["MEMBER", "alice", "carol"]
    assert "no members" in invoke("rooms", "members", "ops").stderr


@pytest.mark.parametrize("options", [(), ("--add", "x"), ("--add", "x", "--dry-run")])
def test_members_of_no_room(invoke: Invoke, filled: Path, options: tuple[str, ...]) -> None:
    assert "nosuch" in invoke("rooms", "members", "nosuch", *options, code=1).stderr


def test_members_checks_ids_first(invoke: Invoke, filled: Path) -> None:
    assert "--add[0]" in invoke("rooms", "members", "general", "--add", "not an id", code=2).stderr


def test_remove(invoke: Invoke, objects: Objects, filled: Path) -> None:
    invoke("rooms", "remove", "general", "--dry-run")
    assert [room["id"] for room in objects("rooms", "list")] == ["general", "ops"]
    assert invoke("rooms", "remove", "general", "--yes").stdout == "removed the room general\n"
    assert [room["id"] for room in objects("rooms", "list")] == ["ops"]
    assert len(objects("read", "room:general")) == 5
    invoke("rooms", "remove", "general", "--yes", code=1)
    invoke("rooms", "remove", "general", "--dry-run", code=1)


def test_remove_warns_of_a_declared_room(invoke: Invoke, filled: Path) -> None:
    Path("Moltnet").write_text("rooms:\n  - id: general\n  - id: other\n")
    assert "does not start" in invoke("rooms", "remove", "general", "--dry-run").stderr
    assert "does not start" not in invoke("rooms", "remove", "ops", "--dry-run").stderr
    url = f"sqlite:///{filled}"
    assert "does not start" in invoke("--store", url, "rooms", "remove", "general", "--yes").stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_remove_without_a_terminal_wants_a_yes(invoke: Invoke, filled: Path, options: tuple[str, ...]) -> None:
    assert "--yes" in invoke("rooms", "remove", "general", *options, input="y\n", code=2).stderr
    with open_store(read_only=True) as store:
        assert store.get_room("general") is not None


def test_json_is_one_object_a_line(invoke: Invoke, filled: Path) -> None:
    output = invoke("rooms", "list", "--json").stdout
    assert output.endswith("\n")
    assert [json.loads(line)["id"] for line in output.splitlines()] == ["general", "ops"]
