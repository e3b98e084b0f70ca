"""``ConformanceSuite``: the class that becomes a backend's tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar

import pytest

from moltnet_conformance.clauses import all_clauses
from moltnet_conformance.harness import Harness, Place
from moltnet_conformance.uninstalled import VARIABLE, for_children
from moltnet_core import Store

__all__ = ["CLAUSES", "ClauseFixtures", "ConformanceSuite"]
CLAUSES = {clause.method: clause for clause in all_clauses()}


class ClauseFixtures:
    """What clauses ask for."""

    harness: ClassVar[type[Harness]]

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
        """Where a clause opens stores; closes those that it leaves open."""
        monkeypatch.setenv(VARIABLE, for_children(self.harness.plugins))
        folder = tmp_path / "places"
        folder.mkdir()
        made = Place(self.harness(), folder)
        yield made
        made.close()

    @pytest.fixture
    def store(self, request: pytest.FixtureRequest, place: Place) -> Iterator[Store]:
        """A new store, with what the clause takes for given."""
        store = place.open()
        given = CLAUSES[request.node.originalname].given
        prepared = given(store) if given is not None else None
        with prepared if isinstance(prepared, AbstractContextManager) else nullcontext():
            yield store


class ConformanceSuite(ClauseFixtures):
    """Every clause as a test. A subclass whose name begins with ``Test``, in a file of tests, names a harness."""

    deviations: ClassVar[Mapping[str, str]] = {}
    """By the id of a clause, why the backend does not keep it. One that it keeps after all is a failure."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        known = {clause.clause_id for clause in CLAUSES.values()}
        if unknown := sorted(set(cls.deviations) - known):
            raise ValueError(f"{cls.__name__}.deviations names clauses that there are not: {', '.join(unknown)}")
        if own := sorted(set(vars(cls)) & {*CLAUSES, "place", "store"}):
            raise TypeError(f"{cls.__name__} replaces {', '.join(own)}: name a deviation instead")


for _name, _clause in CLAUSES.items():
    setattr(ConformanceSuite, _name, staticmethod(_clause.body))
