"""What tests of every folder can use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.postgres.shared import schemas_dropped, shared_server

if TYPE_CHECKING:
    from tests.postgres.server import Server


@pytest.fixture(scope="session")
def postgres_server() -> Server:
    """The PostgreSQL server that the tests share. One of another's own is a ``tests.postgres.cluster.Cluster``."""
    return shared_server()


@pytest.fixture(autouse=True)
def _schemas_dropped() -> Iterator[None]:
    """The shared server does not keep what a test has put there."""
    with schemas_dropped():
        yield
