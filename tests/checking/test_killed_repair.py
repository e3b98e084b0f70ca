"""A repair that is killed at any step has done all or nothing, and what it moved is in its file by then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.checking.killing import BEFORE, CODES, CORRUPT, fill, found, repair_in_steps, spoil
from tests.checking.places import JSONPlace, Place, PostgresPlace, SQLitePlace
from tests.children import Child, starting

from moltnet_core import Progress, open_store, repair_store
from moltnet_core.errors import CancelledError

Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    with starting() as found:
        yield found


@pytest.mark.parametrize("kind", ["sqlite", "json", "postgres"])
def test_all_or_nothing(kind: str, tmp_path: Path, start: Start) -> None:
    outcomes = set()
    kills = 0
    while "done" not in outcomes:
        folder = tmp_path / str(kills)
        folder.mkdir()
        place: Place = {"sqlite": SQLitePlace, "json": JSONPlace}.get(kind, lambda _: PostgresPlace())(folder)
        with open_store(place.url, environ={}) as store:
            fill(store)
        spoil(place)
        before = found(place)
        assert before == BEFORE
        child = start(repair_in_steps, place.url, folder)
        phase, seen = "", 0
        while phase != "done" and seen < kills + 1:
            phase = child.hear()
            seen += phase == "repair"  # the plan before it writes nothing
            if seen < kills + 1:
                child.say()
        if phase != "done":
            child.kill()
        after = found(place)
        assert after in (before, {})
        files = list(folder.glob("*.moved.jsonl"))
        moved = [json.loads(line) for path in files for line in path.read_text().splitlines()]
        if not after:
            assert len([each for each in moved if each["table"].endswith("messages")]) == CORRUPT
        if phase == "done":
            assert after == {}
        outcomes.add(phase)
        kills += 1
    assert kills > 2


@pytest.mark.parametrize("kind", [SQLitePlace, JSONPlace])
def test_called_off_while_it_writes(kind: type[SQLitePlace | JSONPlace], tmp_path: Path) -> None:
    place = kind(tmp_path)
    with open_store(place.url, environ={}) as store:
        fill(store)
    spoil(place)
    before = found(place)
    writing = False

    def step(progress: Progress) -> None:
        nonlocal writing
        writing = progress.phase == "repair"

    with open_store(place.url, environ={}) as store:
        with pytest.raises(CancelledError):
            repair_store(store, CODES, backup=None, on_progress=step, cancelled=lambda: writing)
        assert found(place) == before
        assert repair_store(store, CODES, backup=None).changes
    assert found(place) == {}
