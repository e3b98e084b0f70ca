"""The command ``moltnet-conformance run`` judges each backend of this project, deeply, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.postgres.cluster import Cluster

from moltnet_conformance.building import everything, fill
from moltnet_core import open_store

Figure = Callable[[str], None]
COMMAND = Path(sys.executable).with_name("moltnet-conformance")
HISTORIES = 600  # of each backend at least, so more than two thousand over all four
SECONDS = 850


def judged(location: str, folder: Path, figure: Figure) -> None:
    """The command says that a backend is conformant, and leaves no file of its own."""
    work, temporary, report = folder / "work", folder / "temporary", folder / "report.json"
    work.mkdir()
    temporary.mkdir()
    kind = location.partition(":")[0]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "MOLTNET_"))}
    began = time.monotonic()
    done = subprocess.run(
        [COMMAND, "run", kind, "--location", location, "--profile", "deep", "--report", report],
        cwd=work,
        env={**environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    (suite,) = json.loads(report.read_text())["suites"]
    states = Counter(clause["state"] for clause in suite["clauses"])
    (note,) = suite["notes"]
    figure(f"{kind}: {suite['verdict']}, {states['passed']} clauses; {note}; {seconds:.0f} s")
    assert f"\n{kind}: CONFORMANT contract 1.0\n" in done.stdout
    assert (suite["verdict"], suite["conformant"]) == ("CONFORMANT contract 1.0", True)
    assert states == {"passed": len(suite["clauses"])}
    assert int(note.split()[1]) >= HISTORIES
    assert list(work.iterdir()) == list(temporary.iterdir()) == []


@contextmanager
def kept(location: str) -> Iterator[None]:
    """A store of somebody's at a location stays as it is."""
    with open_store(location, environ={}) as store:
        fill(store)
        before: Any = everything(store)
    yield
    with open_store(location, environ={}, read_only=True) as store:
        assert everything(store) == before


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_a_backend_of_files(kind: str, tmp_path: Path, figure: Figure) -> None:
    data = tmp_path / "a folder"
    data.mkdir()
    location = f"{kind}:///{data}/given.x".replace(" ", "%20")
    with kept(location):
        before = content(data)
        judged(location, tmp_path, figure)
        assert content(data) == before


def test_memory(tmp_path: Path, figure: Figure) -> None:
    judged("memory://", tmp_path, figure)


def test_postgres_in_a_locale_that_sorts_as_people_do(tmp_path: Path, figure: Figure) -> None:
    """There ``ann`` comes before ``Zoe`` and ``_`` is nothing; pages come in the order of code points all the same."""
    with Cluster(locale="en_US.UTF-8") as cluster:
        order = "SELECT string_agg(word, ' ' ORDER BY word) FROM unnest(%s) AS word"
        assert cluster.execute(order, [["Zoe", "ann", "a.b", "a_a"]]) == [("a_a a.b ann Zoe",)]
        schemas = "SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace"
        location = cluster.url(schema=cluster.new_schema())
        with kept(location):
            before = cluster.execute(schemas)
            judged(location, tmp_path, figure)
            assert cluster.execute(schemas) == before
        used = "SELECT xact_commit > 10000 FROM pg_stat_database WHERE datname = %s"
        cluster.execute("SELECT pg_stat_force_next_flush()")
        assert cluster.execute(used, [cluster.database]) == [(True,)]
