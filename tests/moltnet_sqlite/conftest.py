"""Database files and child processes for the tests of the SQLite backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.moltnet_sqlite.support import Child


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be: the only file of its folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "moltnet.db"


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Starts children, which end with the test at the latest. See :class:`Child` for the arguments."""
    children: list[Child] = []

    def start(function: Callable[..., Any], *args: object, **options: Any) -> Child:
        children.append(Child(function, *args, **options))
        return children[-1]

    yield start
    for child in children:
        child.close()
