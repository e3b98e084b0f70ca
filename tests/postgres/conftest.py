"""A server that the tests of this folder may do anything to, as long as it runs again afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgres.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster(fsync=True) as cluster:
        yield cluster
