"""What each operation costs in trips to the server, counted at the wire."""

from __future__ import annotations

import pytest
from tests.moltnet_postgres.support import Place, a_message
from tests.moltnet_postgres.trips import LIMITS, counted
from tests.postgres.cluster import Cluster
from tests.postgres.proxy import Proxy


@pytest.fixture(scope="module")
def trips(cluster: Cluster) -> dict[str, int]:
    with Proxy(cluster.address) as proxy, Place(cluster) as place:
        return counted(place, proxy)


@pytest.mark.parametrize("operation", LIMITS)
def test_an_operation_takes_no_more_trips_than_it_needs(trips: dict[str, int], operation: str) -> None:
    assert trips[operation] == LIMITS[operation]


def test_a_batch_of_large_messages_is_sent_in_pieces(place: Place, proxy: Proxy) -> None:
    """A server ends the connection of who sends a gigabyte at once, which is sixty-four of the largest messages."""
    store = place.made(**proxy.login)
    large = "x" * 6_000_000
    store.append_messages([a_message(f"m{number}", large) for number in range(8)])
    inserts = [len(statement) for statement in proxy.statements if '"messages"' in statement and "INSERT" in statement]
    assert len(inserts) == 4
    assert max(inserts) < 16 * 1024 * 1024
    assert len(place.stored()) == 8


def test_a_watch_for_which_nothing_comes_takes_a_trip_for_each_look(place: Place, proxy: Proxy) -> None:
    store = place.made(**proxy.login)
    store.watch().close()
    before = proxy.round_trips
    with store.watch(timeout=0) as watch:
        assert proxy.round_trips - before == 2
        for _ in range(3):
            before = proxy.round_trips
            assert list(watch) == []
            assert proxy.round_trips - before == 1
        place.open().append_messages([a_message(f"m{number}") for number in range(100)])
        before = proxy.round_trips
        assert len(list(watch)) == 100
        assert proxy.round_trips - before == 2


def test_every_operation_that_is_counted_has_a_limit(trips: dict[str, int]) -> None:
    assert trips.keys() == LIMITS.keys()
