"""A PostgreSQL primary that is killed under appends, and its synchronous standby that takes over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count

import pytest
from tests.children import wait_until
from tests.moltnet_postgres.faults import Ledger, settle
from tests.moltnet_postgres.support import Place, in_threads
from tests.postgres.replicas import both, replicated
from tests.reliability.checks import a_message_of, partial_in

from moltnet_core import StoreUnavailableError

Figure = Callable[[str], None]
KINDS = ("room", "thread", "dm")


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("named", [True, False], ids=["read-write", "by itself"])
def test_a_standby_takes_over(figure: Figure, named: bool, attempt: int) -> None:
    writers = 4
    with replicated() as (primary, standby), Place(primary) as place:
        login = both(primary, standby)
        if not named:
            del login["target_session_attrs"]
        store = place.made(**login, connect_timeout=2)
        ledger, stop = Ledger(), threading.Event()
        successes: list[float] = []
        done = [0] * writers

        def write(number: int) -> None:
            for name in count():
                if stop.is_set():
                    return
                if ledger.append(store, a_message_of(KINDS[name % 3], f"t{number}-{name}")):
                    done[number] += 1
                    successes.append(time.monotonic())

        def fail_over() -> tuple[float, float]:
            try:
                wait_until(lambda: min(done) > 20, "all append")
                primary.kill()
                killed = time.monotonic()
                standby.promote()
                promoted = time.monotonic()
                before = list(done)
                wait_until(lambda: all(now > then + 5 for now, then in zip(done, before, strict=True)), "all go on")
                return killed, promoted
            finally:
                stop.set()

        moments: list[tuple[float, float]] = []
        errors = in_threads(
            writers + 1, lambda number: moments.append(fail_over()) if number == writers else write(number)
        )
        assert errors == []
        ((killed, promoted),) = moments
        after = Place(standby, place.schema)
        found = set(after.stored())
        lost = ledger.acknowledged - found
        next_success = min(moment for moment in successes if moment > killed) - killed
        figure(
            f"PostgreSQL, failover: {len(ledger.acknowledged)} acknowledged, {len(lost)} of them lost, "
            f"{len(ledger.unknown)} with an unknown outcome of which {len(ledger.unknown.keys() & found)} stored, "
            f"promoted after {promoted - killed:.2f} s, next success {next_success:.2f} s after the kill"
        )
        assert {type(error) for error in ledger.errors} == {StoreUnavailableError}
        assert len(ledger.unknown) <= writers
        expected = settle(store, ledger, found)
        assert set(after.stored()) == expected
        assert partial_in(after) == {}
        store.close()
        primary.start()  # so that the place can be tidied up
        primary.configure(synchronous_standby_names="")
