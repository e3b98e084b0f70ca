"""``tail``: what it shows, and what it must not miss or show twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_cli.commands.tail import _Tail, follow
from moltnet_cli.conversations import Conversation
from moltnet_core import Actor, Message, Part, Room, StoreUnavailableError, Target, Watch, open_store

Invoke = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[bytes]"]

ROOM = Target.room("general")


def said(number: int, own_id: str | None = None) -> Message:
    when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Message(
        "local", ROOM, Actor("agent", "a"), [Part("text", "x")], id=own_id or f"n{number:05}", created_at=when
    )


def test_the_newest_and_no_more(invoke: Invoke, filled: Path) -> None:
    lines = invoke("tail", "room:general", "--no-follow", "--limit", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["m4", "m5"]
    assert invoke("tail", "room:general", "--no-follow", "--limit", "0").stdout == ""
    assert invoke("tail", "room:ops", "--no-follow").output == ""
    assert "no room nosuch" in invoke("tail", "room:nosuch", "--no-follow", code=1).stderr


def test_corrupt_records_are_said(invoke: Invoke, filled: Path, sql: Callable[..., None]) -> None:
    sql(filled, "UPDATE messages SET parts_json = '[' WHERE id = 'm2'")
    assert "1 record(s)" in invoke("tail", "room:general", "--no-follow", code=1).stderr


def test_what_came_after_a_message(objects: Callable[..., list[dict[str, Any]]], invoke: Invoke) -> None:
    with open_store() as store:
        store.create_room(Room("general", "local"))
        store.append_messages(said(number) for number in (5, 4, 7, 1))
    assert [each["id"] for each in objects("tail", "room:general", "--after", "n00004", "--no-follow")] == [
        "n00007",
        "n00001",
    ]
    assert objects("tail", "room:other", "--after", "n00004", "--no-follow") == []
    assert "no message 'nosuch'" in invoke("tail", "room:general", "--after", "nosuch", code=2).stderr


def test_what_comes_while_it_begins_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    with open_store("memory://") as store:
        store.create_room(Room("general", "local"))
        store.append_messages(said(number) for number in range(0, 40, 2))
        tailing = _Tail(store, Conversation("room", "general"), lambda some: shown.extend(each.id for each in some))
        newest = tailing.newest

        def while_it_begins(limit: int) -> list[str]:
            store.append_messages([said(50), said(3)])  # one of the newest, and one that is not among them
            found = newest(limit)
            store.append_message(said(51))
            return found

        monkeypatch.setattr(tailing, "newest", while_it_begins)

        def enough(watch: Watch) -> Iterator[Message]:
            return islice(follow(watch), 3)

        monkeypatch.setattr("moltnet_cli.commands.tail.follow", enough)
        tailing.newest_and_new(2)
    assert shown == ["n00038", "n00050", "n00003", "n00051"]


def test_a_store_that_is_away_for_a_while(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("moltnet_cli.commands.tail._PAUSE", 0.0)
    with open_store("memory://") as store:
        store.create_room(Room("general", "local"))
        looks = iter([True, True, False, True, False])

        def look(*arguments: Any) -> Any:
            if next(looks, False):
                raise StoreUnavailableError("the server is gone")
            return real(*arguments)

        real = store._read_feed
        with store.watch(timeout=0, patience=0) as watch:
            monkeypatch.setattr(watch._follower, "_read", look)
            store.append_message(said(1))
            found = follow(watch)
            assert next(found).id == "n00001"
            store.append_message(said(2))
            assert next(found).id == "n00002"
    assert capsys.readouterr().err.count("trying again") == 2


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("options", [["--json"], []])
def test_follows_an_empty_conversation_until_interrupted(start: Start, options: list[str]) -> None:
    with open_store() as writer:
        writer.create_room(Room("general", "local"))
        process = start("tail", "room:general", *options)
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"waiting" in process.stderr.readline()
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        for number in range(3):
            writer.append_message(said(number))
            line = process.stdout.readline()
            if not options and not number:
                line = process.stdout.readline()  # the titles came first
            assert f"n{number:05}".encode() in line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        watchdog.cancel()
    assert process.returncode == 130
    assert (out, err) == (b"", b"")
