"""``StorageConfig``: a store's configuration that a program writes down itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from moltnet_core.config._text import KIND, shown_key
from moltnet_core.errors import ConfigError

__all__ = ["StorageConfig"]

_SOURCE = "StorageConfig"


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _names_only(settings: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{shown_key(key)!r}: ***" for key in settings) + "}"


@attrs.frozen
class StorageConfig:
    """Which store to open, completely: neither environment nor file is read besides it.

    .. code-block:: python

        StorageConfig(kind="sqlite", settings={"path": "chat.db", "busy_timeout": 5})

    :param kind: the backend's name.
    :param settings: its settings by name, in their own types (a path may be a text); ``None`` counts as not set.
        They are in no ``repr``.
    :param read_only: open it as a URL's ``mode=ro`` does.
    :raises ConfigError: one of these is of the wrong type.
    """

    kind: str
    settings: Mapping[str, object] = attrs.field(factory=dict, converter=_copied, repr=_names_only, hash=False)
    read_only: bool = False

    def __attrs_post_init__(self) -> None:
        kind: object = self.kind  # not every program is type-checked
        if not isinstance(kind, str) or KIND.fullmatch(kind) is None:
            raise ConfigError(_SOURCE, "kind", "expected a backend's name: small letters and digits")
        if not isinstance(self.settings, Mapping):
            raise ConfigError(_SOURCE, "settings", "expected a mapping of names to values")
        if not isinstance(self.read_only, bool):
            raise ConfigError(_SOURCE, "read_only", "expected True or False")
