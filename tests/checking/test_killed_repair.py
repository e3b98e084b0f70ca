"""A repair that is killed at any step has done all or nothing, and what it moved is in its file by then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.checking.places import JSONPlace, Place, PostgresPlace, SQLitePlace
from tests.children import Child, listen, starting, tell

from moltnet_core import (
    Actor,
    AgentRegistration,
    Message,
    Part,
    Progress,
    Room,
    Store,
    Target,
    check_location,
    open_store,
    repair_store,
)
from moltnet_core.errors import CancelledError

_CODES = ("undecodable", "counter-drift", "participant-missing", "participant-stray")
_CORRUPT = 40
_BEFORE = {"undecodable": _CORRUPT, "counter-drift": 20, "participant-missing": 1, "participant-stray": 1}

Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    with starting() as found:
        yield found


def _fill(store: Store) -> None:
    store.create_room(Room("general", "net"))
    store.register_agent(AgentRegistration("alice", "net", "token:x"))
    sender = Actor("agent", "alice")
    batch = []
    for number in range(800):
        target = Target("dm", dm_id=f"d{number % 50}", participant_ids=("alice", "bob"))
        if number % 2:
            target = Target("thread", room_id="general", thread_id=f"t{number % 40}")
        batch.append(Message("net", target, sender, (Part("text", "x"),), id=f"m{number}"))
    store.append_messages(batch)


def _spoil(place: Place) -> None:
    if isinstance(place, JSONPlace):

        def change(content: dict[str, dict[str, list[dict[str, object]]]]) -> None:
            for line in list(content["thread_messages"].values()):
                line[0]["parts"] = line[1]["parts"] = 5

        place.edit(change)
        place.edit(lambda content: [each.update(message_count=0) for each in content["threads"].values()])
        place.edit(lambda content: content["direct_members"].update({"d0": {"alice": {}, "mallory": {}}}))
        return
    assert isinstance(place, SQLitePlace | PostgresPlace)
    ids = ", ".join(f"'m{number * 2 + 1}'" for number in range(_CORRUPT))
    place.execute(
        f"UPDATE messages SET parts_json = '[' WHERE id IN ({ids})",
        "UPDATE threads SET message_count = 0",
        "UPDATE dm_participants SET participant_id = 'mallory' WHERE dm_id = 'd0' AND participant_id = 'bob'",
    )


def _repair(url: str, folder: str) -> None:
    """In a child: tells every step, and goes on when it is told to."""

    def step(progress: Progress) -> None:
        tell(progress.phase)
        listen()

    with open_store(url, environ={}) as store:
        repair_store(store, _CODES, folder=Path(folder), backup=None, on_progress=step)
    tell("done")


def _found(place: Place) -> dict[str, int]:
    report = check_location(place.url, environ={})
    return {each.code: each.count for each in report.findings if each.code in _CODES}


@pytest.mark.parametrize("kind", ["sqlite", "json", "postgres"])
def test_all_or_nothing(kind: str, tmp_path: Path, start: Start) -> None:
    outcomes = set()
    kills = 0
    while "done" not in outcomes:
        folder = tmp_path / str(kills)
        folder.mkdir()
        place: Place = {"sqlite": SQLitePlace, "json": JSONPlace}.get(kind, lambda _: PostgresPlace())(folder)
        with open_store(place.url, environ={}) as store:
            _fill(store)
        _spoil(place)
        before = _found(place)
        assert before == _BEFORE
        child = start(_repair, place.url, folder)
        phase, seen = "", 0
        while phase != "done" and seen < kills + 1:
            phase = child.hear()
            seen += phase == "repair"  # the plan before it writes nothing
            if seen < kills + 1:
                child.say()
        if phase != "done":
            child.kill()
        after = _found(place)
        assert after in (before, {})
        files = list(folder.glob("*.moved.jsonl"))
        moved = [json.loads(line) for path in files for line in path.read_text().splitlines()]
        if not after:
            assert len([each for each in moved if each["table"].endswith("messages")]) == _CORRUPT
        if phase == "done":
            assert after == {}
        outcomes.add(phase)
        kills += 1
    assert kills > 2


@pytest.mark.parametrize("kind", [SQLitePlace, JSONPlace])
def test_called_off_while_it_writes(kind: type[SQLitePlace | JSONPlace], tmp_path: Path) -> None:
    place = kind(tmp_path)
    with open_store(place.url, environ={}) as store:
        _fill(store)
    _spoil(place)
    before = _found(place)
    writing = False

    def step(progress: Progress) -> None:
        nonlocal writing
        writing = progress.phase == "repair"

    with open_store(place.url, environ={}) as store:
        with pytest.raises(CancelledError):
            repair_store(store, _CODES, backup=None, on_progress=step, cancelled=lambda: writing)
        assert _found(place) == before
        assert repair_store(store, _CODES, backup=None).changes
    assert _found(place) == {}
