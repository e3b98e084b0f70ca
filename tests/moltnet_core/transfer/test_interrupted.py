"""A few copies that end in the middle; the long tests have many more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.children import Child, starting

from .interrupted import check_equal, copy_until_killed, fill_disk, make_source

Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    with starting() as start:
        yield start


def test_killed_and_gone_on_with(start: Start, tmp_path: Path) -> None:
    source = make_source(tmp_path / "source.db", 1500)
    found = copy_until_killed(start, source, lambda number: f"sqlite:///{tmp_path}/{number}.db", kills=3, seed=7)
    assert len(found) == 3


def test_a_full_disk_and_room_again(start: Start, tmp_path: Path) -> None:
    source, target = make_source(tmp_path / "source.db", 1500), f"sqlite:///{tmp_path}/new.db"
    *present, told = start(fill_disk, source, target, 100, 3).rest()
    assert told["full"] > 0
    assert present == sorted(present)
    check_equal(source, target)
