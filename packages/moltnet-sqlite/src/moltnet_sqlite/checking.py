"""What can be wrong with the engine and the file, whatever is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from moltnet_core.checking import Check, check_permissions
from moltnet_sqlite.engine import has_wal_reset_bug, interruptible, module_name, sqlite3
from moltnet_sqlite.files import sidecar

__all__ = ["check_engine"]

_WITH_CONTENT: Final = ("-wal", "-journal")
_PROBLEMS: Final = 100


def check_engine(connection: Any, path: Path, check: Check) -> None:
    """Note what is wrong with the engine, the file's permissions, what lies beside it, and with ``deep`` its pages."""
    if has_wal_reset_bug():
        check.found.add("engine-bug", "engine", f"SQLite {sqlite3.sqlite_version}", f"of {module_name()}")
    beside = [sidecar(path, suffix) for suffix in _WITH_CONTENT]
    check_permissions(check.found, [path, *(each for each in beside if each.exists() and each.stat().st_size)])
    log = sidecar(path, "-wal")
    if log.exists() and log.stat().st_size > 0:
        check.found.add("write-ahead-log", "file", str(log), f"{log.stat().st_size} bytes")
    if check.deep:
        _check_pages(connection, path, check)


def _check_pages(connection: Any, path: Path, check: Check) -> None:
    try:
        with interruptible(connection, lambda: check.work.step(0)):
            problems = [row[0] for row in connection.execute(f"PRAGMA main.integrity_check({_PROBLEMS})")]
    except sqlite3.DatabaseError as error:
        check.found.add("damage", "file", str(path), f"the engine's check failed: {error}")
        return
    for problem in problems:
        if problem != "ok":
            check.found.add("damage", "file", str(path), str(problem))
