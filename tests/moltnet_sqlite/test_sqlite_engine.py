"""Which SQLite is used, what is said of one with the WAL-reset bug, and the same tests on Python's own."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sqlite3 as pythons_own
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.children import ENGINE_VARIABLE, ROOT, Child, outcome, tell
from tests.moltnet_sqlite.support import a_message, integrity, make_store, query, url_of

from moltnet_core import StoreUnavailableError, open_store
from moltnet_sqlite import engine

Start = Callable[..., Child]
PAGE = 4096


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 7, 17), True),
        ((3, 34, 1), True),
        ((3, 40, 1), True),
        ((3, 44, 0), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 44, 7), False),
        ((3, 44, 99), False),
        ((3, 45, 0), True),
        ((3, 45, 6), True),
        ((3, 46, 1), True),
        ((3, 49, 99), True),
        ((3, 50, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 50, 8), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 51, 4), False),
        ((3, 52, 0), False),
        ((3, 53, 4), False),
        ((4, 0, 0), False),
    ],
)
def test_which_versions_have_the_wal_reset_bug(version: tuple[int, int, int], affected: bool) -> None:
    assert engine.has_wal_reset_bug(version) is affected


def test_pysqlite3_is_used_where_it_is_installed(path: Path) -> None:
    on_purpose = os.environ.get(ENGINE_VARIABLE) == "sqlite3"
    expected = "pysqlite3" if importlib.util.find_spec("pysqlite3") and not on_purpose else "sqlite3"
    assert engine.module_name() == expected
    with open_store(url_of(path)) as store:
        said = store.describe()["engine"]
    assert expected in said
    assert ".".join(map(str, engine.VERSION)) in said
    if expected == "pysqlite3":
        assert not engine.has_wal_reset_bug()


# -- Python's own ----------------------------------------------------------------------------------------


def open_and_tell(path: str, times: int) -> None:
    """What is logged while stores are opened, and which engine it is of."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logging.getLogger().addHandler(Keep())
    logging.getLogger().setLevel(logging.DEBUG)
    for number in range(times):
        with open_store(url_of(Path(path))) as store:
            store.list_rooms()
            if number == 0:
                tell([engine.module_name(), store.describe()["engine"], list(engine.VERSION)])
    tell([[record.levelname, record.name, record.getMessage()] for record in records])


def test_an_affected_engine_is_warned_of_once(path: Path, start: Start) -> None:
    (module, said, version), logged = start(open_and_tell, path, 3, engine="sqlite3").rest()
    assert module == "sqlite3"
    assert "sqlite3" in said
    warnings = [text for level, name, text in logged if level == "WARNING" and name.startswith("moltnet")]
    if engine.has_wal_reset_bug(tuple(version)):
        assert len(warnings) == 1
        assert ".".join(map(str, version)) in warnings[0]
        assert "pysqlite3" in warnings[0]
        assert "checkpoint" in warnings[0]
    else:
        assert warnings == []


@pytest.mark.skipif(importlib.util.find_spec("pysqlite3") is None, reason="there is no fixed engine here")
def test_a_fixed_engine_is_not_warned_of(path: Path, start: Start) -> None:
    _, logged = start(open_and_tell, path, 2, engine="pysqlite3").rest()
    assert [text for level, _, text in logged if level == "WARNING"] == []


def grow(path: str, messages: int) -> None:
    """Append, one commit each, and tell the greatest sizes of the log and of the database on the way."""
    database, wal = Path(path), Path(f"{path}-wal")
    with open_store(url_of(database)) as store:
        sizes = []
        for number in range(messages):
            store.append_message(a_message(f"m{number}", "x" * 2000))
            sizes.append((wal.stat().st_size, database.stat().st_size))
        tell([max(size) for size in zip(*sizes, strict=True)])
        tell(store.counts().messages)
        tell(engine.has_wal_reset_bug())
    tell([wal.exists(), database.stat().st_size])


