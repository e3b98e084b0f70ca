"""Field converters that the domain types share."""

from __future__ import annotations

from typing import Any

__all__ = ["as_tuple", "blank_to_none", "empty_to_none"]


def blank_to_none(value: Any) -> Any:
    """An optional text: ``""`` is the same value as absent."""
    return None if value == "" else value


def empty_to_none(value: Any) -> Any:
    """An optional JSON object: ``{}`` is the same value as absent."""
    return None if value == {} else value


def as_tuple(value: Any) -> Any:
    """Lists and other collections become tuples; what is none is left for validation to name."""
    if type(value) is tuple:
        return value
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return value
    return tuple(value)
