"""Generated histories come out as on the reference, whose behaviour is the contract's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Harness, Place
from moltnet_conformance.histories import Histories
from moltnet_conformance.plugin import PROFILE

EXAMPLES = {"quick": 100, "deep": 2000}
clause = Group("differential")


class Reference(Harness):
    """The backend that others are compared with."""

    backend = "memory"

    def new_location(self, tmp_path: Path) -> str:
        """Each opening is a store of its own."""
        return "memory://"


@clause("DIFF-001", "3.1", "3.13", "4.1", "4.9", "4.36", "5.13")
def histories_come_out_as_on_the_reference(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    class Machine(Histories):
        pass

    Machine.place = place
    Machine.reference_place = Place(Reference(), tmp_path)
    profile = request.config.getoption(PROFILE)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES[profile],
            stateful_step_count=25,
            derandomize=profile == "quick",
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
