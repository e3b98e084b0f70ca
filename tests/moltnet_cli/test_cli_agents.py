"""``agents``: above all, that no credential is seen anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_core import open_store

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]

SECRET = "token:very-hush"


def stored_credential(agent_id: str) -> str:
    with open_store(read_only=True) as store:
        agent = store.get_agent(agent_id)
    assert agent is not None
    return agent.credential_key


def test_credential_from_standard_input(invoke: Invoke) -> None:
    result = invoke("agents", "register", "alice", "--name", "Alice", "--credential-stdin", input=f"{SECRET}\n")
    assert SECRET not in result.output
    assert stored_credential("alice") == SECRET


def test_credential_from_the_environment(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLTNET_AGENT_CREDENTIAL", SECRET)
    assert SECRET not in invoke("agents", "register", "alice", "--json").output
    assert stored_credential("alice") == SECRET


def test_a_token_is_hashed_as_the_server_does(invoke: Invoke) -> None:
    invoke("agents", "register", "alice", "--token", "--credential-stdin", input="abc")
    assert stored_credential("alice") == f"agent-token:{hashlib.sha256(b'abc').hexdigest()}"


@pytest.mark.parametrize(
    ("args", "given"),
    [
        (("alice",), ""),
        (("alice", "--credential-stdin"), "\n"),
        (("alice", "--credential-stdin"), b"\xff\xfe"),
        (("alice", "--credential-stdin"), "hush-" + "x" * 1100),
        (("alice", "--credential-stdin"), "hush-\x00"),
        (("not an id", "--credential-stdin"), "hush-hush"),
    ],
)
def test_mistakes_create_no_store(invoke: Invoke, path: Path, args: tuple[str, ...], given: str | bytes) -> None:
    result = invoke("agents", "register", *args, input=given, code=2)
    assert "hush-" not in result.output
    assert not path.parent.exists()


def test_dry_run_creates_nothing(invoke: Invoke) -> None:
    result = invoke("agents", "register", "alice", "--credential-stdin", "--dry-run", input=SECRET)
    assert "would register the agent alice" in result.stdout
    assert SECRET not in result.output
    assert not list(Path.cwd().iterdir())


def test_the_first_credential_keeps_the_agent(invoke: Invoke, filled: Path) -> None:
    for options in (["--dry-run"], []):
        result = invoke("agents", "register", "alice", "--credential-stdin", *options, input=SECRET, code=1)
        assert "--reconcile" in result.stderr
        assert "hush" not in result.output
    assert stored_credential("alice") == "token:hush-alice"
    before = filled.read_bytes()
    invoke("agents", "register", "alice", "--credential-stdin", "--reconcile", "--dry-run", input=SECRET)
    assert filled.read_bytes() == before
    invoke("agents", "register", "alice", "--credential-stdin", "--reconcile", input=SECRET)
    assert stored_credential("alice") == SECRET


def test_register_keeps_identity(objects: Objects, invoke: Invoke, filled: Path) -> None:
    before = objects("agents", "list")[0]
    args = ("agents", "register", "alice", "--name", "Al", "--credential-stdin")
    assert invoke(*args, "--dry-run", input="token:hush-alice").stdout.startswith("would update the agent alice ")
    assert invoke(*args, input="token:hush-alice").stdout.startswith("updated the agent alice ")
    after = objects("agents", "list")[0]
    assert after["display_name"] == "Al"
    assert after["actor_uid"] == before["actor_uid"]


def test_list_shows_no_credential(invoke: Invoke, objects: Objects, filled: Path) -> None:
    assert [agent["agent_id"] for agent in objects("agents", "list")] == ["alice", "bob"]
    for args in (("agents", "list"), ("agents", "list", "--json"), ("info", "--json")):
        assert "hush" not in invoke(*args).output


def test_remove(invoke: Invoke, objects: Objects, filled: Path) -> None:
    invoke("agents", "remove", "alice", "--rooms", "--dry-run")
    assert len(objects("agents", "list")) == 2
    (removed,) = objects("agents", "remove", "alice", "--rooms")
    assert removed == {"agent_id": "alice", "removed": True, "rooms": ["general"]}
    assert objects("rooms", "members", "general")[0]["members"] == ["bob"]
    assert invoke("agents", "remove", "alice").stdout == "the agent alice is not registered\n"
    invoke("agents", "remove", "bob")
    assert objects("rooms", "members", "general")[0]["members"] == ["bob"]
    assert "no agents" in invoke("agents", "list").stderr
