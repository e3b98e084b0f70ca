"""Generated histories come out as on the reference, whose behaviour is the contract's."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Harness, Place
from moltnet_conformance.histories import Histories
from moltnet_conformance.pairs import replay, shortest
from moltnet_conformance.plugin import NOTE, PROFILE, SEED
from moltnet_conformance.scripting import Step, script

EXAMPLES = {"quick": 100, "deep": 600}
STEPS = 25
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
    profile, given = request.config.getoption(PROFILE), request.config.getoption(SEED)
    chosen = secrets.randbits(32) if profile == "deep" and given is None else given
    if chosen is not None:
        seed(chosen)(Machine)
    failure = None
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES[profile],
                stateful_step_count=STEPS,
                derandomize=chosen is None,
                database=None,
                deadline=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception as error:  # noqa: BLE001 - raised below, unless a shorter history fails
        failure = error
    finally:
        said = "always the same" if chosen is None else f"{SEED}={chosen}"
        request.node.user_properties.append((NOTE, f"{Machine.count} histories, {said}"))
    if failure is not None:
        if Machine.failed is not None:
            show_by_itself(Machine.failed, place, Machine.reference_place)
        raise failure


def show_by_itself(steps: Sequence[Step], place: Place, reference_place: Place) -> None:
    """Writes a script that fails as the shortest history does, and fails so itself."""

    def fails(steps: Sequence[Step]) -> bool:
        try:
            replay(steps, place, reference_place)
        except Exception:  # noqa: BLE001 - also those that are not the contract's
            return True
        return False

    if not fails(steps):
        return
    found = shortest(steps, fails)
    # pytest shows what is written beside the failure.
    sys.stdout.write(f"\n{script(place.backend, place.location, place.folder, found, place.plugins)}\n")
    replay(found, place, reference_place)
