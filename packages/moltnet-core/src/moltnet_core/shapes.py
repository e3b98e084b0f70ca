"""Whether a domain object made by hand holds values of the types it declares.

What callers write goes through :mod:`moltnet_core.validation`, which is stricter. Records to load are held to this.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from moltnet_core.errors import ValidationError

__all__ = ["check_shape", "is_json"]


def check_shape(value: Any, where: str) -> None:
    """Check an instance of a domain type, with all that it holds.

    :raises ValidationError: names the first field whose value has the wrong type.
    """
    cls: Any = type(value)
    if not attrs.has(cls):
        raise ValidationError(where, f"expected an object of the domain types, not {cls.__name__}")
    for name, expected, is_right in _fields(cls):
        held = getattr(value, name)
        if not is_right(held):
            raise ValidationError(f"{where}: {name}", f"expected {expected}, not {type(held).__name__}")
        for index, item in enumerate(held if isinstance(held, tuple) else (held,)):
            if attrs.has(type(item)):
                check_shape(item, f"{where}: {name}[{index}]" if isinstance(held, tuple) else f"{where}: {name}")


@lru_cache
def _fields(cls: Any) -> tuple[tuple[str, str, Callable[[Any], bool]], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, _described(hints[field.name]), _test(hints[field.name])) for field in attrs.fields(cls))


def _described(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def _test(hint: Any) -> Callable[[Any], bool]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        tests = [_test(each) for each in arguments]
        return lambda value: any(test(value) for test in tests)
    if origin is tuple:
        of_item = _test(arguments[0])
        return lambda value: type(value) is tuple and all(of_item(item) for item in value)
    if origin is dict:
        return lambda value: isinstance(value, dict) and is_json(value)
    if hint is datetime:
        return lambda value: isinstance(value, datetime) and value.utcoffset() is not None
    return lambda value: type(value) is hint


def is_json(value: Any) -> bool:
    """Whether a value is JSON that reads back as itself: texts for keys, lists, no tuples, no subclasses."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            if not all(type(key) is str for key in item):
                return False
            waiting.extend(item.values())
        elif type(item) is list:
            waiting.extend(item)
        elif item is not None and type(item) not in (str, int, float, bool):
            return False
    return True
