"""Raw setting values: where each came from, and how it becomes a value of the setting's type.

No error of this module quotes a value, since anything may have been put in the wrong place.
"""

from __future__ import annotations

import math
import os
import re
from enum import Enum
from pathlib import Path
from typing import Any, Final

import attrs

from moltnet_core.config._text import is_text
from moltnet_core.config.settings import type_name
from moltnet_core.errors import ConfigError

__all__ = ["Origin", "RawValue", "convert"]


class Origin(Enum):
    """Where a value was written."""

    ENVIRONMENT = "environment"
    FILE = "file"
    URL = "url"
    CODE = "code"

    @property
    def textual(self) -> bool:
        """Values are texts only: numbers and truth values are read from them."""
        return self in (Origin.ENVIRONMENT, Origin.URL)

    @property
    def shared(self) -> bool:
        """The Go server reads it too: white space around a text is not part of it, a blank one is not set."""
        return self in (Origin.ENVIRONMENT, Origin.FILE)


@attrs.frozen
class RawValue:
    """A value as it was found.

    :param value: a text, or what a file's reader made of it.
    :param source: what holds it: ``environment``, a file's path, a redacted URL.
    :param key: how it is called there.
    """

    value: object = attrs.field(repr=False)
    source: str
    key: str
    origin: Origin

    def error(self, problem: str) -> ConfigError:
        """The error that names this value's place."""
        return ConfigError(self.source, self.key, problem)

    @property
    def blank(self) -> bool:
        """Whether it counts as not set."""
        if self.value is None:
            return True
        return self.origin.shared and isinstance(self.value, str) and not self.value.strip()


_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_FAILED: Final = object()


def convert(raw: RawValue, hint: object, metadata: Any) -> tuple[Any, str | None]:
    """The value in the setting's type, and a warning if there is one.

    :param raw: not blank.
    :param hint: the setting's type without ``| None``.
    :param metadata: the field's.
    :raises ConfigError: of another type, out of range, or not text at all.
    """
    value, warning = raw.value, None
    if isinstance(value, str):
        value = value.strip() if raw.origin.shared else value
        if not is_text(value):
            raise raw.error("holds U+0000 or bytes that are not UTF-8 text")
        from_server = metadata.get("from_server")
        if from_server is not None and raw.origin.shared:
            value, warning = from_server(value)
    textual = raw.origin.textual and isinstance(value, str)
    result = _parse(value, hint) if textual else _take(value, hint)
    if result is _FAILED:
        raise raw.error(f"expected {_expected(hint, metadata)}")
    _check_path(raw, result)
    _check_range(raw, result, hint, metadata)
    _check_further(raw, result, metadata)
    return result, warning


def _parse(text: Any, hint: object) -> Any:
    if hint is bool:
        return _TRUTH.get(text.strip().lower(), _FAILED)
    if hint is int:
        return int(text) if _WHOLE.fullmatch(text) else _FAILED
    if hint is float:
        return float(text) if _NUMBER.fullmatch(text) else _FAILED
    if hint == tuple[str, ...]:
        return tuple(item.strip() for item in text.split(",") if item.strip())
    return _take(text, hint)


def _take(value: Any, hint: object) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    taken: Any = _FAILED
    if hint is Path:
        path = os.fspath(value) if isinstance(value, os.PathLike) else value
        taken = Path(path) if isinstance(path, str) and path and is_text(path) else _FAILED
    elif hint is float and number:
        try:
            taken = float(value)
        except OverflowError:
            taken = math.inf
    elif hint == tuple[str, ...] and isinstance(value, list | tuple):
        taken = tuple(value) if all(isinstance(item, str) and is_text(item) for item in value) else _FAILED
    elif (hint is int and number and isinstance(value, int)) or (hint in (str, bool) and type(value) is hint):
        taken = value
    return taken


def _expected(hint: object, metadata: Any) -> str:
    name = type_name(hint)
    unit = f" ({metadata['unit']})" if metadata.get("unit") else ""
    quoted = {str: "a text (in a file, perhaps in quotes)", Path: "a path that is not empty", bool: name}
    return quoted.get(hint, f"a {name}") + unit  # type: ignore[call-overload, no-any-return]


def _check_path(raw: RawValue, value: Any) -> None:
    if isinstance(value, Path) and value.name.startswith(":memory:"):
        raise raw.error("expected the path of a file; the store that keeps nothing is memory://")


def _check_range(raw: RawValue, value: Any, hint: object, metadata: Any) -> None:
    low, high, choices = metadata.get("minimum"), metadata.get("maximum"), metadata.get("choices")
    if isinstance(value, int | float) and not isinstance(value, bool):
        outside = (low is not None and value < low) or (high is not None and value > high)
        if outside or (isinstance(value, float) and not math.isfinite(value)):
            bounds = [f"at least {low}"] if low is not None else []
            bounds += [f"at most {high}"] if high is not None else []
            raise raw.error(f"expected {_expected(hint, metadata)}, {' and '.join(bounds) or 'finite'}")
    if choices is not None and value not in choices:
        raise raw.error(f"expected one of {', '.join(str(choice) for choice in choices)}")


def _check_further(raw: RawValue, value: Any, metadata: Any) -> None:
    check = metadata.get("check")
    if check is None:
        return
    try:
        problem = check(value)
    except Exception:  # noqa: BLE001 - its text may hold the value
        problem = "is not valid"
    if problem:
        raise raw.error(problem)
