"""What each operation costs in trips to the server, counted at the wire."""

from __future__ import annotations

import pytest
from tests.moltnet_postgres.support import Place
from tests.moltnet_postgres.trips import LIMITS, counted
from tests.postgres.proxy import Proxy


@pytest.fixture(scope="module")
def trips(cluster: object) -> dict[str, int]:
    from tests.postgres.cluster import Cluster

    assert isinstance(cluster, Cluster)
    with Proxy(cluster.address) as proxy, Place(cluster) as place:
        return counted(place, proxy)


@pytest.mark.parametrize("operation", LIMITS)
def test_an_operation_takes_no_more_trips_than_it_needs(trips: dict[str, int], operation: str) -> None:
    assert trips[operation] == LIMITS[operation]


def test_every_operation_that_is_counted_has_a_limit(trips: dict[str, int]) -> None:
    assert trips.keys() == LIMITS.keys()
