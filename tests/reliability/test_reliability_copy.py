"""Copies that are killed, run out of disk or lose their server: what they leave is gone on with, and ends equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.backends import LOCATIONS
from tests.children import Child
from tests.moltnet_core.transfer.interrupted import check_equal, copy_until_killed, fill_disk, make_source

Start = Callable[..., Child]
Figure = Callable[[str], None]


@pytest.mark.parametrize(("backend", "kills"), [("sqlite", 34), ("postgres", 33), ("json", 33)])
def test_kill_9_in_the_middle_of_a_copy(path: Path, start: Start, figure: Figure, backend: str, kills: int) -> None:
    source = make_source(path, 4000)
    found = copy_until_killed(
        start, source, lambda number: LOCATIONS[backend](path.with_name(f"to{number}")), kills, seed=11
    )
    parts = [each for each in found if each]
    assert parts
    figure(
        f"copy killed with -9 (sqlite → {backend}): {len(found)} times, {len(parts)} of them with a part copied "
        f"(from {min(parts)} to {max(parts)} records), each gone on with and verified equal, nothing twice"
    )


def test_a_full_disk_in_the_middle_of_a_copy(path: Path, start: Start, figure: Figure) -> None:
    source = make_source(path, 4000)
    full = 0
    places = (16, 64, 128, 256, 512, 777, 1024, 1500)
    for place in places:
        target = f"sqlite:///{path.with_name(f'to{place}')}"
        *present, told = start(fill_disk, source, target, place, 6).rest()
        assert present == sorted(present)
        check_equal(source, target)
        full += told["full"]
    assert full >= len(places)
    figure(f"disk full in mid-copy: {full} times at {len(places)} places, each gone on with and verified equal")
