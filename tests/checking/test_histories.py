"""What this library has written has nothing wrong in it, whatever was done, in whatever order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from tests.backends import BACKENDS, LOCATIONS

from moltnet_conformance import Harness
from moltnet_conformance.harness import Place
from moltnet_conformance.histories import Histories
from moltnet_conformance.strategies import records
from moltnet_core import Record, check_store

_BY_CLOCKS = frozenset({"appended-after-removal", "write-ahead-log"})
"""A message may carry a time that has not come yet when its room is removed; and the store is open."""
_BY_LOADING = _BY_CLOCKS | {"participant-missing", "participant-stray", "thread-rooms", "odd-id"}
"""``load`` takes records as they are: participants that no message names, threads of several rooms, odd ids."""
EXAMPLES = {"postgres": 8}


class _Checked(Histories):
    tolerated = _BY_LOADING

    def teardown(self) -> None:
        try:
            if hasattr(self, "subject"):
                found = {each.code: each for each in check_store(self.subject).findings}
                assert set(found) <= self.tolerated, found
        finally:
            super().teardown()


class _NothingLoaded(_Checked):
    tolerated = _BY_CLOCKS

    @rule(loaded=st.lists(records, min_size=1, max_size=4))
    def load(self, loaded: list[Record]) -> None:
        pass


@pytest.mark.parametrize("machine", [_Checked, _NothingLoaded])
@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_wrong_in_what_was_written(backend: str, machine: type[_Checked], tmp_path: Path) -> None:
    name = backend

    class Subject(Harness):
        backend = name

        def new_location(self, tmp_path: Path) -> str:
            return LOCATIONS[name](tmp_path / "store")

    class Reference(Harness):
        backend = "memory"

        def new_location(self, tmp_path: Path) -> str:
            return "memory://"

    class Machine(machine):  # type: ignore[valid-type, misc]  # one of two
        place = Place(Subject(), tmp_path / "subject")
        reference_place = Place(Reference(), tmp_path / "reference")

    for folder in ("subject", "reference"):
        (tmp_path / folder).mkdir()
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES.get(backend, 25),
                stateful_step_count=25,
                derandomize=True,
                database=None,
                deadline=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        Machine.place.close()
        Machine.reference_place.close()
