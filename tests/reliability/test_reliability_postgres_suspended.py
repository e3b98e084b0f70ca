"""A PostgreSQL server that stops answering: every call ends within its deadline, and the next one works again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.children import foreign_in_chain
from tests.moltnet_postgres.support import Place, a_message, dm_message, in_threads, seconds_of
from tests.postgres.cluster import Cluster

from moltnet_core import MoltnetError, Store, StoreBusyError, StoreUnavailableError

Figure = Callable[[str], None]
DEADLINE = 3
CALLS: dict[str, Callable[[Store, Place], object]] = {
    "read": lambda store, place: store.list_room_messages("hall"),
    "room": lambda store, place: store.get_room("hall"),
    "append": lambda store, place: store.append_message(a_message("m1")),
    "batch": lambda store, place: store.append_messages([a_message("m2"), dm_message("m3")]),
    "ping": lambda store, place: store.ping(),
    "open": lambda store, place: place.open(connect_timeout=2, call_timeout=DEADLINE),
}


def watchers() -> int:
    return sum(thread.name == "moltnet-postgres-watchdog" for thread in threading.enumerate())


@pytest.mark.parametrize("call", CALLS)
def test_a_call_to_a_suspended_server_ends_in_time(place: Place, cluster: Cluster, figure: Figure, call: str) -> None:
    store = place.made(connect_timeout=2, call_timeout=DEADLINE)
    cluster.pause()
    first, error = seconds_of(lambda: CALLS[call](store, place))
    second, again = seconds_of(lambda: CALLS[call](store, place))
    cluster.resume()
    assert isinstance(error, StoreUnavailableError)
    assert isinstance(again, StoreUnavailableError)
    # An append is one statement that commits itself; a batch had not come to its commit.
    assert error.committed is (None if call == "append" else False)
    assert again.committed is False
    assert foreign_in_chain(error) == []
    store.ping()
    store.append_message(a_message("next"))
    store.close()
    figure(
        f"PostgreSQL, suspended: {call} ended after {first:.1f} s, the next after {second:.1f} s, "
        f"with call_timeout={DEADLINE} and connect_timeout=2"
    )
    assert first < DEADLINE + 1
    assert second < DEADLINE + 1
    assert watchers() == 0


def test_a_scan_of_a_server_that_is_suspended_in_between_ends_in_time(
    place: Place, cluster: Cluster, figure: Figure
) -> None:
    store = place.made(connect_timeout=2, call_timeout=DEADLINE)
    store.append_messages([a_message(f"m{number:04}") for number in range(2000)])
    with suppress(StoreUnavailableError), store.snapshot() as snapshot:
        found = snapshot.scan("message", limit=10)
        assert len(found) == 10
        cluster.pause()
        try:
            seconds, error = seconds_of(lambda: snapshot.scan("message", after=found[-1].id, limit=1000))
        finally:
            cluster.resume()
    assert isinstance(error, StoreUnavailableError)
    assert error.committed is False
    figure(f"PostgreSQL, suspended: scan ended after {seconds:.1f} s, with call_timeout={DEADLINE}")
    assert seconds < DEADLINE + 1
    with store.snapshot() as snapshot:
        assert len(list(snapshot.records("message"))) == 2000


def test_the_default_deadline(place: Place, cluster: Cluster, figure: Figure) -> None:
    """With several calls at once, and more than the pool has connections."""
    store = place.made()
    store.ping()
    found: list[tuple[float, MoltnetError | None]] = []
    cluster.pause()
    errors = in_threads(
        12, lambda number: found.append(seconds_of(lambda: store.append_message(a_message(f"m{number}"))))
    )
    cluster.resume()
    assert errors == []
    longest = max(seconds for seconds, _ in found)
    kinds = sorted({type(error).__name__ for _, error in found})
    figure(f"PostgreSQL, suspended: {len(found)} appends at once ended within {longest:.1f} s, by default, as {kinds}")
    assert all(isinstance(error, StoreUnavailableError | StoreBusyError) for _, error in found)
    assert longest <= 31
    store.append_message(a_message("next"))


def test_a_lock_that_somebody_holds_is_waited_for_as_long_as_configured(place: Place, figure: Figure) -> None:
    store = place.made(busy_timeout=1)
    waits = []
    with place.server.connect() as other, other.cursor() as cursor:
        cursor.execute(f"BEGIN; SELECT 1 FROM {place.schema}.rooms FOR UPDATE")
        for call in (
            lambda: store.append_message(a_message("m1")),
            lambda: store.append_messages([a_message("m1"), a_message("m2")]),
            lambda: store.remove_room("hall"),
            lambda: store.update_room_members("hall", add=["ann"]),
        ):
            seconds, error = seconds_of(call)
            assert isinstance(error, StoreBusyError)
            assert error.committed is False
            waits.append(seconds)
    store.append_message(a_message("m1"))
    figure(f"PostgreSQL, locked: {len(waits)} writes gave up after {min(waits):.2f} to {max(waits):.2f} s of 1 s")
    assert min(waits) > 0.9
    assert max(waits) < 2
