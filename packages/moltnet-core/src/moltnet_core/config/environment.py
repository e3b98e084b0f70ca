"""Environment variables. A blank value is the same as no variable; white space around a value is not part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moltnet_core.config.values import RawValue

__all__ = [
    "CONFIG_VARIABLE",
    "DATA_PATH_VARIABLE",
    "ENVIRONMENT",
    "KIND_VARIABLE",
    "LOCATION_VARIABLES",
    "NETWORK_VARIABLE",
    "environment_value",
    "location_in_environment",
    "settings_in_environment",
    "variable_name",
]

ENVIRONMENT: Final = "environment"
"""What errors call this source."""

CONFIG_VARIABLE: Final = "MOLTNET_CONFIG"
"""The configuration file."""
KIND_VARIABLE: Final = "MOLTNET_STORAGE_KIND"
"""The backend's name."""
NETWORK_VARIABLE: Final = "MOLTNET_NETWORK_ID"
"""The network that the command line writes for."""
DATA_PATH_VARIABLE: Final = "MOLTNET_DATA_PATH"
"""The old name of ``MOLTNET_JSON_PATH``, over which it wins."""

LOCATION_VARIABLES: Final = (
    ("MOLTNET_POSTGRES_DSN", "postgres"),
    ("MOLTNET_SQLITE_PATH", "sqlite"),
    (DATA_PATH_VARIABLE, "json"),
    ("MOLTNET_JSON_PATH", "json"),
)
"""The Go server's variables that name a place and thereby choose the kind, and the kind; the first one wins."""

_NOT_SETTINGS = frozenset({CONFIG_VARIABLE, KIND_VARIABLE, NETWORK_VARIABLE, DATA_PATH_VARIABLE})


def variable_name(kind: str, setting: str) -> str:
    """The variable of a backend's setting: ``MOLTNET_<KIND>_<SETTING>``."""
    return f"MOLTNET_{kind.upper()}_{setting.upper()}"


def environment_value(environ: Mapping[str, str], name: str) -> str | None:
    """A variable's value without white space around it; ``None`` when it is not set or blank."""
    return environ.get(name, "").strip() or None


def location_in_environment(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The first of :data:`LOCATION_VARIABLES` that is set, and the kind that it chooses."""
    for variable, kind in LOCATION_VARIABLES:
        if environment_value(environ, variable) is not None:
            return variable, kind
    return None


def settings_in_environment(environ: Mapping[str, str], kind: str) -> dict[str, RawValue]:
    """The variables that begin as this backend's settings do, by setting name, blank ones left out."""
    from moltnet_core.config._text import shown_key
    from moltnet_core.config.values import Origin, RawValue

    prefix = variable_name(kind, "")
    found = {}
    for variable in environ:
        if not variable.startswith(prefix) or variable in _NOT_SETTINGS:
            continue
        value = environment_value(environ, variable)
        if value is not None:
            name = variable.removeprefix(prefix).lower()
            found[name] = RawValue(value, ENVIRONMENT, shown_key(variable), Origin.ENVIRONMENT)
    if kind == "json" and (path := environment_value(environ, DATA_PATH_VARIABLE)) is not None:
        found["path"] = RawValue(path, ENVIRONMENT, DATA_PATH_VARIABLE, Origin.ENVIRONMENT)
    return found
