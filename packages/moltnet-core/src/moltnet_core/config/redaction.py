"""What of a URL may be shown."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["redact_url"]

_HIDDEN: Final = "***"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_HOST = r"(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_AUTHORITY = re.compile(rf"(?:([A-Za-z0-9._~-]*)(:[^@]*)?@)?({_HOST}(?:,{_HOST})*)", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z]:)?(?:[\w ./~+-]|%(?!40|3[Aa]|[01])[0-9A-Fa-f]{2})*")
_QUERY_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)


def redact_url(text: str) -> str:
    """A store URL for display: without its password, and of its query only the names and the ``mode``.

    Where it is not certain which part is a password (raw ``@``, ``#`` or ``:`` in odd places, ``key=value`` words),
    nothing but the scheme is shown, or nothing at all. It never fails.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _HIDDEN
    shown = scheme[0].lower()
    rest, mark, query = text[scheme.end() :].partition("?")
    authority, slash, path = rest.partition("/")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or "@" in query or "#" in query or _PATH.fullmatch(slash + path) is None:
        return shown + _HIDDEN
    user, password, host = parts.groups()
    if user is not None:
        shown += f"{user}{':' + _HIDDEN if password else ''}@"
    return shown + host + slash + path + (f"?{_redact_query(query)}" if mark else "")


def _redact_query(query: str) -> str:
    shown = []
    for segment in query.split("&"):
        key, _, _ = segment.partition("=")
        if segment in ("mode=ro", "mode=rw"):
            shown.append(segment)
        elif "=" in segment and _QUERY_KEY.fullmatch(key):
            shown.append(f"{key}={_HIDDEN}")
        else:
            shown.append(_HIDDEN)
    return "&".join(shown)
