"""Migrations: the recorded steps by which a schema changes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import field, frozen

__all__ = ["SERVER_SERIES", "AppliedMigration", "Migration", "MigrationLog"]

SERVER_SERIES = "moltnet"
"""The series of the Go server's own versions, recorded in ``schema_migrations``."""

_SERIES = re.compile("[a-z][a-z0-9_]*", re.ASCII)


def _check_series(_: object, __: object, value: str) -> None:
    if not _SERIES.fullmatch(value):
        raise ValueError(f"a migration series is named [a-z][a-z0-9_]*, not {value!r}")


def _check_version(_: object, __: object, value: int) -> None:
    if type(value) is not int or value < 1:
        raise ValueError(f"a migration's version is an integer from 1, not {value!r}")


@frozen
class Migration:
    """One step of a series.

    :param series: the series' name; a plugin's own objects in the database begin with ``<series>_``.
    :param version: 1, 2, 3, … without gaps.
    :param name: a short name, recorded with the version.
    :param checksum: of what it does; recorded, and compared at every open.
    :param up: does it, given what the backend documents (for SQL an object with ``execute(sql)``).
        It runs inside the migration's transaction.
    :param passes_over: what it reads or writes every row of, while nobody else can write, by the names of
        :class:`moltnet_core.records.Counts`; for ``migrate plan``. Nothing: it takes a moment whatever is stored.
    :param seconds_per_row: roughly how long it takes for each of those rows.
    :param statements: the SQL that it executes, where that is all it does: ``check`` looks for its indexes.
    """

    series: str = field(validator=_check_series)
    version: int = field(validator=_check_version)
    name: str
    checksum: str
    up: Callable[[Any], None] = field(repr=False, eq=False)
    passes_over: tuple[str, ...] = ()
    seconds_per_row: float = 2e-6
    statements: tuple[str, ...] = field(default=(), repr=False, eq=False)

    @property
    def label(self) -> str:
        """``series:version``."""
        return f"{self.series}:{self.version}"

    @classmethod
    def of_statements(
        cls, series: str, version: int, name: str, statements: Sequence[str], *, passes_over: Sequence[str] = ()
    ) -> Migration:
        """A migration that executes SQL statements, each on its own; the checksum is theirs, white space aside."""
        texts = tuple(statements)

        def up(handle: Any) -> None:
            for text in texts:
                handle.execute(text)

        folded = "\n".join(" ".join(text.split()) for text in texts)
        checksum = hashlib.sha256(folded.encode()).hexdigest()
        return cls(series, version, name, checksum, up, tuple(passes_over), statements=texts)


@frozen
class AppliedMigration:
    """One recorded step.

    :param checksum: ``None`` in the server's own table, which has none.
    :param applied_at: as recorded.
    """

    series: str
    version: int
    name: str
    checksum: str | None = None
    applied_at: str | None = None


class MigrationLog(Protocol):
    """What a driver with the power ``migrations`` gives the core to work with."""

    def read(self) -> Sequence[AppliedMigration]:
        """All recorded steps of all series; takes no lock and writes nothing. None where nothing is recorded yet."""
        ...

    def apply(self, migration: Migration) -> bool:
        """Apply one step, in one transaction.

        Lock, create the version table if absent, read it again, skip what somebody else applied meanwhile, apply,
        record, commit.

        :returns: whether this call applied it.
        :raises MigrationFailedError: it failed and was rolled back.
        """
        ...
