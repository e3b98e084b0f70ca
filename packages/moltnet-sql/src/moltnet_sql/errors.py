"""Engine errors as the contract's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee

from moltnet_core.errors import MoltnetError
from moltnet_sql.dialect import Dialect

__all__ = ["engine_error", "raise_translated", "translated"]


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
    if translation is None:
        return
    try:
        raise translation from translation.__cause__
    except MoltnetError:
        # Python attached the engine's error, with its text, from the block that is being left.
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
