"""Histories of migrations that this software does not know: refused, and not a byte is written."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.children import foreign_in_chain, open_descriptors, tree
from tests.moltnet_sqlite.support import make_store, make_version, query, url_of

from moltnet_core import MigrationDriftError, SchemaTooNewError, open_store

Figure = Callable[[str], None]
TIME = "'2030-01-01T00:00:00Z'"


def histories() -> dict[str, tuple[int, str, type[Exception]]]:
    """A version to begin with, what is done to its history, and the error."""
    found: dict[str, tuple[int, str, type[Exception]]] = {}
    for newest in range(9, 60, 10):
        rows = ", ".join(f"({version}, 'later', {TIME})" for version in range(9, newest + 1))
        found[f"newer: {newest}"] = (8, f"INSERT INTO schema_migrations VALUES {rows}", SchemaTooNewError)
    for newest in range(2, 9):
        for version in range(1, newest):
            gap = f"DELETE FROM schema_migrations WHERE version = {version}"
            found[f"gap: {version} of {newest}"] = (newest, gap, MigrationDriftError)
    for newest in range(1, 9):
        for version in range(1, newest + 1):
            for name in ("another", "", "INITIAL_SCHEMA"):
                renamed = f"UPDATE schema_migrations SET name = '{name}' WHERE version = {version}"
                found[f"renamed: {version} of {newest} {name!r}"] = (newest, renamed, MigrationDriftError)
    for version in (0, -1, 10, 2**40):
        added = f"INSERT INTO schema_migrations VALUES ({version}, 'x', {TIME})"
        found[f"beside: {version}"] = (8, added, MigrationDriftError)
    return found


def test_unknown_histories(path: Path, tmp_path: Path, figure: Figure) -> None:
    made = {version: tmp_path / f"version-{version}.db" for version in range(1, 9)}
    for version, original in made.items():
        make_version(original, version)
    make_store(made[8].with_name("own.db"))
    outcomes: Counter[str] = Counter()
    for name, (version, sql, expected) in histories().items():
        shutil.copy(made[version], path)
        query(path, sql)
        before = tree(path.parent)
        ways: list[tuple[str, Any]] = [("rw", True), ("rw", False), ("rw", "later")]
        if expected is not SchemaTooNewError:
            ways.append(("ro", True))
        for mode, migrate in ways:
            try:
                open_store(url_of(path, mode=mode), migrate=migrate).close()
                outcomes[f"opened: {name}, {mode}, {migrate}"] += 1
            except (SchemaTooNewError, MigrationDriftError) as error:
                wrong = type(error) is not expected or foreign_in_chain(error)
                outcomes[f"another error: {name}" if wrong else "refused"] += 1
            after = tree(path.parent)
            if mode == "ro":
                for suffix in ("-shm", "-wal"):
                    if (
                        not Path(f"{path}{suffix}").exists()
                        or suffix == "-shm"
                        or not Path(f"{path}{suffix}").stat().st_size
                    ):
                        after.pop(f"{path.name}{suffix}", None)
            if after != before:
                outcomes[f"written to: {name}, {mode}, {migrate}"] += 1
            for left in path.parent.glob("*-*"):
                left.unlink()
    figure(
        f"unknown histories: {len(histories())} opened in up to 4 ways, {outcomes['refused']} refused, 0 bytes written"
    )
    assert set(outcomes) == {"refused"}
    assert open_descriptors(str(path)) == []
