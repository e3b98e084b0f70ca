"""Engine errors as the contract's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee

from moltnet_core.errors import MoltnetError
from moltnet_sql.dialect import Dialect

__all__ = ["Outcome", "engine_error", "translated"]


class Outcome:
    """Whether the commit of a transaction was begun, so that its error leaves the outcome open."""

    committing = False


def engine_error(error: BaseException) -> BaseException:
    """The engine's own error where peewee has wrapped it."""
    original = getattr(error, "orig", None) if isinstance(error, peewee.PeeweeException) else None
    return original if isinstance(original, BaseException) else error


@contextmanager
def translated(dialect: Dialect) -> Iterator[Outcome]:
    """Turn errors of the engine into the contract's; others pass as they are."""
    outcome = Outcome()
    translation: MoltnetError | None = None
    try:
        yield outcome
    except MoltnetError:
        raise
    except Exception as error:
        translation = dialect.translate(engine_error(error), committing=outcome.committing)
        if translation is None:
            raise
    if translation is not None:
        try:
            raise translation from translation.__cause__
        except MoltnetError:
            # Python attached the engine's error, with its text, from the "with" block that is being left.
            translation.__context__ = None
            raise
