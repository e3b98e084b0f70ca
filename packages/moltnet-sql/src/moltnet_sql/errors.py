"""Engine errors as the contract's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee

from moltnet_core.errors import DriverError, MoltnetError
from moltnet_sql.dialect import Dialect

__all__ = ["StatementError", "engine_error", "raise_refused", "raise_translated", "translated"]


class StatementError(MoltnetError):
    """The engine refused a statement that was executed through :func:`moltnet_sql.transaction`.

    A constraint, a table or column that is not there, a value, or the statement's SQL: whoever wrote the statement can
    tell which. What the place is to blame for (a lock, space, a lost server) is the contract's error instead.

    It does not hold the engine's text, which may hold a row. Its ``__cause__`` is a
    :class:`~moltnet_core.errors.DriverError` with the engine's code.

    :ivar code: SQLite's name of it (``SQLITE_CONSTRAINT``) or PostgreSQL's (``23505``), where there is one.
    :ivar constraint: the constraint's name, where the engine tells it.
    """

    code: str | None
    constraint: str | None

    def __init__(self, type_name: str, code: str | None = None, constraint: str | None = None) -> None:
        details = ", ".join(filter(None, (type_name, code, constraint)))
        super().__init__(
            f"the database refused a statement of this transaction ({details}), and all of it was rolled back; put a "
            "statement that may fail into database.atomic(), where its own error is to be caught",
            code=code,
            constraint=constraint,
        )


def engine_error(error: BaseException) -> BaseException:
    """The engine's own error where peewee has wrapped it."""
    original = getattr(error, "orig", None) if isinstance(error, peewee.PeeweeException) else None
    return original if isinstance(original, BaseException) else error


def raise_translated(dialect: Dialect, error: BaseException, *, committing: bool = False) -> None:
    """Raise the contract's error for one of the engine's; return if it is not the engine's.

    :param committing: it was raised by the commit itself, so the outcome may be unknown.
    """
    translation = (
        None if isinstance(error, MoltnetError) else dialect.translate(engine_error(error), committing=committing)
    )
    if translation is not None:
        _raise_bare(translation)


def raise_refused(dialect: Dialect, error: BaseException) -> None:
    """Raise :class:`StatementError` for an error that the statement is to blame for; return if it is another.

    :param error: of a statement that is not this package's.
    """
    original = engine_error(error)
    if isinstance(error, MoltnetError) or not dialect.blames_statement(original):
        return
    translation = dialect.translate(original, committing=False)
    cause = translation.__cause__ if translation is not None else None
    if isinstance(cause, DriverError):
        refused = StatementError(cause.type_name, cause.code, cause.constraint)
        refused.__cause__ = cause
        _raise_bare(refused)


def _raise_bare(translation: MoltnetError) -> None:
    """Raise an error without what Python attaches from the block that is being left: the engine's, with its text."""
    try:
        raise translation from translation.__cause__
    except MoltnetError:
        translation.__context__ = None
        raise


@contextmanager
def translated(dialect: Dialect) -> Iterator[None]:
    """Turn errors of the engine into the contract's; others pass as they are."""
    try:
        yield
    except Exception as error:
        raise_translated(dialect, error)
        raise
