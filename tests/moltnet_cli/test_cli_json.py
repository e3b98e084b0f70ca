"""The commands on a JSON snapshot: reading goes on beside whoever writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_core import open_store

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def snapshot(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A snapshot that the environment names, in the working directory."""
    monkeypatch.setenv("MOLTNET_JSON_PATH", "chat/data.json")
    return Path("chat/data.json")


def test_a_room_and_its_messages(invoke: Invoke, objects: Objects, snapshot: Path) -> None:
    objects("rooms", "create", "general", "--member", "ann")
    (sent,) = objects("send", "room:general", "hello", "--from", "ann", "--url", "https://example.org/a")
    objects("send", "dm:d1", "psst", "--from", "ann", "--with", "bob")
    assert [item["id"] for item in objects("read", "room:general")] == [sent["message"]["id"]]
    assert [item["id"] for item in objects("tail", "dm:d1", "--no-follow")] != []
    assert len(objects("artifacts")) == 1
    assert [item["id"] for item in objects("rooms", "list")] == ["general"]
    (info,) = objects("info")
    assert info["backend"]["name"] == "json"
    assert info["store"]["messages"] == "2"
    assert info["schema"] == {}
    assert "general" in json.loads(snapshot.read_bytes())["rooms"]
    invoke("migrate", "up")
    assert "json" in [item["name"] for item in objects("backends")]


def test_beside_a_program_that_has_it_open(invoke: Invoke, objects: Objects, snapshot: Path) -> None:
    objects("rooms", "create", "general")
    objects("send", "room:general", "hello", "--from", "ann")
    with open_store(f"json:///{snapshot}"):
        assert len(objects("read", "room:general")) == 1
        objects("info")
        refused = invoke("send", "room:general", "again", "--from", "ann", code=3)
        assert "data.json" in refused.stderr
        assert "another process" in refused.stderr
    assert len(objects("send", "room:general", "again", "--from", "ann")) == 1


def test_a_missing_or_broken_snapshot(invoke: Invoke, snapshot: Path) -> None:
    invoke("rooms", "list", code=3)
    assert not snapshot.parent.exists()
    snapshot.parent.mkdir()
    snapshot.write_text('{"rooms": ')
    for command in (("rooms", "list"), ("send", "room:general", "x", "--from", "ann")):
        assert "not JSON" in invoke(*command, code=3).stderr
    assert snapshot.read_text() == '{"rooms": '
