"""Points in time: ``datetime`` to the microsecond for callers, RFC 3339 text with every digit for storage.

The Go server stores nanoseconds and trims trailing zeros; this project writes nine digits always. A stored text
is never rewritten with fewer digits, so what needs the full order or an exact copy works on texts: see
:func:`time_key` and :func:`normalise`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

__all__ = [
    "NO_TIME",
    "NO_TIME_TEXT",
    "format_time",
    "normalise",
    "now",
    "parse_time",
    "time_key",
    "truncate",
]

NO_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Year 1, which the Go server writes for "no time"."""

NO_TIME_TEXT: Final = "0001-01-01T00:00:00.000000000Z"

# RFC 3339 as the Go server takes it: upper-case T, seconds, and Z or ±hh:mm.
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)

_WRITTEN_LENGTH = len(NO_TIME_TEXT)


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """The text this project stores: UTC, nine fractional digits, ``Z``.

    :param moment: aware, in UTC.
    """
    return f"{moment.isoformat('T', 'microseconds')[:26]}000Z"


@lru_cache(maxsize=2048)  # what works on whole records asks for each time again and again
def parse_time(text: str) -> datetime:
    """A stored text as a ``datetime`` in UTC, truncated to the microsecond.

    :raises ValueError: it is not RFC 3339, or a time that ``datetime`` cannot hold.
    """
    # datetime's own reader is ten times as fast; it takes more than RFC 3339, so the shape is checked first.
    if len(text) == _WRITTEN_LENGTH and text[10] == "T" and text[19] == "." and text[29] == "Z":
        try:
            if (
                text[4] == text[7] == "-"
                and text[13] == text[16] == ":"
                and text[20:29].isdecimal()
                and text[11:13] < "24"
            ):
                return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("not an RFC 3339 time") from None
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time")
    seconds, fraction, sign, hours, minutes = match.groups()
    moment = datetime.fromisoformat(seconds).replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")), tzinfo=UTC)
    if sign is None:
        return moment
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset >= timedelta(days=1):
        raise ValueError("not an RFC 3339 time")
    try:
        return moment.replace(tzinfo=timezone(-offset if sign == "-" else offset)).astimezone(UTC)
    except OverflowError:
        raise ValueError("a time before year 1 or after year 9999") from None


def normalise(text: str) -> str:
    """The same instant as text in UTC with nine fractional digits (more are cut off).

    Two spellings of one instant give one text, and texts sort in time order.

    :raises ValueError: as :func:`parse_time`.
    """
    moment = parse_time(text)
    if len(text) == _WRITTEN_LENGTH and text[29] == "Z":
        return text
    fraction = text[20:].rstrip("Z").split("+")[0].split("-")[0] if text[19] == "." else ""
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}.{fraction[:9].ljust(9, '0')}Z"


def truncate(text: str, digits: int) -> str:
    """A normalised text cut to so many fractional digits (padded to nine again).

    :param digits: 9 or 6.
    """
    return f"{text[: 20 + digits].ljust(29, '0')}Z"


def time_key(text: str) -> str:
    """What a stored text sorts by, also where it cannot be parsed: one key per instant, in time order.

    Of UTC texts it is the text without trailing zeros, which SQL computes alike (``rtrim(…, 'Z0.')``).
    """
    return text.rstrip("Z0.")
