"""Small helpers on texts that come from outside: what is text, and what may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["KIND", "is_text", "shown_key", "suggestion"]

KIND: Final = re.compile(r"[a-z][a-z0-9]*", re.ASCII)
"""A backend's name, matched whole."""

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def is_text(text: str) -> bool:
    """Whether the text holds neither U+0000 nor a lone surrogate."""
    return _NOT_TEXT.search(text) is None


def shown_key(key: object) -> str:
    """A key for an error message; what does not look like a name may be a misplaced secret and is not shown."""
    return key if isinstance(key, str) and _KEY.fullmatch(key) else "(not a name)"


def suggestion(name: object, known: Iterable[str], what: str) -> str:
    """What exists instead of an unknown name, a near misspelling first.

    :param what: what the names are, in the plural (``"settings"``).
    """
    from difflib import get_close_matches

    names = sorted(known)
    near = get_close_matches(name.lower(), names, n=1) if isinstance(name, str) else []
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}{what}: {', '.join(names)}" if names else f"there are no {what} here"
