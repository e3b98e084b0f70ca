"""What the mutants on real files are made of: they come with the extra ``selftest``."""

from __future__ import annotations

from typing import Any, ClassVar

from moltnet_conformance.mutants.mutant import Collection
from moltnet_sql.models import make_models
from moltnet_sql.reading import Tools
from moltnet_sql.rows import Rows
from moltnet_sql.statements import make_statements
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.driver import SQLiteDriver
from moltnet_sqlite.migrations import MIGRATIONS
from moltnet_sqlite.plugin import BACKEND
from moltnet_sqlite.sessions import SQLiteSession
from moltnet_sqlite.settings import SQLiteSettings

__all__ = ["Rewriting", "Spelt", "collection"]


def collection() -> Collection:
    """For the mutants of a module."""
    return Collection(
        BACKEND,
        lambda driver, settings, read_only: driver(settings, read_only=read_only),
        "/{}/moltnet.db",
        MIGRATIONS,
    )


class Spelt(SQLiteDriver):
    """Has a dialect of its own."""

    dialect_class: ClassVar[type[SQLiteDialect]]

    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        self._dialect.__class__ = self.dialect_class
        models = make_models(self._database, self._dialect)
        self._tools = Tools(models, Rows(self._dialect), make_statements(self._dialect))


class Rewriting(SQLiteSession):
    """Executes other SQL than it is given, or with other parameters."""

    __slots__ = ()

    def rewritten(self, sql: str) -> str:
        """Another statement."""
        return sql

    def bound(self, parameters: Any) -> Any:
        """Other parameters of one execution."""
        return parameters

    def fetch(self, sql: str, parameters: Any = ()) -> Any:
        return super().fetch(self.rewritten(sql), self.bound(parameters))

    def execute(self, sql: str, parameters: Any = ()) -> int:
        return super().execute(self.rewritten(sql), self.bound(parameters))

    def execute_many(self, sql: str, parameters: Any) -> None:
        super().execute_many(self.rewritten(sql), [self.bound(each) for each in parameters])
