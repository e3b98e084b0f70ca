"""``read``, ``threads``, ``dms``, ``artifacts`` and the lists: pages, walks, output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import moltnet_cli.listing
from moltnet_cli.listing import pages
from moltnet_cli.options import Paging
from moltnet_core import InvalidCursorError, open_store, to_json

Invoke = Callable[..., Result]
Objects = Callable[..., list[dict[str, Any]]]


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each.get("id") or each["agent_id"] for each in found]


LISTINGS = [
    (("read", "room:general"), ["m1", "m2", "m3", "m4", "m5"]),
    (("read", "thread:t1"), ["r1"]),
    (("read", "dm:d1"), ["p1"]),
    (("threads", "general"), ["t1", "t2"]),
    (("dms",), ["d1", "d2"]),
    (("artifacts",), ["art_r1_1", "art_p1_0"]),
    (("artifacts", "room:general"), ["art_r1_1"]),
    (("artifacts", "thread:t1"), ["art_r1_1"]),
    (("artifacts", "dm:d1"), ["art_p1_0"]),
    (("rooms", "list"), ["general", "ops"]),
    (("agents", "list"), ["alice", "bob"]),
]


@pytest.mark.parametrize(("args", "expected"), LISTINGS)
@pytest.mark.parametrize("size", [1, 2, 250])
def test_every_listing_and_walk(
    objects: Objects,
    filled: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    expected: list[str],
    size: int,
) -> None:
    monkeypatch.setattr(moltnet_cli.listing, "_PAGE", size)
    assert ids(objects(*args)) == expected
    assert ids(objects(*args, "--all")) == expected
    assert ids(objects(*args, "--limit", "1")) == expected[-1:]
    assert ids(objects(*args, "--after", "START", "--limit", "1")) == expected[:1]
    for index, own_id in enumerate(expected):
        for options in ([], ["--all"]):
            assert ids(objects(*args, "--after", own_id, *options)) == expected[index + 1 :]
            assert ids(objects(*args, "--before", own_id, *options)) == expected[:index]


@pytest.mark.parametrize(("args", "expected"), LISTINGS)
def test_as_text_every_item_has_a_line(
    invoke: Invoke, filled: Path, args: tuple[str, ...], expected: list[str]
) -> None:
    lines = invoke(*args).stdout.splitlines()
    assert len(lines) == len(expected) + 1
    for line, own_id in zip(lines[1:], expected, strict=True):
        assert own_id in line.split()


def test_a_position_between_ids(objects: Objects, filled: Path) -> None:
    assert ids(objects("rooms", "list", "--before", "h", "--all")) == ["general"]
    assert ids(objects("rooms", "list", "--after", "h", "--all")) == ["ops"]


@pytest.mark.parametrize("options", [[], ["--all"]])
@pytest.mark.parametrize("cursor", ["--before", "--after"])
def test_a_cursor_of_nothing(invoke: Invoke, filled: Path, cursor: str, options: list[str]) -> None:
    result = invoke("read", "room:general", cursor, "r1", *options, code=2)
    assert "'r1'" in result.stderr
    assert "next_" not in result.stderr
    assert result.stdout == ""


def test_json_is_the_contracts(objects: Objects, filled: Path) -> None:
    with open_store(read_only=True) as store:
        assert objects("read", "dm:d1") == [to_json(message) for message in store.list_dm_messages("d1").items]
        assert objects("artifacts") == [to_json(artifact) for artifact in store.list_artifacts().items]
    assert objects("read", "dm:d1")[0]["parts"][0]["data"]["n"] == 2**70


def test_what_is_left_is_said(invoke: Invoke, filled: Path) -> None:
    assert invoke("read", "room:general", "--limit", "2").stderr == "more: --before m4\n"
    assert invoke("read", "room:general", "--limit", "2", "--after", "START").stderr == "more: --after m2\n"
    for options in (["--all"], ["--limit", "5"], ["--all", "--before", "m3"], ["--limit", "2", "--json"]):
        assert invoke("read", "room:general", *options).stderr == ""


def test_nothing_is_said_too(invoke: Invoke, filled: Path) -> None:
    assert invoke("read", "room:ops").stderr == "no messages in room:ops\n"
    assert invoke("threads", "ops").stderr == "no threads in ops\n"
    assert invoke("artifacts", "dm:d2").stderr == "no artifacts in dm:d2\n"
    assert invoke("read", "room:ops", "--json").output == ""
    invoke("rooms", "remove", "ops", "--yes")
    for args in (("read", "room:ops"), ("threads", "ops"), ("tail", "room:ops", "--no-follow")):
        invoke(*args)


@pytest.mark.parametrize("options", [(), ("--json",), ("--all",), ("--after", "m1")])
@pytest.mark.parametrize(
    "args",
    [
        ("read", "room:nosuch"),
        ("read", "thread:nosuch"),
        ("read", "dm:nosuch"),
        ("threads", "nosuch"),
        ("artifacts", "room:nosuch"),
        ("artifacts", "dm:nosuch"),
    ],
)
def test_a_conversation_that_does_not_exist(
    invoke: Invoke, filled: Path, args: tuple[str, ...], options: tuple[str, ...]
) -> None:
    result = invoke(*args, *options, code=1)
    assert "there is no " in result.stderr
    assert "nosuch" in result.stderr
    assert result.stdout == ""


def test_start_in_small_letters_gets_a_hint(invoke: Invoke, filled: Path) -> None:
    assert "START" in invoke("read", "room:general", "--after", "start", code=2).stderr
    assert "START" in invoke("rooms", "list", "--after", "start").stderr
    assert "START" not in invoke("rooms", "list", "--after", "START").stderr


def test_times_are_shown_as_in_json(invoke: Invoke, filled: Path) -> None:
    assert invoke("read", "room:general").stdout.splitlines()[1].split()[0] == "2026-01-01T00:00:01Z"


def test_corrupt_records_are_left_out_and_said(
    invoke: Invoke, objects: Objects, filled: Path, sql: Callable[..., None]
) -> None:
    sql(filled, "UPDATE messages SET parts_json = '[' WHERE id IN ('m2', 'm3')")
    for options in ([], ["--all"]):
        assert ids(objects("read", "room:general", *options, code=1)) == ["m1", "m4", "m5"]
    result = invoke("read", "room:general", code=1)
    assert result.stderr.splitlines()[-1] == "error: 2 record(s) could not be read and were left out"
    assert "warning: skipped the record 'm2' in messages" in result.stderr
    assert ids(objects("read", "room:general", "--all", "--before", "m3", code=1)) == ["m1"]
    assert ids(objects("read", "room:general", "--all", "--before", "m4", code=1)) == ["m1"]
    assert ids(objects("read", "room:general", "--after", "m3")) == ["m4", "m5"]


def test_a_walk_visits_what_was_there_once(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moltnet_cli.listing, "_PAGE", 1)
    with open_store() as store:
        walk = pages(store.list_rooms, Paging(None, None, None, True), by_id=True)
        seen = [item.id for item in next(walk).items]
        store.remove_room("general")
        seen += [item.id for page in walk for item in page.items]
    assert seen == ["general", "ops"]


def test_a_walk_refuses_an_unknown_end(filled: Path) -> None:
    with open_store(read_only=True) as store, pytest.raises(InvalidCursorError):
        list(pages(lambda page: store.list_room_messages("general", page), Paging(None, "r1", None, True)))
