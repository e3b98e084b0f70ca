"""Stores on both engines, with the plugin passed in: it is not installed where all tests run, as it would join all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.backends import LOCATIONS
from tests.children import Child, starting
from tests.postgres.shared import schemas_dropped

PATHS = [str(Path(__file__).parents[1] / "src"), str(Path(__file__).parent)]


@pytest.fixture(autouse=True)
def _schemas_dropped() -> Iterator[None]:
    with schemas_dropped():
        yield


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where no store is yet, on each engine."""
    return LOCATIONS[request.param](tmp_path / "chat")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Child]]:
    """Starts children, which can import the plugin and these tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(PATHS))
    with starting() as start:
        yield start
