"""Kill -9 at random moments of a repair: the store is as it was, or repaired; what was moved is in a file."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.checking.killing import BEFORE, CODES, CORRUPT, fill, found, repair_once_told, spoil
from tests.checking.places import JSONPlace, Place, PostgresPlace, SQLitePlace
from tests.children import Child

from moltnet_core import open_store, repair_store

_PLACES: dict[str, Callable[[Path], Place]] = {
    "sqlite": SQLitePlace,
    "json": JSONPlace,
    "postgres": lambda folder: PostgresPlace(),
}


@pytest.mark.parametrize("backend", _PLACES)
def test_kill_9_in_the_middle_of_a_repair(
    backend: str, tmp_path: Path, start: Callable[..., Child], figure: Callable[[str], None]
) -> None:
    chance = random.Random(3)
    outcomes = {"as it was": 0, "repaired": 0}
    longest = 0.2
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()
        place = _PLACES[backend](folder)
        with open_store(place.url, environ={}) as store:
            fill(store)
        spoil(place)
        child = start(repair_once_told, place.url, folder)
        assert child.hear() == "ready"
        child.say()
        time.sleep(chance.uniform(0, longest))
        child.kill()
        after = found(place)
        assert after in (BEFORE, {}), after
        outcomes["repaired" if not after else "as it was"] += 1
        longest = longest * 0.95 if not after else longest * 1.05  # so that both come out about as often
        lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in _whole_lines(path)]
        if not after:
            assert len([each for each in lines if each["table"].endswith("messages")]) == CORRUPT
        else:
            with open_store(place.url, environ={}) as store:
                assert repair_store(store, CODES, folder=folder, backup=None).changes
            assert found(place) == {}
    assert min(outcomes.values()) >= 10, outcomes
    figure(f"100 x kill -9 in a repair ({backend}): {outcomes['as it was']} as it was, {outcomes['repaired']} repaired")


def _whole_lines(path: Path) -> list[str]:
    """Those that were written whole: a repair that was killed may leave a last one that was not."""
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
