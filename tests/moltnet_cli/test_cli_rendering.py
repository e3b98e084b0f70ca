"""Output: nothing stored commands a terminal, JSON is valid UTF-8, tables lose nothing in a pipe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import Result

from moltnet_cli.rendering import Column, Rows, print_rows, safe, shown_json, shown_time
from moltnet_core import Actor, Message, Part, Room, Target, open_store

Invoke = Callable[..., Result]
Terminal = Callable[..., tuple[int, str]]

HOSTILE = "\x1b]0;owned\x07\x9b2J\x7f\u202egnp\u2066\u2028\rover\x00".replace("\x00", "")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2066-\u2069]")
STYLE = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture
def hostile(path: Path) -> Path:
    with open_store() as store:
        store.create_room(Room("general", "local", f"name {HOSTILE}"))
        store.append_message(
            Message(
                "local",
                Target.room("general"),
                Actor("agent", "alice"),
                [
                    Part("text", f"first {HOSTILE}\nsecond\tline"),
                    Part("file", filename=HOSTILE, data={HOSTILE: HOSTILE}),
                ],
                [HOSTILE],
                id="m1",
            )
        )
    return path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain wörld 漢字 👩‍🚀", "plain wörld 漢字 👩‍🚀"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31m\x9b\x7f\x00", "\\x1b[31m\\x9b\\x7f\\x00"),
        ("\u202e\u2066\u2028\ud800", "\\u202e\\u2066\\u2028\\ud800"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown
    shown.encode()


def test_times() -> None:
    assert shown_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05Z"
    assert shown_time(datetime(2026, 1, 2, 3, 4, 5, 120, tzinfo=UTC)) == "2026-01-02T03:04:05.00012Z"
    assert shown_time(datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-02T01:00:00Z"
    assert shown_time(datetime(2026, 1, 2, 3, 4, 5, 999999, tzinfo=UTC), to_the_second=True) == "2026-01-02T03:04:05Z"
    assert shown_time(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


def test_json_survives_anything() -> None:
    value = {"a": HOSTILE, "\ud800": ["\udfff", 2**80, 1.5, None]}
    text = shown_json(value)
    text.encode()
    assert CONTROL.search(text.replace("\u202e", "").replace("\u2066", "")) is None
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "args", [("read", "room:general"), ("rooms", "list"), ("artifacts",), ("tail", "room:general", "--no-follow")]
)
def test_nothing_stored_commands_a_terminal(
    invoke: Invoke, terminal: Terminal, hostile: Path, args: tuple[str, ...]
) -> None:
    piped = invoke(*args)
    assert CONTROL.search(piped.output) is None
    assert len(piped.stdout.splitlines()) == 2
    code, shown = terminal(*args, columns=200)
    assert code == 0
    assert CONTROL.search(STYLE.sub("", shown)) is None
    assert "\\x1b]0;owned" in shown or args == ("artifacts",)


def test_json_is_not_changed(invoke: Invoke, hostile: Path) -> None:
    line = invoke("read", "room:general", "--json").stdout_bytes
    found = json.loads(line.decode())
    assert found["parts"][0]["text"] == f"first {HOSTILE}\nsecond\tline"
    assert found["parts"][1]["data"] == {HOSTILE: HOSTILE}
    assert line.count(b"\n") == 1


def test_errors_are_one_safe_line(invoke: Invoke, filled: Path) -> None:
    for result in (
        invoke("read", "room:general", "--before", f"x{HOSTILE}\n", code=2),
        invoke("read", f"room:{HOSTILE}\n", code=1),
        invoke("read", HOSTILE, code=2),
        invoke("read", "room:general", "--limit", HOSTILE, code=2),
    ):
        assert len(result.stderr.splitlines()) == 1
        assert CONTROL.search(result.stderr.strip()) is None


def test_a_narrow_terminal_leaves_out_details_only(terminal: Terminal, invoke: Invoke, filled: Path) -> None:
    _, wide = terminal("agents", "list", columns=250)
    _, narrow = terminal("agents", "list", columns=60)
    assert "URI" in wide
    assert "URI" not in narrow
    assert "alice" in narrow
    assert "URI" in invoke("agents", "list").stdout


def test_a_terminal_shows_all_of_a_message(terminal: Terminal, path: Path) -> None:
    words = [f"word{number}" for number in range(100)]
    with open_store() as store:
        store.create_room(Room("general", "local"))
        store.append_message(
            Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", " ".join(words))])
        )
    _, shown = terminal("read", "room:general", columns=40)
    assert [word for word in shown.split() if word.startswith("word")] == words


def test_columns_are_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column[str]("TEXT", lambda item: item), Column[str]("N", len, numeric=True))
    print_rows(["a", "漢字", "x" * 300, ""], columns)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "a" + " " * 299 + "    1"
    assert lines[2] == "漢字" + " " * 296 + "    2"
    assert lines[3] == "x" * 300 + "  300"
    assert lines[4].startswith("-")


def test_a_table_in_pieces_has_its_titles_once(capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows((Column[str]("A", lambda item: item), Column[str]("B", lambda item: item)))
    rows.print([])
    rows.print(["long"])
    rows.print(["s"])
    assert capsys.readouterr().out == "A     B\nlong  long\ns     s\n"
