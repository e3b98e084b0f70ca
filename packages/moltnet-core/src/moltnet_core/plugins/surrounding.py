"""What plugins put around a call, and what becomes of their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from traceback import extract_tb
from typing import Any, TypeVar

from moltnet_core.events import PLUGIN_FAILED

__all__ = ["surrounded", "tell_of_failure"]

T = TypeVar("T")


def surrounded(hooks: Iterable[tuple[str, Callable[[], Any]]], call: Callable[[], T]) -> T:
    """Make a call within the context managers that hooks give, the last of them innermost.

    A context learns of the call's error and cannot suppress it. What it raises itself is logged, and changes nothing.

    :param hooks: each with its plugin's name; it may give ``None``.
    """
    entered: list[tuple[str, AbstractContextManager[object]]] = []
    for plugin, hook in hooks:
        try:
            context = hook()
            if context is not None:
                context.__enter__()
                entered.append((plugin, context))
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises
            tell_of_failure(plugin, error)
    try:
        result = call()
    except BaseException as error:
        _leave(entered, error)
        raise
    _leave(entered, None)
    return result


def _leave(entered: list[tuple[str, AbstractContextManager[object]]], error: BaseException | None) -> None:
    what = (None, None, None) if error is None else (type(error), error, error.__traceback__)
    for plugin, context in reversed(entered):
        try:
            context.__exit__(*what)
        except Exception as failure:  # noqa: BLE001 - whatever a plugin raises
            if failure is not error:  # a generator's context lets the call's error through by raising it again
                tell_of_failure(plugin, failure)


def tell_of_failure(plugin: str, error: Exception) -> None:
    """Log that a hook raised.

    The error's text is the plugin's and may hold a message; where it was raised may be told.
    """
    frame = extract_tb(error.__traceback__)[-1]
    PLUGIN_FAILED.log(
        "plugin %s failed with %s (%s, line %s); the store goes on",
        plugin,
        type(error).__name__,
        frame.filename,
        frame.lineno,
        plugin=plugin,
        error=type(error).__name__,
        file=frame.filename,
        line=frame.lineno,
    )
