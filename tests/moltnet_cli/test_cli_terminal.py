"""What is asked at a terminal: confirmation, and the credential, which is not shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from moltnet_core import open_store

Terminal = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, True), ("", 1, True), ("y", 0, False)])
def test_removal_is_confirmed(terminal: Terminal, filled: Path, answer: str, code: int, left: bool) -> None:
    found, shown = terminal("rooms", "remove", "general", answers=[answer])
    assert found == code
    assert "2 member(s)" in shown
    with open_store(read_only=True) as store:
        assert (store.get_room("general") is not None) is left


def test_removal_without_asking(terminal: Terminal, filled: Path) -> None:
    code, shown = terminal("rooms", "remove", "general", "--yes")
    assert code == 0
    assert "?" not in shown


def test_the_credential_is_not_shown(terminal: Terminal) -> None:
    code, shown = terminal("agents", "register", "alice", answers=["hush-1", "hush-1"])
    assert code == 0
    assert "hush" not in shown
    with open_store(read_only=True) as store:
        agent = store.get_agent("alice")
    assert agent is not None
    assert agent.credential_key == "hush-1"
