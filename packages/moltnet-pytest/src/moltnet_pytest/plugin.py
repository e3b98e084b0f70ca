"""The pytest plugin. It is loaded into every run where it is installed, so it imports the library when a test asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from moltnet_core import AsyncStore, Store

__all__ = ["moltnet_async_store", "moltnet_location", "moltnet_store"]

OPTION: Final = "--moltnet-backend"
VARIABLE: Final = "MOLTNET_TEST_BACKEND"
INI: Final = "moltnet_backend"
DEFAULT: Final = "memory"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the choice of backend."""
    group = parser.getgroup("moltnet-stores", "throw-away Moltnet stores")
    group.addoption(
        OPTION,
        action="append",
        metavar="NAME|URL",
        help="a backend for moltnet_store and its like: memory (the default), sqlite, json, or the URL of a store to "
        f"put theirs beside; given twice, each test runs on both. {VARIABLE} does the same",
    )
    parser.addini(INI, f"as {OPTION}: one or several", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Makes the fixture ``moltnet_backend``, with a parameter only where there is a choice."""
    chosen = config.getoption(OPTION) or os.environ.get(VARIABLE, "").split() or config.getini(INI) or [DEFAULT]
    made = ModuleType("moltnet_pytest_backend")  # pytest looks for fixtures in modules
    made.moltnet_backend = _backend(chosen)  # type: ignore[attr-defined]
    config.pluginmanager.register(made, made.__name__)


def _backend(chosen: list[str]) -> Any:
    """The fixture. A URL may hold a password, so the names of tests have its scheme only."""
    if len(chosen) == 1:

        @pytest.fixture(name="moltnet_backend")
        def only() -> str:
            """The backend's name, or the URL beside which stores are put. Override it to choose for some tests."""
            return chosen[0]

        return only

    @pytest.fixture(name="moltnet_backend", params=chosen, ids=[each.partition("://")[0] for each in chosen])
    def each(request: pytest.FixtureRequest) -> str:
        """The backend's name, or the URL beside which stores are put, one after the other."""
        return str(request.param)

    return each


@pytest.fixture
def moltnet_location(moltnet_backend: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a place where no store is yet. What a test has put there goes away after it."""
    from moltnet_pytest.places import throw_away

    def folder() -> Path:
        made: Path = request.getfixturevalue("tmp_path") / "moltnet-store"
        made.mkdir()
        return made

    with throw_away(moltnet_backend, folder) as location:
        yield location


@pytest.fixture
def moltnet_store(moltnet_location: str) -> Iterator[Store]:
    """A new store, open until the test ends."""
    from moltnet_core import open_store

    with open_store(moltnet_location) as store:
        yield store


@pytest.fixture
def moltnet_async_store(moltnet_location: str) -> Iterator[AsyncStore]:
    """A new store for an event loop, whichever the test has; open until the test ends."""
    import asyncio

    from moltnet_core import AsyncStore, open_store

    store = AsyncStore(open_store(moltnet_location))
    yield store
    # In a thread, for the loop of the test may still be set, or running, in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(store.close())).result()
