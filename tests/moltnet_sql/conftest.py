"""The SQL backends."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.backends import LOCATIONS


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where no store is yet, on each of them."""
    return LOCATIONS[request.param](tmp_path / "chat")
