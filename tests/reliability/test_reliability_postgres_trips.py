"""What each operation costs in trips to a PostgreSQL server. The default tests hold the numbers."""

from __future__ import annotations

from collections.abc import Callable

from tests.moltnet_postgres.support import Place
from tests.moltnet_postgres.trips import LIMITS, counted
from tests.postgres.cluster import Cluster
from tests.postgres.proxy import Proxy


def test_trips(figure: Callable[[str], None]) -> None:
    with Cluster() as cluster, Proxy(cluster.address) as proxy, Place(cluster) as place:
        found = counted(place, proxy)
    figure(f"PostgreSQL, trips: {', '.join(f'{name} {trips}' for name, trips in found.items())}")
    assert found == LIMITS
