"""Faults in SQL: what a statement compares, orders and replaces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from moltnet_conformance.mutants.sqlite import Rewriting, Spelt, collection
from moltnet_core.migrations import SERVER_SERIES, Migration
from moltnet_core.records import RecordKind
from moltnet_sql.loading import Loader
from moltnet_sql.reading import Reader
from moltnet_sql.statements import PageQueries
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.driver import SQLiteDriver
from moltnet_sqlite.migrations import MIGRATIONS
from moltnet_sqlite.settings import SQLiteSettings

mutant = collection()


# -- collations --------------------------------------------------------------------------------------


class _NoCase(SQLiteDialect):
    def by_code_point(self, expression: str) -> str:
        return f"{expression} COLLATE NOCASE"


@mutant("listings by id go by a collation without case", "AGENT-010", "PAGE-001")
class OrdersWithoutCase(Spelt):
    dialect_class = _NoCase


def without_case(step: Migration) -> Migration:
    """The migration, with keys that are compared without case."""

    class Handle:
        def __init__(self, handle: Any) -> None:
            self._handle = handle

        def execute(self, sql: str, parameters: Any = ()) -> Any:
            return self._handle.execute(sql.replace("TEXT PRIMARY KEY", "TEXT COLLATE NOCASE PRIMARY KEY"), parameters)

    return attrs.evolve(step, up=lambda handle: step.up(Handle(handle)))


@mutant(
    "the tables compare ids without case",
    "ROOM-003",
    "DUP-010",
    migrations=[without_case(step) if step.series == SERVER_SERIES else step for step in MIGRATIONS],
)
class KeysWithoutCase(SQLiteDriver):
    pass


class _Likes(Rewriting):
    __slots__ = ()

    def rewritten(self, sql: str) -> str:
        return re.sub(r'("credential_key" )= \?', r"\1LIKE ?", sql)


@mutant("a credential is matched as a pattern", "AGENT-008")
class MatchesPatterns(SQLiteDriver):
    session_class = _Likes


# -- times -------------------------------------------------------------------------------------------


class _Times(Rewriting):
    __slots__ = ()

    def time(self, text: str) -> str:
        raise NotImplementedError

    def bound(self, parameters: Any) -> Any:
        if not isinstance(parameters, dict) or "created_at" not in parameters:
            return parameters
        return parameters | {"created_at": self.time(parameters["created_at"])}


class _Milliseconds(_Times):
    __slots__ = ()

    def time(self, text: str) -> str:
        return f"{text[:23]}000000Z"


@mutant("times are stored to the millisecond", "TIME-001", "TRIP-001")
class StoresMilliseconds(SQLiteDriver):
    session_class = _Milliseconds


class _Trimmed(_Times):
    __slots__ = ()

    def time(self, text: str) -> str:
        return f"{text[:-1].rstrip('0').rstrip('.')}Z"


class _TimesAsTexts(SQLiteDialect):
    def time_key(self, column: str) -> str:
        return column


@mutant("times are stored without their last zeros, and ordered as texts", "LOAD-010")
class OrdersTimesAsTexts(Spelt):
    session_class = _Trimmed
    dialect_class = _TimesAsTexts


# -- pages -------------------------------------------------------------------------------------------


class _Pages(SQLiteDriver):
    """Has other queries beside a cursor."""

    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        statements = self._tools.statements

        def changed(queries: PageQueries) -> PageQueries:
            return attrs.evolve(
                queries, before=self.pages_beside(queries.before), after=self.pages_beside(queries.after)
            )

        made = attrs.evolve(
            statements,
            messages={kind: changed(queries) for kind, queries in statements.messages.items()},
            artifacts={kind: changed(queries) for kind, queries in statements.artifacts.items()},
        )
        self._tools = attrs.evolve(self._tools, statements=made)

    def pages_beside(self, statements: tuple[str, ...]) -> tuple[str, ...]:
        raise NotImplementedError


@mutant("of what shares a cursor's time nothing is found", "PAGE-001", "PAGE-002", "WALK-001", "ART-005")
class CursorByTimeAlone(_Pages):
    def pages_beside(self, statements: tuple[str, ...]) -> tuple[str, ...]:
        return statements[1:]


@mutant("a cursor is looked up in all conversations", "PAGE-006", "ART-006")
class CursorOfAnywhere(_Pages):
    def pages_beside(self, statements: tuple[str, ...]) -> tuple[str, ...]:
        within = re.compile(r"( AS sort_key, [a-z_, ]+ FROM \w+ AS \w+ WHERE ).*?(id = :cursor)")
        return tuple(within.sub(r"\1\2", each) for each in statements)


# -- writes ------------------------------------------------------------------------------------------


class _Replaces(Rewriting):
    __slots__ = ()

    def rewritten(self, sql: str) -> str:
        return sql.replace("INSERT INTO messages ", "INSERT OR REPLACE INTO messages ")


@mutant("a message with a taken id replaces the stored one", "DUP-001", "RACE-003", "PROC-001")
class ReplacesMessages(SQLiteDriver):
    session_class = _Replaces


@mutant("a room's row goes when it is removed, and by cascade its history", "ROOM-007", "ROOM-008", "WALK-003")
class DeletesRooms(SQLiteDriver):
    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        super().remove_room(room_id, removed_at)
        with self._writing() as connection:
            connection.execute("DELETE FROM rooms WHERE id = ?", (room_id,))


class _LooksAtFirst(Reader):
    def records(self, kind: RecordKind, ids: Iterable[str]) -> dict[str, Any]:
        return super().records(kind, list(ids)[:1000])


class _KnowsFirst(Loader):
    @property
    def _reader(self) -> Reader:
        return _LooksAtFirst(self._session, self._tools)


@mutant("of the ids of a load a thousand are looked up", "LOAD-016")
class LooksAtAThousand(SQLiteDriver):
    def _loader(self, connection: Any) -> Loader:
        return _KnowsFirst(self.session_class(connection), self._tools)
