"""The network that what is written carries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_core import Actor, AgentRegistration, Message, Part, Room, Target, open_store

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]


def said(network: str, target: Target, own_id: str) -> Message:
    return Message(network, target, Actor("agent", "alice"), [Part("text", "x")], id=own_id)


@pytest.fixture
def prod() -> None:
    """A store of the network ``prod``."""
    with open_store() as store:
        store.create_room(Room("general", "prod"))
        store.register_agent(AgentRegistration("alice", "prod", "token:alice"))
        store.append_message(said("prod", Target.thread("general", "t1"), "r1"))


@pytest.fixture
def mixed(prod: None) -> None:
    """A store of two networks."""
    with open_store() as store:
        store.create_room(Room("away", "far"))
        store.append_message(said("far", Target.dm("d1", ["alice", "bob"]), "p1"))


NEW = [
    ("rooms", "create", "new"),
    ("agents", "register", "bob"),
    ("send", "dm:new", "hi", "--from", "alice", "--with", "bob"),
]


def written(objects: Objects, *args: str) -> str:
    (result,) = objects(*args)
    return str(result.get("message", result)["network_id"])


@pytest.fixture
def credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLTNET_AGENT_CREDENTIAL", "token:x")


@pytest.mark.usefixtures("prod", "credential")
@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    "args",
    [
        *NEW,
        ("send", "room:general", "hi", "--from", "alice"),
        ("send", "thread:t1", "hi", "--from", "alice"),
        ("send", "thread:new", "hi", "--from", "alice", "--room", "general"),
    ],
)
def test_it_is_the_stores(objects: Objects, args: tuple[str, ...], options: tuple[str, ...]) -> None:
    assert written(objects, *args, *options) == "prod"


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize(
    ("conversation", "network"),
    [("room:general", "prod"), ("room:away", "far"), ("thread:t1", "prod"), ("dm:d1", "far")],
)
def test_it_is_the_conversations(invoke: Invoke, objects: Objects, conversation: str, network: str) -> None:
    args = ("send", conversation, "hi", "--from", "alice")
    assert written(objects, *args) == network
    assert invoke(*args, "--network", network).stderr == ""
    assert invoke(*args, "--network", "local").stderr == (
        f"warning: {conversation} belongs to the network {network}, and what is written carries local\n"
    )


@pytest.mark.usefixtures("mixed", "credential")
@pytest.mark.parametrize("args", NEW)
def test_of_several_one_has_to_be_named(
    invoke: Invoke, objects: Objects, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    for options in ((), ("--dry-run",)):
        error = invoke(*args, *options, code=2).stderr
        assert "far, prod" in error
        assert "--network" in error
    assert written(objects, *args, "--dry-run", "--network", "third") == "third"
    monkeypatch.setenv("MOLTNET_NETWORK_ID", "local")
    assert written(objects, *args, "--dry-run") == "local"
    monkeypatch.delenv("MOLTNET_NETWORK_ID")
    Path("moltnet.yaml").write_text("network:\n  id: local\n")
    assert written(objects, *args) == "local"


@pytest.mark.usefixtures("mixed", "credential")
def test_an_agent_keeps_its_own(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLTNET_AGENT_CREDENTIAL", "token:alice")
    assert written(objects, "agents", "register", "alice") == "prod"


@pytest.mark.usefixtures("mixed")
def test_a_removed_room_does_not_count(invoke: Invoke, objects: Objects) -> None:
    invoke("rooms", "remove", "away", "--yes")
    assert written(objects, "rooms", "create", "new") == "prod"


@pytest.mark.parametrize("empty", [False, True])
def test_in_an_empty_store_it_is_the_default(invoke: Invoke, objects: Objects, empty: bool) -> None:
    if empty:
        invoke("migrate", "up")
    assert written(objects, "rooms", "create", "new") == "local"


def test_a_store_of_direct_conversations_only(objects: Objects) -> None:
    with open_store() as store:
        store.append_message(said("prod", Target.dm("d1", ["alice", "bob"]), "p1"))
    assert written(objects, "rooms", "create", "new") == "prod"


@pytest.mark.usefixtures("mixed")
def test_info_shows_them(invoke: Invoke, objects: Objects) -> None:
    assert objects("info")[0]["networks"] == ["far", "prod"]
    assert "far, prod" in invoke("info").stdout


def test_info_does_not_repeat_the_configured_one(invoke: Invoke, filled: Path) -> None:
    assert "networks" not in invoke("info").stdout
