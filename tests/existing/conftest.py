"""Fixtures for the tests of existing databases, and the figures that they show at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.postgres.shared import shared_server

from moltnet_core import Store, open_store

from .cases import CASES
from .comparing import Comparison
from .corrupting import IDS
from .postgres_case import copies_dropped
from .postgres_case import new_database as new_postgres
from .postgres_server import PostgresServer
from .report import table
from .server import Server, insert, message_rows, room_row
from .sqlite_case import DATABASES, SQLiteCase, fresh, url_of

# These need the fixtures throughout. Without them test_fixtures.py says so, in one skipped test.
_ABOUT_FIXTURES = (
    "checked",
    "truth",
    "served",
    "read_only",
    "upgraded",
    "records",
    "copying",
    "edge",
    "snapshots",
    "postgres_upgraded",
    "postgres_migrating",
)
collect_ignore = [] if CASES else [f"test_{name}.py" for name in _ABOUT_FIXTURES]

_FIGURES = pytest.StashKey[list[Comparison]]()

Record = Callable[[Comparison], None]


@pytest.fixture(autouse=True)
def _copies_dropped() -> Iterator[None]:
    """The shared server does not keep a test's copies of the fixtures."""
    with copies_dropped():
        yield


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> Record:
    """Keeps a comparison for the summary at the end of the run."""
    return pytestconfig.stash.setdefault(_FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash.get(_FIGURES, [])
    if found:
        terminalreporter.section("existing databases")
        for line in table(found):
            terminalreporter.write_line(line)


@pytest.fixture(params=[None, *DATABASES], ids=["fresh", *(case.name for case in DATABASES)])
def case(request: pytest.FixtureRequest) -> SQLiteCase | None:
    """Every SQLite fixture, and ``None`` for a database that this project makes."""
    found: SQLiteCase | None = request.param
    return found


@pytest.fixture
def database(case: SQLiteCase | None, tmp_path: Path) -> Path:
    """A copy of the fixture, or a new database, brought up to date and closed again."""
    path = fresh(tmp_path / "own") if case is None else case.database(tmp_path / "own")
    open_store(url_of(path)).close()
    return path


@pytest.fixture
def new_database(tmp_path: Path) -> Path:
    """A new, empty database."""
    path = fresh(tmp_path / "own")
    open_store(url_of(path)).close()
    return path


@pytest.fixture
def backend() -> str:
    """Where ``server`` writes. A module that runs on others too has a fixture of its own of this name."""
    return "sqlite"


@pytest.fixture
def postgres_database() -> str:
    """The name of a new, empty database in the shared PostgreSQL server."""
    return new_postgres()


@pytest.fixture
def url(backend: str, request: pytest.FixtureRequest) -> str:
    """The URL of a new, empty store."""
    if backend == "postgres":
        return shared_server().url(dbname=request.getfixturevalue("postgres_database"))
    return url_of(request.getfixturevalue("new_database"))


@pytest.fixture
def server(backend: str, request: pytest.FixtureRequest) -> Iterator[Server | PostgresServer]:
    """Another process, or another connection, that writes to the same as the Go server does."""
    if backend == "postgres":
        with PostgresServer(request.getfixturevalue("postgres_database")) as connected:
            yield connected
        return
    with Server(request.getfixturevalue("new_database")) as found:
        yield found


@pytest.fixture
def filled(server: Server) -> Server:
    """The server, with a room of nine messages, a second apart."""
    room = {"kind": "room", "room_id": "r"}
    server.transaction(insert("rooms", room_row("r")))
    for number, own_id in enumerate(IDS):
        server.transaction(*message_rows(own_id, room, f"2027-06-01T12:00:0{number}Z"))
    return server


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as found:
        yield found
