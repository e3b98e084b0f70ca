"""Closing a store that threads use, and threads that come and go."""

from __future__ import annotations

import threading
import time

import pytest

from moltnet_conformance.building import everything, message, room
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_conformance.racing import switching_at_every_line, together
from moltnet_core import (
    StoreClosedError,
)

clause = Group("threads")


@clause("RACE-008", "4.31", "4.33")
def closing_waits_for_calls_and_stops_others(place: Place) -> None:
    store = place.open()
    store.create_room(room("general"))
    appended: list[str] = []

    def work(number: int) -> str:
        if number == 0:
            time.sleep(0.02)
            store.close()
            return "closed"
        for index in range(100_000):
            name = f"{number}-{index}"
            store.append_message(message(name))
            appended.append(name)
        return "never stopped"

    with switching_at_every_line(store):
        results = together(work, 4)
    assert results[0] == "closed"
    assert all(isinstance(result, StoreClosedError) for result in results[1:])


@clause("RACE-009", "4.33")
def a_store_may_be_used_and_closed_by_threads_that_come_and_go(place: Place) -> None:
    store = place.open()
    store.create_room(room("general"))
    for number in range(50):
        each = threading.Thread(target=store.append_message, args=(message(f"m{number}"),))
        each.start()
        each.join()
    assert store.counts().messages == 50
    before = everything(store)
    assert before[1].messages == 50
    assert together(lambda number: store.close(), 1) == [None]
    with pytest.raises(StoreClosedError):
        store.ping()
