"""The power ``watch``: to be told of appends by others.

A store has no call for it: whoever follows a conversation asks the driver (``store.driver``) for
:class:`~moltnet_core.driver.SupportsWatch`, and so do these clauses. So there is nothing that could refuse where the
power is not declared; what counts there is that nobody finds it.
"""

from __future__ import annotations

import threading

from moltnet_conformance.building import message, room
from moltnet_conformance.children import run
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import Store
from moltnet_core.driver import SupportsWatch

clause = Group("powers")

LONG = 30.0  # seconds that a wait may take at most, where there is something to be told
SHORT = 0.05
QUIET = 20  # waits after which there has to be one that was told nothing
APPEND = """
import sys
from moltnet_conformance.building import message
from moltnet_conformance.uninstalled import opened

with opened(sys.argv[1]) as store:
    store.append_message(message(sys.argv[2]))
"""


def watcher(store: Store) -> SupportsWatch:
    """The driver, which has to be one that watches."""
    driver = store.driver
    assert isinstance(driver, SupportsWatch), (
        f"{store.backend.name} declares watch, and its {type(driver).__name__} has no wait_for_change"
    )
    return driver


class Wait(threading.Thread):
    """Waits for a change, in a thread of its own."""

    def __init__(self, driver: SupportsWatch) -> None:
        super().__init__(daemon=True)
        self._driver = driver
        self.told: bool | None = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Wait."""
        try:
            self.told = self._driver.wait_for_change(LONG)
        except BaseException as error:  # noqa: BLE001 - raised by whoever asks
            self.error = error

    def result(self) -> bool | None:
        """What it came to."""
        self.join(2 * LONG)
        assert not self.is_alive(), "it does not end at its timeout"
        if self.error is not None:
            raise self.error
        return self.told


@clause("POWER-009", "0.4", needs=("watch",))
def whoever_watches_is_told_of_another_opener_s_append(place: Place) -> None:
    location = place.new_location()
    store = place.open(location)
    driver = watcher(store)
    store.create_room(room("general"))
    shared = {"multi_process", "persistent"} <= store.capabilities
    writer = place.open(location) if shared else store
    wait = Wait(driver)
    # It may not wait yet when the first is appended: then it is told of the next.
    for number in range(1000):
        writer.append_message(message(f"m{number}"))
        wait.join(SHORT)
        if not wait.is_alive():
            break
    assert wait.result() is True, "it was not told of an append"
    assert any(driver.wait_for_change(SHORT) is False for _ in range(QUIET)), "it is told of changes that nobody made"
    if shared:
        wait = Wait(driver)
        for number in range(1000):
            run(APPEND, location, f"other-{number}")
            wait.join(SHORT)
            if not wait.is_alive():
                break
        assert wait.result() is True, "it was not told of another process's append"


@clause("POWER-010", "0.1", "0.2", lacks="watch")
def without_watch_there_is_nothing_to_wait_with(store: Store) -> None:
    assert not isinstance(store.driver, SupportsWatch), (
        f"{type(store.driver).__name__} has wait_for_change, and {store.backend.name} does not declare watch"
    )
