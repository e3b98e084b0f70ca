"""Faults that are met briefly by the default tests and at length by the long ones."""

from __future__ import annotations

import threading
from itertools import count

from attrs import define, field
from tests.children import foreign_in_chain, wait_until
from tests.moltnet_postgres.support import Place, a_message, dm_message, in_threads, thread_message, told

from moltnet_core import Message, MoltnetError, Store, StoreUnavailableError

__all__ = ["Ledger", "end_sessions_in_mid_append", "settle"]

MAKERS = (a_message, thread_message, dm_message)


@define
class Ledger:
    """What became of each message, by what the store said."""

    acknowledged: set[str] = field(factory=set)
    refused: set[str] = field(factory=set)
    unknown: dict[str, Message] = field(factory=dict)
    errors: list[MoltnetError] = field(factory=list)

    @property
    def failed(self) -> int:
        """How many appends."""
        return len(self.errors)

    def append(self, store: Store, message: Message) -> bool:
        """Append a message and note what was said; whether it was acknowledged."""
        error = told(lambda: store.append_message(message))
        if error is None:
            self.acknowledged.add(message.id)
            return True
        self.errors.append(error)
        if error.committed is None:
            self.unknown[message.id] = message
        else:
            self.refused.add(message.id)
        return False


def settle(store: Store, ledger: Ledger, stored: set[str]) -> set[str]:
    """Judge a ledger by what is stored; try again what is unknown, and return what has to be stored then.

    :raises AssertionError: something acknowledged is not there, something refused is, or a retry says what is not so.
    """
    assert ledger.acknowledged <= stored, "lost what was acknowledged"
    assert stored.isdisjoint(ledger.refused), "stored what was refused"
    assert stored <= ledger.acknowledged | ledger.unknown.keys(), "stored what nobody appended"
    for message in ledger.unknown.values():
        assert store.append_message(message, retry=True).replayed == (message.id in stored)
    for error in ledger.errors:
        assert foreign_in_chain(error) == []
    return ledger.acknowledged | ledger.unknown.keys()


def end_sessions_in_mid_append(place: Place, *, writers: int, terminations: int) -> Ledger:
    """End all sessions of a store again and again while threads append; of each failure the next call knows nothing."""
    store = place.made(pool_size=writers)
    ledger, done = Ledger(), [0] * writers
    stop = threading.Event()

    def write(number: int) -> None:
        after_failure = False
        for name in count():
            if stop.is_set():
                return
            went_well = ledger.append(store, MAKERS[name % 3](f"t{number}-{name}"))
            assert went_well or not after_failure, "the call after the one that failed failed too"
            after_failure = not went_well
            done[number] += went_well

    def end_sessions() -> None:
        for _ in range(terminations):
            before = list(done)

            def go_on(before: list[int] = before) -> bool:
                return stop.is_set() or all(now > then + 2 for now, then in zip(done, before, strict=True))

            wait_until(go_on, "every thread appends")
            place.server.terminate_backends("moltnet-storage")

    def work(number: int) -> None:
        try:
            end_sessions() if number == writers else write(number)
        finally:
            stop.set()

    assert in_threads(writers + 1, work, patience=300) == []
    assert {type(error) for error in ledger.errors} <= {StoreUnavailableError}
    assert set(place.stored()) >= ledger.acknowledged
    expected = settle(store, ledger, set(place.stored()))
    assert set(place.stored()) == expected
    return ledger
