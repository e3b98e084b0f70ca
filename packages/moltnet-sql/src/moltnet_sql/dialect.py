"""``Dialect``: everything that differs between the engines, in one small object.

The rest of this package knows no engine by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from moltnet_core.errors import MoltnetError

__all__ = ["Dialect"]


class Dialect(ABC):
    """How one engine spells what the others spell differently."""

    named: ClassVar[str]
    """The placeholder of a named parameter in SQL text, with ``{}`` for its name."""

    keep_row: ClassVar[str]
    """What is put behind a ``SELECT`` to keep others from changing the row until the transaction ends."""

    take_row: ClassVar[str]
    """The same for a row that this transaction is going to change."""

    inserted: ClassVar[str | None] = None
    """SQL in ``RETURNING`` by which an upsert tells whether it inserted its row.

    ``None`` for an engine where nobody else writes meanwhile, so that a look before says the same.
    """

    gather: ClassVar[str | None] = None
    """The function that makes one value of a subquery's rows, and which the driver gives as a list.

    ``None`` for an engine where a further query costs no trip.
    """

    begin_read: ClassVar[str]
    """Begins a transaction in which every statement sees one state."""

    begin_write: ClassVar[str]
    """Begins a transaction that writes."""

    # -- names ---------------------------------------------------------------------------------------

    schema: str | None = None
    """The schema that holds the tables, where the engine has schemas."""

    def table(self, name: str) -> str:
        """SQL that names a table of the store wherever a connection looks for others."""
        return name

    def whole_table(self, name: str) -> str:
        """The same, where something else has taken the table's name (``moltnet_sql.covering``)."""
        return self.table(name)

    def use_names(self) -> str | None:
        """SQL that makes bare table names mean the store's until the transaction ends, where they do not anyway.

        Migrations and plugins write bare names.
        """
        return None

    # -- order ---------------------------------------------------------------------------------------

    pages_by_range: ClassVar[bool] = False
    """Whether a page beside a cursor is two plain statements in one transaction, each along an index.

    For an engine that uses no index for one comparison with the whole sort key, and where a statement costs no trip.
    """

    @abstractmethod
    def by_code_point(self, expression: str) -> str:
        """SQL by which a text orders and compares by code point."""

    @abstractmethod
    def time_key(self, column: str) -> str:
        """SQL of a time's sort key: equal for equal instants, ascending with time."""

    def time_shapes(self, column: str) -> tuple[str, str] | None:
        """Conditions on the times that compare as they stand: those that order as their keys, and to the second.

        The second is true of all that the first is true of. ``None`` where every time is its key.
        """
        return None

    def unindexed(self, column: str) -> str:
        """SQL of a column that keeps the engine from choosing an index by it, where it would choose wrongly."""
        return column

    # -- times ---------------------------------------------------------------------------------------

    @abstractmethod
    def select_time(self, column: str) -> str:
        """SQL that fetches a time as :meth:`read_time` and :meth:`time_text` take it."""

    @abstractmethod
    def read_time(self, value: Any) -> datetime:
        """A fetched time. ``ValueError``: it cannot be held or is no time."""

    @abstractmethod
    def time_text(self, value: Any) -> str:
        """A fetched time as RFC 3339 text with every stored digit."""

    @abstractmethod
    def bind_time(self, text: str) -> Any:
        """A normalised RFC 3339 text as a parameter."""

    def moment(self, placeholder: str) -> str:
        """SQL of a time that is a parameter."""
        return placeholder

    def odd_time(self, column: str) -> str | None:
        """SQL that is true of times which their key may put in the wrong place; ``None`` where there are none."""
        return None

    # -- schema --------------------------------------------------------------------------------------

    time_type: ClassVar[str]
    """The column type of times."""

    @abstractmethod
    def column_exists(self, table: str, column: str) -> tuple[str, Sequence[Any]]:
        """A query, with its parameters, that finds a row if the table has the column."""

    @abstractmethod
    def lock_schema(self, execute: Callable[..., Any]) -> None:
        """Take the migration lock within a transaction, where beginning to write is not enough.

        :param execute: executes SQL with parameters, and gives the cursor.
        """

    @abstractmethod
    def column_names(self, table: str) -> tuple[str, Sequence[Any]]:
        """A query, with its parameters, of the names of all columns that a table has."""

    def raw_value(self, column: str) -> str:
        """SQL that fetches a column of any name without a value that the driver of the engine cannot hold."""
        return f'"{column}"'

    @abstractmethod
    def stored_columns(self) -> tuple[str, Sequence[Any]]:
        """A query, with its parameters, of the columns of all tables: table, name, type as migrations spell it."""

    @abstractmethod
    def stored_references(self) -> tuple[str, Sequence[Any]]:
        """The same of foreign keys of one column: table, column, the table that it refers to."""

    @abstractmethod
    def stored_indexes(self) -> tuple[str, Sequence[Any]]:
        """A query, with its parameters, of the store's indexes: name, statement, whether it is usable."""

    def index_condition(self, text: str) -> str:
        """A partial index's condition, from a statement that makes it, as far as it can be compared."""
        return text

    @abstractmethod
    def foreign_objects(self) -> tuple[str, Sequence[Any]]:
        """The same of unique indexes, besides primary keys, and of triggers: name, table, whether it is a trigger."""

    def lock_tables(self, tables: Sequence[str]) -> str | None:
        """SQL that keeps others from writing to tables until the transaction ends, where beginning did not do that."""
        return None

    # -- errors --------------------------------------------------------------------------------------

    @abstractmethod
    def is_unique_violation(self, error: BaseException) -> bool:
        """Whether the error says that a key is taken."""

    def blames_statement(self, error: BaseException) -> bool:
        """Whether the engine refused a statement for what it says: a constraint, a name, a value, its SQL.

        Of this package's own statements that means a damaged or foreign database, which :meth:`translate` says; of a
        plugin's it is the plugin's own affair.
        """
        return False

    @abstractmethod
    def translate(self, error: BaseException, *, committing: bool) -> MoltnetError | None:
        """The contract's error for one of the engine's, or ``None`` if it is not the engine's.

        :param committing: it was raised by the commit itself, so the outcome may be unknown.
        """
