"""Database files and child processes for the tests of the SQLite backend."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.children import Child, starting


@pytest.fixture(autouse=True)
def _removable(request: pytest.FixtureRequest) -> Iterator[None]:
    """What tests made read-only can be deleted afterwards, also by somebody who is not root."""
    made = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for folder, names, _ in os.walk(made) if made else ():
        for found in (Path(folder, name) for name in names):
            if not found.is_symlink():
                found.chmod(found.stat().st_mode | 0o700)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be: the only file of its folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "moltnet.db"


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Starts children, which end with the test at the latest. See :class:`Child` for the arguments."""
    with starting() as start:
        yield start
