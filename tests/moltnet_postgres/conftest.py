"""A server that the tests of this folder may do anything to, as long as it runs again afterwards, and ways to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.moltnet_postgres.support import Place
from tests.postgres.cluster import Cluster
from tests.postgres.proxy import Proxy


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster(fsync=True) as cluster:
        yield cluster


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Place]:
    """A new store's place, whose stores are closed afterwards."""
    with Place(cluster) as place:
        yield place


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    """Stands between the server and whoever opens ``place.url(**proxy.login)``."""
    with Proxy(cluster.address) as proxy:
        yield proxy
