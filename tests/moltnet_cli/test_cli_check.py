"""``check`` and ``repair`` as an operator uses them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.moltnet_cli.conftest import COMMAND, Invoke

from moltnet_core import Actor, Message, Part, Room, Target, open_store
from moltnet_sqlite.engine import sqlite3

Objects = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.db"
    with open_store(f"sqlite:///{path}", environ={}) as store:
        store.create_room(Room("general", "net"))
        target = Target("thread", room_id="general", thread_id="t1")
        for number in range(3):
            store.append_message(Message("net", target, Actor("agent", "a"), (Part("text", "x"),), id=f"m{number}"))
    return path


def spoil(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


COUNT = "UPDATE threads SET message_count = 9"
CORRUPT = "UPDATE messages SET parts_json = '[' WHERE id = 'm1'"


def test_a_sound_store(invoke: Invoke, chat: Path) -> None:
    result = invoke("--store", f"sqlite:///{chat}", "check", "--deep")
    assert result.stdout == ""
    assert result.stderr == "checked 1 room, 1 thread, 3 messages: nothing is wrong\n"


def test_an_error_is_told_with_its_repair_and_exits_with_1(invoke: Invoke, chat: Path) -> None:
    spoil(chat, COUNT)
    result = invoke("--store", f"sqlite:///{chat}", "check", code=1)
    assert "error: counter-drift: 1 thread" in result.stdout
    assert "- t1: 9 instead of 3" in result.stdout
    assert "to put right: moltnet-storage repair counter-drift" in result.stderr
    assert result.stderr.endswith("error: the store has 1 error\n")


def test_a_warning_is_an_error_only_where_it_is_asked_for(invoke: Invoke, chat: Path) -> None:
    chat.chmod(0o644)
    result = invoke("--store", f"sqlite:///{chat}", "check")
    assert "warning: file-permissions: 1 file" in result.stdout
    invoke("--store", f"sqlite:///{chat}", "check", "--strict", code=1)


def test_the_findings_as_json(objects: Objects, chat: Path) -> None:
    spoil(chat, COUNT)
    told = objects("--store", f"sqlite:///{chat}", "check", code=1)
    finding, report = [each for each in told if each["event"] != "progress"]
    assert finding["event"] == "finding"
    assert (finding["code"], finding["severity"], finding["count"]) == ("counter-drift", "error", 1)
    assert finding["items"] == [{"id": "t1", "detail": "9 instead of 3"}]
    assert finding["repairable"] is True
    assert report == {
        "event": "report",
        "checked": {"room": 1, "agent": 0, "thread": 1, "dm": 0, "message": 3},
        "deep": False,
        "errors": 1,
        "warnings": 0,
        "notes": 0,
    }


def test_a_damaged_file_is_a_finding(objects: Objects, tmp_path: Path) -> None:
    path = tmp_path / "bad.db"
    path.write_bytes(b"this is no database, for all it says" * 100)
    path.chmod(0o600)
    told = objects("--store", f"sqlite:///{path}", "check", code=1)
    assert [each.get("code") for each in told] == ["unreadable-store", None]


def test_no_store_is_not_a_finding(invoke: Invoke, tmp_path: Path) -> None:
    invoke("--store", f"sqlite:///{tmp_path}/none.db", "check", code=3)


def test_the_configuration_file_is_checked_too(invoke: Invoke, objects: Objects, chat: Path) -> None:
    config = Path("moltnet.json")
    sections = {"kind": "sqlite", "sqlite": {"path": str(chat)}, "postgres": {"dsn": "postgres://u:hunter2@host/db"}}
    config.write_text(json.dumps({"storage": sections}))
    config.chmod(0o640)
    found = [each for each in objects("check") if each["event"] == "finding"]
    assert [(each["code"], each["items"][0]["id"]) for each in found] == [("config-permissions", "moltnet.json")]
    assert "hunter2" not in invoke("check").output
    config.chmod(0o600)
    assert [each for each in objects("check") if each["event"] == "finding"] == []


# -- repair ------------------------------------------------------------------------------------------


def test_a_repair_shows_its_plan_and_asks_for_yes(invoke: Invoke, chat: Path) -> None:
    spoil(chat, COUNT)
    before = chat.read_bytes()
    result = invoke("--store", f"sqlite:///{chat}", "repair", "counter-drift", code=2)
    assert result.stdout.split() == ["CODE", "KIND", "ID", "BEFORE", "AFTER", "counter-drift", "thread", "t1", "9", "3"]
    assert "add --yes" in result.stderr
    result = invoke("--store", f"sqlite:///{chat}", "repair", "counter-drift", "--dry-run")
    assert result.stdout.split()[-1] == "3"
    assert chat.read_bytes() == before
    assert list(chat.parent.glob("*backup*")) == []


def test_a_repair_with_its_backup_and_what_it_moved(invoke: Invoke, chat: Path) -> None:
    spoil(chat, CORRUPT)
    url = f"sqlite:///{chat}"
    result = invoke("--store", url, "repair", "undecodable", "--yes")
    (backup,) = chat.parent.glob("chat.db.*.backup")
    (moved,) = chat.parent.glob("chat.db.*.moved.jsonl")
    assert f"the store as it was: {backup}" in result.stderr
    assert f"what was moved out of it: {moved}" in result.stderr
    assert json.loads(moved.read_text())["columns"]["id"] == "m1"
    invoke("--store", url, "check")
    again = invoke("--store", url, "repair", "undecodable", "--yes")
    assert "nothing was written" in again.stderr
    assert len(list(chat.parent.glob("chat.db.*"))) <= 4  # and the engine's own two
    invoke("--store", f"sqlite:///{chat.parent}/restored.db", "restore", str(backup))
    invoke("--store", f"sqlite:///{chat.parent}/restored.db", "check", code=1)


def test_the_changes_as_json(objects: Objects, chat: Path) -> None:
    spoil(chat, COUNT)
    url = f"sqlite:///{chat}"
    told = objects("--store", url, "repair", "counter-drift", "--yes", "--no-backup")
    change = {"code": "counter-drift", "kind": "thread", "id": "t1", "before": "9", "after": "3"}
    assert [each for each in told if each["event"] == "change"] == [{"event": "change", **change}]
    assert told[-1] == {"event": "report", "changes": 1, "backup": None, "moved": None, "dry_run": False}


@pytest.mark.parametrize("codes", [("orphan",), ("nonsense",), ("counter-drift", "odd-id"), ()])
def test_what_cannot_be_repaired_is_refused(invoke: Invoke, chat: Path, codes: tuple[str, ...]) -> None:
    invoke("--store", f"sqlite:///{chat}", "repair", *codes, "--yes", code=2)


def test_an_old_or_read_only_store_is_not_repaired(invoke: Invoke, chat: Path) -> None:
    spoil(chat, COUNT)
    invoke("--store", f"sqlite:///{chat}?mode=ro", "repair", "counter-drift", "--yes", code=2)
    spoil(chat, "DELETE FROM moltnet_ext_migrations")
    before = chat.read_bytes()
    result = invoke("--store", f"sqlite:///{chat}", "repair", "counter-drift", "--yes", code=3)
    assert "migrate up" in result.stderr
    assert chat.read_bytes() == before


@pytest.mark.parametrize(("answer", "status", "counted"), [(b"n\n", 130, 9), (b"y\n", 0, 3)])
def test_a_person_is_asked(chat: Path, answer: bytes, status: int, counted: int) -> None:
    spoil(chat, COUNT)
    own, theirs = pty.openpty()
    command = [*COMMAND, "--store", f"sqlite:///{chat}", "repair", "counter-drift", "--no-backup"]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.write(own, answer)
    _, said = process.communicate(timeout=60)
    os.close(own)
    os.close(theirs)
    assert process.returncode == status, said
    assert b"make this change?" in said
    with open_store(f"sqlite:///{chat}", environ={}) as store:
        thread = store.get_thread("t1")
        assert thread is not None
        assert thread.message_count == counted
