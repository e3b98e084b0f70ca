"""``tail``: what it shows, and what it must not miss or show twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from moltnet_cli.commands.tail import Follower, _follow
from moltnet_core import Actor, Message, Part, Room, Store, StoreUnavailableError, Target, open_store

Invoke = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[bytes]"]

ROOM = Target.room("general")


def said(number: int, own_id: str | None = None) -> Message:
    when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Message(
        "local", ROOM, Actor("agent", "a"), [Part("text", "x")], id=own_id or f"n{number:05}", created_at=when
    )


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("memory://") as opened:
        opened.create_room(Room("general", "local"))
        yield opened


def follower(store: Store) -> Follower:
    return Follower(lambda page: store.list_room_messages("general", page, on_corrupt="skip"))


def new(found: Follower) -> list[str]:
    return [message.id for some in found.look() for message in some]


def test_the_newest_and_no_more(invoke: Invoke, filled: Path) -> None:
    lines = invoke("tail", "room:general", "--no-follow", "--limit", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["m4", "m5"]
    assert invoke("tail", "room:general", "--no-follow", "--limit", "0").stdout == ""
    assert invoke("tail", "room:ops", "--no-follow").output == ""
    assert "no room nosuch" in invoke("tail", "room:nosuch", "--no-follow", code=1).stderr


def test_corrupt_records_are_said(invoke: Invoke, filled: Path, sql: Callable[..., None]) -> None:
    sql(filled, "UPDATE messages SET parts_json = '[' WHERE id = 'm2'")
    assert "1 record(s)" in invoke("tail", "room:general", "--no-follow", code=1).stderr


@pytest.mark.parametrize("before", [0, 1, 99, 100, 101, 102, 250])
@pytest.mark.parametrize("limit", [0, 10, 1000])
def test_every_message_once(store: Store, before: int, limit: int) -> None:
    store.append_messages(said(number) for number in range(before))
    found = follower(store)
    shown = [message.id for message in found.begin(limit)]
    assert shown == [f"n{number:05}" for number in range(max(0, before - limit), before)]
    assert new(found) == []
    number = before
    for size in (1, 3, 0, 120, 1, 1, 2500, 1):
        store.append_messages(said(each) for each in range(number, number + size))
        assert new(found) == [f"n{each:05}" for each in range(number, number + size)]
        number += size
    assert new(found) == []


def test_one_that_comes_late_is_shown(store: Store) -> None:
    store.append_messages(said(number) for number in range(0, 400, 2))
    found = follower(store)
    found.begin(5)
    for late in (399, 351, 397, 255):
        store.append_message(said(late))
        assert new(found) == [f"n{late:05}"]
    store.append_messages(said(number) for number in range(1000, 1060))
    assert len(new(found)) == 60
    store.append_message(said(998))
    assert new(found) == ["n00998"]
    assert new(found) == []


def test_into_an_empty_conversation_anything_is_new(store: Store) -> None:
    found = follower(store)
    assert found.begin(10) == []
    store.append_message(said(50))
    assert new(found) == ["n00050"]
    store.append_message(said(10))
    assert new(found) == ["n00010"]


def test_a_store_that_is_away_for_a_while(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    away = [False]

    def fetch(page: Any) -> Any:
        if away[0]:
            raise StoreUnavailableError("the server is gone")
        return store.list_room_messages("general", page)

    found = Follower(fetch)
    found.begin(10)
    shown: list[str] = []

    class EnoughError(Exception):
        pass

    looks = iter([True, True, False, True, False])

    def look() -> Iterator[list[Message]]:
        try:
            away[0] = next(looks)
        except StopIteration:
            raise EnoughError from None
        if not away[0] and not shown:
            store.append_message(said(1))
        yield from real()

    real = found.look
    found.look = look  # type: ignore[method-assign]
    with pytest.raises(EnoughError):
        _follow(found, lambda some: shown.extend(message.id for message in some), 0.0)
    assert shown == ["n00001"]
    assert capsys.readouterr().err.count("trying again") == 2


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("options", [["--json"], []])
def test_follows_an_empty_conversation_until_interrupted(start: Start, options: list[str]) -> None:
    with open_store() as writer:
        writer.create_room(Room("general", "local"))
        process = start("tail", "room:general", "--interval", "0.05", *options)
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
