"""``Looking``: what the checks of this folder share: a session in one transaction, and how to ask it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from moltnet_sql.dialect import Dialect
from moltnet_sql.reading import Tools
from moltnet_sql.rows import Rows
from moltnet_sql.session import Session
from moltnet_sql.statements import from_table, selected

__all__ = ["AT_ONCE", "Looking"]

AT_ONCE: Final = 500
"""How many rows are worked on at once."""


@frozen
class Looking:
    """Asks one state of the store.

    :param session: in a transaction in which every statement sees one state, or beside which nobody writes.
    :param tools: of the store.
    """

    session: Session
    tools: Tools

    @property
    def rows(self) -> Rows:
        """Reads and writes rows."""
        return self.tools.rows

    @property
    def dialect(self) -> Dialect:
        """The engine's spelling."""
        return self.tools.rows.dialect

    def name(self, table: str) -> str:
        """A table as ``FROM`` names it, known by its bare name in the rest of the statement."""
        return from_table(self.dialect, table)

    def columns(self, table: str) -> str:
        """All columns of a table, times as the dialect fetches them."""
        return selected(self.dialect, table)

    def batches(self, sql: str) -> Iterator[list[Sequence[Any]]]:
        """The rows of a query, some at a time. Nothing else may be streamed meanwhile; other queries may be made."""
        stream = iter(self.session.stream(sql))
        try:
            batch: list[Sequence[Any]] = []
            for row in stream:
                batch.append(row)
                if len(batch) == AT_ONCE:
                    yield batch
                    batch = []
            if batch:
                yield batch
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()

    def stream(self, sql: str) -> Iterator[Sequence[Any]]:
        """The same rows, one by one."""
        for batch in self.batches(sql):
            yield from batch

    def by_keys(self, table: str, key: str, keys: Sequence[Any], columns: str | None = None) -> list[Sequence[Any]]:
        """The rows of a table whose key is one of these, in no order."""
        found: list[Sequence[Any]] = []
        for start in range(0, len(keys), AT_ONCE):
            named = {f"k{place}": value for place, value in enumerate(keys[start : start + AT_ONCE])}
            places = ", ".join(self.dialect.named.format(name) for name in named)
            found += self.session.fetch(
                f"SELECT {columns or self.columns(table)} FROM {self.name(table)} WHERE {key} IN ({places})", named
            )
        return found

    def whole_rows(self, table: str, condition: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows with every column that the table has, also those that nobody here knows."""
        names = [row[0] for row in self.session.fetch(*self.dialect.column_names(table))]
        values = ", ".join(self.dialect.raw_value(name) for name in names)
        rows = self.session.fetch(f"SELECT {values} FROM {self.name(table)} WHERE {condition}", parameters)
        return [dict(zip(names, row, strict=True)) for row in rows]
