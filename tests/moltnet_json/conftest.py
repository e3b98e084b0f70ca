"""Snapshot files and child processes for the tests of the JSON backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.children import Child, starting


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a snapshot may be: the only file of its folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "data.json"


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Starts children, which end with the test at the latest. See :class:`Child` for the arguments."""
    with starting() as start:
        yield start