@pytest.mark.parametrize("chosen", ["pysqlite3", "sqlite3"])
def test_passive_checkpoints_by_engine(path: Path, start: Start, chosen: str) -> None:
    """An affected engine writes to the log alone until the last connection is closed, which is safe."""
    make_store(path)
    before = path.stat().st_size
    (log, database), messages, affected, (log_left, after) = start(grow, path, 1500, engine=chosen).rest()
    assert messages == 1500
    if affected:
        assert database == before, "the database was written to: a checkpoint while others may commit"
        assert log > 2000 * PAGE
    else:
        assert database > before
        assert log < 1500 * PAGE
    assert not log_left
    assert after > 1500 * 2000
    assert query(path, "SELECT count(*) FROM messages") == [(1500,)]
    assert integrity(path) == []


def use_without_pythons_own(path: str) -> None:
    """A store in every way, in a process in which Python's own SQLite (which peewee imports besides) opens nothing."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a second copy of SQLite opens a file")

    for module in (pythons_own, pythons_own.dbapi2):
        for name in ("connect", "Connection"):
            setattr(module, name, refuse)
    with open_store(url_of(Path(path))) as store:
        store.append_message(a_message("m"))
        store.list_room_messages("hall")
        with store.snapshot() as snapshot:
            list(snapshot.records())
    with open_store(url_of(Path(path), mode="ro")) as store:
        tell(store.counts().messages)


@pytest.mark.skipif(engine.module_name() == "sqlite3", reason="it is the one in use")
def test_no_second_copy_of_sqlite_opens_a_file(path: Path, start: Start) -> None:
    """Closing a file in one copy would drop the locks of the other."""
    make_store(path)
    assert start(use_without_pythons_own, path).rest() == [1]


# -- too old -----------------------------------------------------------------------------------------------


def open_with_an_old_engine(path: str, version: list[int]) -> None:
    engine.VERSION = tuple(version)  # type: ignore[misc, assignment]
    for mode in ("rw", "ro"):
        tell(outcome(lambda mode=mode: open_store(url_of(Path(path), mode=mode))))  # type: ignore[misc]


@pytest.mark.parametrize("version", [(3, 6, 0), (3, 34, 99)])
def test_an_engine_that_is_too_old_is_refused(path: Path, start: Start, version: tuple[int, int, int]) -> None:
    for found in start(open_with_an_old_engine, path, version).rest():
        assert found["error"] == StoreUnavailableError.__name__
        assert ".".join(map(str, engine.MINIMUM)) in found["text"]
    assert list(path.parent.iterdir()) == []


def test_the_oldest_engine_that_will_do_is_not_older_than_what_the_statements_need() -> None:
    """``RETURNING`` and ``DROP COLUMN`` came with 3.35, ``ON CONFLICT`` with 3.24."""
    assert engine.MINIMUM >= (3, 24, 0)
    assert engine.VERSION >= engine.MINIMUM


# -- the same tests ------------------------------------------------------------------------------------------

# Not what is slow and goes by SQLite's files rather than by which SQLite it is.
NOT_AGAIN = (
    "not killed and not first_openers and not thousand and not parents_locks and not thread_writes and not waits_as"
)
MAIN_PARTS = ("closing", "connections", "errors", "fork", "logs", "migrations", "readonly", "refusals")


@pytest.mark.skipif(ENGINE_VARIABLE in os.environ, reason="this is that run")
@pytest.mark.timeout(300)
def test_the_main_parts_of_these_tests_pass_on_pythons_own_engine() -> None:
    files = [str(Path(__file__).with_name(f"test_sqlite_{part}.py")) for part in MAIN_PARTS]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.moltnet_sqlite.stdlib_engine",
            "-p",
            "no:cacheprovider",
            "-k",
            NOT_AGAIN,
            *files,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith(("COV_CORE", "PYTEST_"))},
    )
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed is not None
    assert int(passed[1]) > 200
