"""Servers of these tests' own, ways to them, and what every refusal has to be."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.discreet import check_discreet
from tests.moltnet_postgres.support import Place
from tests.postgres.cluster import Cluster
from tests.postgres.proxy import Proxy

from moltnet_core import MoltnetError, open_store
from moltnet_core.errors import DriverError

PASSWORD = "hunter2-and-then-some"

Refused = Callable[..., MoltnetError]


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """One to which a test may do anything, as long as it runs again afterwards."""
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


@pytest.fixture(scope="package")
def own_cluster() -> Iterator[Cluster]:
    """A server with few connections, and roles that may do little: ``reader`` and ``nobody``."""
    with Cluster(settings={"max_connections": "12", "superuser_reserved_connections": "3"}) as cluster:
        for role in ("reader", "nobody"):
            cluster.execute(f"CREATE ROLE {role} LOGIN PASSWORD %s", [PASSWORD])
        cluster.execute("ALTER ROLE moltnet PASSWORD %s", [PASSWORD])
        cluster.user["password"] = PASSWORD
        yield cluster


@pytest.fixture
def refused() -> Refused:
    """Opens a store, or does something else that must fail in the contract's way; gives the error."""

    def check(
        kind: type[MoltnetError], call: str | Callable[[], Any] | None, *advice: str, **options: Any
    ) -> MoltnetError:
        with pytest.raises(kind) as caught:
            call() if callable(call) else open_store(call, **({"environ": {}} | options))
        error = caught.value
        assert type(error) is kind
        assert error.committed is False
        for word in advice:
            assert word in str(error)
        assert error.__context__ is None or error.__suppress_context__
        assert error.__cause__ is None or type(error.__cause__) is DriverError
        check_discreet(error, PASSWORD)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        return error

    return check
