"""Every fixture, copied from each backend to each other: everything arrives, and is verified.

``python -m pytest tests/existing/test_copying.py -s`` prints the table.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest
from attrs import evolve
from tests.postgres.shared import shared_server

from moltnet_core import CopyResult, Counts, RecordKind, Store, copy_store, open_store, store_digest, verify_stores

from .case import Case
from .cases import CASES, NEW_STORES
from .comparing import compare
from .expected import coarser, cut, readable, settled

PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in permutations(sorted(NEW_STORES), 2)]


def _open(case: Case, kind: str, folder: Path) -> Store:
    """A store of a kind that holds what a fixture holds: a copy of its file, or its records."""
    with open_store(case.place(folder / "own"), read_only=True) as own:
        if own.backend.name == kind:
            return open_store(case.place(folder / "again"), read_only=True)
        store = open_store(NEW_STORES[kind](folder / "source"))
        copy_store(own, store, on_corrupt=case.on_corrupt)
    return store


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(("kind", "other"), PAIRS)
def test_every_pair(case: Case, kind: str, other: str, tmp_path: Path) -> None:
    with _open(case, kind, tmp_path) as source, open_store(NEW_STORES[other](tmp_path / "target")) as target:
        result = copy_store(source, target, on_corrupt=case.on_corrupt)
        found = verify_stores(source, target, on_corrupt=case.on_corrupt)
        print(f"\n{_row(case, kind, other, result, found.equal)}", end="")
        assert found.equal
        assert result.verified
        assert result.copied == result.digest.count == found.second.count
        assert target.counts().artifacts > 0
        assert target.counts() == _readable_counts(source, result)
        unreadable = case.on_corrupt == "skip" and kind == "postgres"  # a time that it rounded up into the year 10000
        assert [each.ids for each in result.skipped] == (
            [tuple(case.expected(tmp_path).unreadable)] if unreadable else []
        )


def _readable_counts(source: Store, result: CopyResult) -> Counts:
    return evolve(source.counts(), messages=result.digest.kinds[RecordKind.MESSAGE].count)


def _row(case: Case, kind: str, other: str, result: CopyResult, equal: bool) -> str:
    kinds = ", ".join(f"{name} {each.count}" for name, each in result.digest.kinds.items())
    lost = f"; {result.truncated} lost digits, {result.reordered} neighbours changed" if result.truncated else ""
    return f"{case.name:<18} {kind:>8} → {other:<8} {'equal' if equal else 'DIFFERS'}: {kinds}{lost}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_backend_of_somebody_else_s(case: Case, tmp_path: Path) -> None:
    """The example on LMDB: from what the server left into it, and from there into each of ours."""
    with (
        open_store(case.place(tmp_path / "own"), read_only=True) as own,
        open_store(f"lmdb:///{tmp_path}/lmdb") as lmdb,
    ):
        result = copy_store(own, lmdb, on_corrupt=case.on_corrupt)
        print(f"\n{_row(case, own.backend.name, 'lmdb', result, result.verified)}", end="")
        assert verify_stores(own, lmdb, on_corrupt=case.on_corrupt).equal
        for kind in NEW_STORES:
            with open_store(NEW_STORES[kind](tmp_path / kind)) as target:
                result = copy_store(lmdb, target)
                print(f"\n{_row(case, 'lmdb', kind, result, result.verified)}", end="")
                assert verify_stores(lmdb, target).equal
                assert target.counts() == lmdb.counts()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("kind", sorted(NEW_STORES))
def test_a_copy_reads_as_the_server_served_it(case: Case, kind: str, tmp_path: Path) -> None:
    with (
        open_store(case.place(tmp_path / "own"), read_only=True) as source,
        open_store(NEW_STORES[kind](tmp_path / "new")) as target,
    ):
        copy_store(source, target, on_corrupt=case.on_corrupt)
        expected = settled(readable(case.expected(tmp_path)))
        if target.backend.time_digits < 9:
            expected = coarser(expected, cut)
        assert compare(case.name, target, expected, (100,)).differences == []
        digits = min(source.backend.time_digits, target.backend.time_digits)
        ours = store_digest(source, time_digits=digits, on_corrupt=case.on_corrupt)
        assert store_digest(target, time_digits=digits) == ours


SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = Path(__file__).parents[2] / "docs" / "moving.md"


@pytest.mark.parametrize("version", ["v8", "edge"])
def test_the_recipes_of_the_documentation(version: str, tmp_path: Path) -> None:
    named = {case.name: case for case in CASES}
    for kind, name in (("sqlite", "moltnet.db"), ("json", "data.json")):
        shutil.copy(named[f"{kind}-{version}"].source, tmp_path / name)
    commands = SHELL.findall(PAGE.read_text(encoding="utf-8"))
    assert sum("copy" in each for each in commands) >= 4
    server = shared_server()
    places = {name: server.url(schema=server.new_schema()) for name in ("TO", "REHEARSAL")}
    own = {key: value for key, value in os.environ.items() if not key.startswith("MOLTNET_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    script = "set -euo pipefail\n" + "".join(commands)
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env={**own, **places, "PATH": path}, check=True)
    for source, target in (
        (f"sqlite:///{tmp_path}/moltnet.db?mode=ro", places["TO"]),
        (f"json:///{tmp_path}/data.json?mode=ro", f"sqlite:///{tmp_path}/from-json.db"),
    ):
        with open_store(source) as one, open_store(target) as other:
            assert verify_stores(one, other).equal
