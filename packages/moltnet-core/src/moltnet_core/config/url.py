"""Store URLs, such as ``sqlite:///relative.db`` and ``postgres://user@host/db?schema=chat``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import attrs

from moltnet_core.config._text import is_text, shown_key
from moltnet_core.config.redaction import redact_url
from moltnet_core.errors import ConfigError

__all__ = ["StoreUrl", "parse_url"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)([^?]*)(?:\?(.*))?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+", re.ASCII)
_MODE = "mode"


@attrs.frozen(kw_only=True, repr=False)
class StoreUrl:
    """A store URL in its parts. Its text may hold a password and is in no ``repr``.

    :param text: the whole URL as it was given.
    :param scheme: in lower case; the backend's name.
    :param authority: what stands between ``//`` and the next slash, as written: user, password, host, port.
    :param path: percent-decoded, without the slash that ends the authority, so that ``sqlite:///a.db`` has the
        relative path ``a.db`` and ``sqlite:////a.db`` the absolute ``/a.db``.
    :param query: percent-decoded values by key, without the core's own ``mode``.
    :param read_only: whether it said ``mode=ro``.
    """

    text: str
    scheme: str
    authority: str = ""
    path: str = ""
    query: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    read_only: bool = False

    @property
    def redacted(self) -> str:
        """The URL for display."""
        return redact_url(self.text)

    def __repr__(self) -> str:
        return f"<StoreUrl {self.redacted}>"

    def without(self, keys: Collection[str]) -> str:
        """The text without ``mode`` and these keys of the query; everything else stays as it was written."""
        rest = self.text[len(self.scheme) :]
        head, _, query = rest.partition("?")
        kept = [
            segment
            for segment in query.split("&")
            if segment and (key := _decode(segment.partition("=")[0])) != _MODE and key not in keys
        ]
        return self.scheme + head + ("?" + "&".join(kept) if kept else "")


def parse_url(text: str) -> StoreUrl:
    """A store URL's parts.

    :raises ConfigError: it is not a URL, has a fragment, a key twice, a ``mode`` other than ``ro`` and ``rw``, or
        percent signs that do not decode to UTF-8 text. The error does not quote the URL's secrets.
    """
    if not isinstance(text, str):
        raise ConfigError("store URL", None, "expected a text such as sqlite:///chat.db")
    shown = redact_url(text)
    if not is_text(text) or _CONTROL.search(text):
        raise ConfigError(shown, None, "holds control characters or bytes that are not UTF-8 text")
    if "#" in text:
        raise ConfigError(shown, None, "a store URL has no fragment; write %23 for '#'")
    match = _URL.fullmatch(text)
    if match is None:
        raise ConfigError("store URL", None, "expected scheme://…, such as sqlite:///relative.db or memory://")
    scheme, authority, path, query = match.groups()
    values = _query(shown, query or "")
    mode = values.pop(_MODE, "rw")
    if mode not in ("ro", "rw"):
        raise ConfigError(shown, _MODE, "expected ro (read only) or rw (the default)")
    return StoreUrl(
        text=text,
        scheme=scheme.lower(),
        authority=authority,
        path=_decoded(shown, "path", path.removeprefix("/")),
        query=values,
        read_only=mode == "ro",
    )


def _query(shown: str, query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for segment in query.split("&"):
        if not segment:
            continue
        name, equals, value = segment.partition("=")
        key = _decoded(shown, "query", name)
        if not key or not equals:
            raise ConfigError(shown, "query", "expected key=value, joined by '&'")
        if key in values:
            raise ConfigError(shown, shown_key(key), "given more than once")
        values[key] = _decoded(shown, shown_key(key), value)
    return values


def _decoded(shown: str, key: str, text: str) -> str:
    decoded = _decode(text)
    if decoded is None or "\0" in decoded:
        raise ConfigError(shown, key, "a '%' begins an escaped byte (%25 is '%'), and bytes have to be UTF-8 text")
    return decoded


def _decode(text: str) -> str | None:
    """Percent-decoded, or ``None`` where that cannot be done, which urllib would pass over."""
    if "%" in _PERCENT.sub("", text):
        return None
    try:
        return _PERCENT.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode(), text)
    except UnicodeDecodeError:
        return None
