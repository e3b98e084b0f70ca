"""Many values in one run of a clause, on one store; a failure says with which.

New stores are most of what a suite's time goes into. Values share one where a clause's body leaves nothing behind, or
only ids that are its value's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from moltnet_core import Store

__all__ = ["case", "for_each"]
Value = TypeVar("Value")


@contextmanager
def case(value: object) -> Iterator[None]:
    """What fails in the block failed with this value."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"with {ascii(value)[:200]}")
        raise


def for_each(
    values: Mapping[str, Value] | Iterable[Value],
) -> Callable[[Callable[[Store, Value], None]], Callable[[Store], None]]:
    """A decorator of a clause's body, which is run for each of the values, one after another.

    :param values: they themselves, or by names that say what they stand for.
    """
    cases: list[tuple[object, Value]]
    cases = list(values.items()) if isinstance(values, Mapping) else [(value, value) for value in values]

    def decorate(body: Callable[[Store, Value], None]) -> Callable[[Store], None]:
        def every(store: Store) -> None:
            for name, value in cases:
                with case(name):
                    body(store, value)

        every.__name__, every.__qualname__ = body.__name__, body.__qualname__
        every.__module__, every.__doc__ = body.__module__, body.__doc__
        return every

    return decorate
