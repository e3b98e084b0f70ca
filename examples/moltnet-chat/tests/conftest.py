"""The service on a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_support import Service, serving
from tests.postgres.shared import schemas_dropped, shared_server


@pytest.fixture(params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """The service on each engine, whose place the environment names."""
    if request.param == "sqlite":
        where = {"MOLTNET_SQLITE_PATH": str(tmp_path / "chat.db")}
    else:
        server = shared_server()
        where = {"MOLTNET_POSTGRES_DSN": server.dsn(), "MOLTNET_POSTGRES_SCHEMA": server.new_schema()}
    with schemas_dropped(), serving(where, tmp_path) as service:
        yield service


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Service]:
    """On SQLite, with little patience."""
    where = {"MOLTNET_SQLITE_PATH": str(tmp_path / "chat.db"), "MOLTNET_SQLITE_BUSY_TIMEOUT": "0.1"}
    with serving(where, tmp_path) as service:
        yield service
