"""Every test of this folder runs on every backend. What a backend can do it declares itself; no test asks its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.building import BACKENDS, Place

from moltnet_core import Store


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """A backend's name. ``having`` and ``lacking`` choose among them."""
    return str(request.param)


@pytest.fixture
def place(backend: str, tmp_path: Path) -> Iterator[Place]:
    """Where stores are opened; closes those that the test leaves open."""
    made = Place(backend, tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(place: Place) -> Store:
    """An empty store."""
    return place.open()
