"""The long tests: each prints its figure on one line. ``nox -s reliability`` runs them; the default run does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.children import Child, starting
from tests.moltnet_postgres.support import Place
from tests.postgres.cluster import Cluster

SECONDS = 900
FIGURE = "figure"
HERE = Path(__file__).parent


class Figures:
    """Prints the figures of each test when it has ended, also one that ran in another process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or report.when != "call":
            return
        for name, text in report.user_properties:
            if name == FIGURE:
                terminal.ensure_newline()
                terminal.write_line(str(text))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "reliability: takes long, and has a session of its own")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Figures(config), "reliability_figures")


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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of a module's own, which may be killed and suspended."""
    with Cluster(fsync=True) as cluster:
        yield cluster


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Place]:
    """A new store's place on it, whose stores are closed afterwards."""
    with Place(cluster) as place:
        yield place


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Starts children, which end with the test at the latest. See :class:`Child` for the arguments."""
    with starting() as start:
        yield start


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Notes one line, which is printed when the test has ended."""

    def note(text: str) -> None:
        request.node.user_properties.append((FIGURE, text))

    return note
