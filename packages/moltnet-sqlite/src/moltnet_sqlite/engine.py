"""Which SQLite this process uses: the one that peewee chose, ``pysqlite3`` where it is installed, else Python's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import peewee

from moltnet_core.errors import StoreUnavailableError
from moltnet_sqlite.events import ENGINE_UNSAFE

__all__ = ["MINIMUM", "VERSION", "check_engine", "has_wal_reset_bug", "interruptible", "module_name", "sqlite3"]

sqlite3: Any = vars(peewee)["sqlite3"]
"""The DB-API module. No other copy of SQLite may open the same file in this process."""

VERSION: Final[tuple[int, int, int]] = tuple(int(part) for part in sqlite3.sqlite_version.split("."))  # type: ignore[assignment]

MINIMUM: Final = (3, 35, 0)

_FIXED_IN = ((3, 44, 6), (3, 50, 7))
_FIXED_FROM = (3, 51, 3)
_STEPS_BETWEEN_LOOKS = 100_000


def module_name() -> str:
    """``pysqlite3`` or ``sqlite3``."""
    return str(sqlite3.__name__).partition(".")[0]


def has_wal_reset_bug(version: tuple[int, int, int] = VERSION) -> bool:
    """Whether a checkpoint that races a commit can lose what was committed.

    From 3.7.0 to 3.51.2, but for 3.50.7 and later of its line and 3.44.6 and later of its.
    """
    if version >= _FIXED_FROM or version < (3, 7, 0):
        return False
    return not any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED_IN)


@lru_cache(maxsize=1)
def check_engine() -> None:
    """Refuse an engine that is too old; warn, once, of one with the WAL-reset bug.

    :raises StoreUnavailableError: older than :data:`MINIMUM`.
    """
    if VERSION < MINIMUM:
        raise StoreUnavailableError(
            f"SQLite {sqlite3.sqlite_version} is too old: at least {'.'.join(map(str, MINIMUM))} is needed; "
            "install pysqlite3, or a Python that comes with a newer one"
        )
    if has_wal_reset_bug():
        ENGINE_UNSAFE.log(
            "SQLite %s (%s) can lose committed data when a checkpoint races a commit (fixed in 3.51.3): this process "
            "does no checkpoints while it writes; install pysqlite3 for a fixed engine",
            sqlite3.sqlite_version,
            module_name(),
            version=sqlite3.sqlite_version,
            engine=module_name(),
        )


@contextmanager
def interruptible(connection: Any, ask: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Lets a statement that takes long be ended by Ctrl-C, or by what ``ask`` raises. SQLite looks for neither."""
    raised: list[BaseException] = []

    def look() -> int:
        try:
            ask()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it can be
            raised.append(error)
            return 1
        return 0

    connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if str(error) != "interrupted":
            raise
        # Ctrl-C comes as the handler is called, before it could catch anything.
        raise raised[0] if raised else KeyboardInterrupt from None
    finally:
        connection.set_progress_handler(None, 0)
