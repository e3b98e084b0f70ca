"""The backends of this project, where tests put new stores of each, and which of them a test is for."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tests.postgres.shared import new_location

from moltnet_core.plugins import load_backend

# A backend joins by a line here: how a new location of its own looks.
LOCATIONS: dict[str, Callable[[Path], str]] = {
    "json": lambda path: f"json:///{path}.json",
    "memory": lambda path: "memory://",
    "postgres": lambda path: new_location(),
    "sqlite": lambda path: f"sqlite:///{path}.db",
}
BACKENDS = sorted(LOCATIONS.keys() & entry_points(group="moltnet.storage").names)


def having(*capabilities: str) -> pytest.MarkDecorator:
    """Runs a test on the backends that declare all of these traits and powers."""
    chosen = [name for name in BACKENDS if load_backend(name)[0].capabilities >= set(capabilities)]
    return pytest.mark.parametrize("backend", chosen, indirect=True)
