"""The long tests: each prints its figure on one line. ``nox -s reliability`` runs them; the default run does not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.children import Child, starting

SECONDS = 900
HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "reliability: takes long, and has a session of its own")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.reliability)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where a database may be: the only file of its folder, which is deleted afterwards as it may be large."""
    folder = tmp_path / "data"
    folder.mkdir()
    yield folder / "moltnet.db"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Starts children, which end with the test at the latest. See :class:`Child` for the arguments."""
    with starting() as start:
        yield start


@pytest.fixture
def figure(capfd: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints one line, also when the output of tests is captured."""

    def show(text: str) -> None:
        with capfd.disabled():
            sys.stdout.write(f"\n{text}\n")
            sys.stdout.flush()

    return show
