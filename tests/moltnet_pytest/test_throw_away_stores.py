"""An application's run of pytest: each test has a store of its own, which is gone afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.postgres.server import Server

from moltnet_core import Room, open_store
from moltnet_core.errors import BackendNotFoundError
from moltnet_pytest.places import NoPlaceError, throw_away

APPLICATION = """
import asyncio
import pytest
from moltnet_core import Actor, Message, Part, Room, Target, open_store

HELLO = Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "hello")], id="m1")

@pytest.mark.parametrize("time", [1, 2])
def test_store(moltnet_store, moltnet_location, time):
    print("LOCATION", moltnet_location)
    assert moltnet_store.counts().messages == 0
    moltnet_store.create_room(Room("general", "local"))
    moltnet_store.append_message(HELLO)
    if moltnet_store.backend.name != "memory":
        with open_store(moltnet_location) as again:
            assert again.get_message("m1") is not None

def test_async_store(moltnet_async_store, moltnet_location):
    print("LOCATION", moltnet_location)

    async def work():
        await moltnet_async_store.create_room(Room("general", "local"))
        await moltnet_async_store.append_message(HELLO)
        assert (await moltnet_async_store.get_message("m1")).sender.id == "a"

    asyncio.run(work())

def test_failing(moltnet_store):
    moltnet_store.create_room(Room("general", "local"))
    raise AssertionError("on purpose")
"""


OTHERS = ["hypothesispytest", "moltnet_conformance", "pytest_cov", "anyio"]
"""Plugins that have nothing to do with it, and take longer to import than the tests to run."""


def run(folder: Path, text: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """The exit status of a run of pytest on a file, and what it says."""
    without = [word for name in OTHERS for word in ("-p", f"no:{name}")]
    Path(folder, "test_it.py").write_text(text)
    Path(folder, "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -rA\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            *without,
            "--basetemp",
            str(folder / "base"),
            *arguments,
        ],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def locations(said: str) -> list[str]:
    return re.findall(r"^LOCATION (.+)$", said, re.MULTILINE)


def outcomes(said: str) -> dict[str, str]:
    return {name: outcome for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\S+)", said, re.MULTILINE)}


def test_memory_is_chosen_and_the_names_of_tests_stay(tmp_path: Path) -> None:
    status, said = run(tmp_path, APPLICATION)
    assert status == 1, said
    assert outcomes(said) == {
        "test_store[1]": "PASSED",
        "test_store[2]": "PASSED",
        "test_async_store": "PASSED",
        "test_failing": "FAILED",
    }
    assert locations(said) == ["memory://"] * 3


def test_each_test_runs_on_each_backend_that_is_chosen(tmp_path: Path) -> None:
    status, said = run(tmp_path, APPLICATION, "--moltnet-backend=sqlite", "--moltnet-backend=json", "-n", "2")
    assert status == 1, said
    found = outcomes(said)
    assert {name for name, outcome in found.items() if outcome == "PASSED"} == {
        f"{test}[{kind}{time}]"
        for kind in ("sqlite", "json")
        for test, time in (("test_store", "-1"), ("test_store", "-2"), ("test_async_store", ""))
        if (kind, test) != ("json", "test_store")  # one process, one opening
    }
    assert {name for name, outcome in found.items() if outcome == "FAILED"} == {
        *("test_failing[sqlite]", "test_failing[json]", "test_store[json-1]", "test_store[json-2]"),
    }
    assert len(set(locations(said))) == 6


def test_on_a_server_each_test_has_a_schema_which_is_dropped(tmp_path: Path, postgres_server: Server) -> None:
    mine = postgres_server.url(schema=postgres_server.new_schema())
    with open_store(mine) as store:
        store.create_room(Room("mine", "local"))
    before = postgres_server.execute("SELECT nspname FROM pg_namespace ORDER BY 1")
    status, said = run(tmp_path, APPLICATION, MOLTNET_TEST_BACKEND=mine)
    assert status == 1, said
    assert list(outcomes(said).values()).count("PASSED") == 3
    assert "test_failing" in outcomes(said), "the URL is no part of a test's name"
    assert len(set(locations(said))) == 3
    assert postgres_server.execute("SELECT nspname FROM pg_namespace ORDER BY 1") == before
    with open_store(mine) as store:
        assert store.get_room("mine") is not None
        assert store.counts().messages == 0


def test_the_choice_can_stand_in_the_configuration_and_in_a_conftest(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef moltnet_backend():\n    return 'json'\n")
    (inner / "test_inner.py").write_text(
        "def test_inner(moltnet_store):\n    print('IN', moltnet_store.backend.name)\n"
    )
    said = run(tmp_path, APPLICATION, "-o", "moltnet_backend=sqlite memory", "-k", "async or inner")[1]
    assert outcomes(said) == {
        "test_async_store[sqlite]": "PASSED",
        "test_async_store[memory]": "PASSED",
        "test_inner": "PASSED",
    }
    assert "IN json" in said


def test_a_run_without_the_fixtures_does_not_import_the_library(tmp_path: Path) -> None:
    body = """
        import sys
        def test_nothing():
            assert not [name for name in sys.modules if name.split(".")[0] == "moltnet_core"]
    """
    status, said = run(tmp_path, "\n".join(line[8:] for line in body.splitlines()))
    assert status == 0, said


def test_files_beside_a_url_are_removed_and_the_rest_stays(tmp_path: Path) -> None:
    mine = f"sqlite:///{tmp_path}/mine.db"
    open_store(mine).close()
    with throw_away(mine, lambda: tmp_path) as location, open_store(location) as store:
        assert location.startswith(f"{mine}.test_")
        store.create_room(Room("general", "local"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.db"]


def test_throw_away_by_itself(tmp_path: Path) -> None:
    with throw_away("sqlite", lambda: tmp_path) as location, open_store(location) as store:
        assert location == f"sqlite:///{tmp_path}/sqlite"
        store.ping()
    with (
        pytest.raises(NoPlaceError, match="needs a URL: postgres://user@host/database"),
        throw_away("postgres", lambda: tmp_path),
    ):
        pass
    with pytest.raises(BackendNotFoundError, match="nowhere"), throw_away("nowhere", lambda: tmp_path):
        pass
