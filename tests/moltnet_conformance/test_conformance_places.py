"""Places that clauses open stores at: where they come from, and that nothing is left of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from moltnet_conformance import Harness, Place
from moltnet_core import Backend, Store
from moltnet_core.plugins import hookimpl, load_backend


def beside(folder: Path, failing: int = 0) -> tuple[Harness, list[tuple[str, str]]]:
    """A harness for stores beside ``user.db`` in the folder, and what it has dropped, of which the first fail."""
    described = load_backend("sqlite")[0]
    dropped: list[tuple[str, str]] = []

    def drop(location: str, label: str) -> None:
        dropped.append((location, label))
        if len(dropped) <= failing:
            raise OSError(f"cannot drop the {len(dropped)}. place")
        assert described.drop_sublocation is not None
        described.drop_sublocation(location, label)

    class Plugin:
        @hookimpl
        def moltnet_register_backend(self) -> Backend:
            return attrs.evolve(described, name="odd", migration_target=None, powers=(), drop_sublocation=drop)

    class Beside(Harness):
        backend = "odd"
        plugins = (Plugin(),)
        location = f"odd:///{folder}/user.db"

    return Beside(), dropped


def test_places_beside_a_location_are_dropped_and_the_location_is_not(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "places"
    data.mkdir()
    folder.mkdir()
    (data / "user.db").write_text("theirs")
    (data / "user.db.kit").write_text("theirs")
    harness, dropped = beside(data)
    place = Place(harness, folder)
    first, second = place.new_location(), place.new_location()
    assert first != second
    for location in (first, second):
        Path(location.removeprefix("odd:///")).write_text("a store's")
    harness.drop(f"odd:///{data}/user.db")  # it was not named by new_location
    place.close()
    assert [location for location, _ in dropped] == [harness.location] * 2
    assert [f"odd:///{data}/user.db.{label}" for _, label in dropped] == [first, second]
    assert sorted(path.name for path in data.iterdir()) == ["user.db", "user.db.kit"]
    place.close()
    assert len(dropped) == 2


def test_a_place_that_cannot_be_dropped_is_reported_and_the_others_are_dropped(tmp_path: Path) -> None:
    harness, dropped = beside(tmp_path, failing=2)
    (tmp_path / "places").mkdir()
    place = Place(harness, tmp_path / "places")
    for _ in range(4):
        Path(place.new_location().removeprefix("odd:///")).write_text("a store's")
    closed: list[int] = []

    class Stuck:
        def __init__(self, number: int) -> None:
            self.number = number

        def close(self) -> None:
            closed.append(self.number)
            if self.number == 1:
                raise RuntimeError("cannot be closed")

    stuck: list[Any] = [Stuck(0), Stuck(1), Stuck(2)]
    stores: list[Store] = place._stores
    stores += stuck
    with pytest.raises(ExceptionGroup) as caught:
        place.close()
    assert closed == [2, 1, 0]
    assert len(dropped) == 4
    assert [str(each) for each in caught.value.exceptions] == [
        "cannot be closed",
        "cannot drop the 1. place",
        "cannot drop the 2. place",
    ]
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 2


def test_a_harness_without_a_place_says_what_to_define(tmp_path: Path) -> None:
    class Nowhere(Harness):
        backend = "sqlite"

    with pytest.raises(NotImplementedError, match="define new_location"):
        Place(Nowhere(), tmp_path).new_location()
