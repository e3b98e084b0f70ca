"""From raw values to an instance of a backend's settings class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from moltnet_core.config._text import shown_key, suggestion
from moltnet_core.config.environment import variable_name
from moltnet_core.config.settings import setting_names, setting_types
from moltnet_core.config.storage import StorageConfig
from moltnet_core.config.url import StoreUrl
from moltnet_core.config.values import Origin, RawValue, convert
from moltnet_core.errors import ConfigError
from moltnet_core.events import SETTING_IGNORED

__all__ = ["build_settings", "settings_from_config", "settings_from_url"]

_Settings = TypeVar("_Settings")


def build_settings(
    cls: type[_Settings],
    *layers: Mapping[str, RawValue],
    kind: str,
    source: str = "configuration",
    section: str | None = None,
    base: Path | None = None,
) -> _Settings:
    """Settings of raw values: checked, converted, and with absolute paths.

    All values are checked, also those that a later layer hides. Paths become absolute here, so that a later change
    of the working directory does not lead to another file. No error quotes a value.

    :param layers: raw values by setting name, each layer over those before it.
    :param kind: the backend's name.
    :param source: what an error calls the whole when a required setting is missing.
    :param section: the section of a configuration file that such a setting belongs in, if it does in one.
    :param base: what relative paths are relative to; default the working directory.
    :raises ConfigError: an unknown name, a wrong type, a value out of range, or a required setting is missing.
    """
    types = setting_types(cls)
    fields = {field.name: field for field in attrs.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    warnings: dict[str, tuple[RawValue, str | None]] = {}
    for layer in layers:
        for name, raw in layer.items():
            if name not in types:
                raise raw.error(f"there is no such setting; {suggestion(name, types, f'settings of {kind}')}")
            hint, optional = types[name]
            if raw.blank:
                if optional and raw.origin is Origin.CODE:
                    values[name] = None
                continue
            values[name], warning = convert(raw, hint, fields[name].metadata)
            warnings[name] = raw, warning
    for name, field in fields.items():
        if field.default is attrs.NOTHING and name not in values:
            raise _missing(source, kind, name, section)
    for raw, warning in warnings.values():
        if warning:
            SETTING_IGNORED.log("%s: %s: %s", raw.source, raw.key, warning, source=raw.source, key=raw.key)
    settings: _Settings = _absolute(cls(**values), source, base)
    return settings


def settings_from_url(
    cls: type[_Settings],
    url: StoreUrl,
    from_url: Callable[[StoreUrl], Mapping[str, object]],
    base: Path | None = None,
) -> _Settings:
    """The settings that a URL names; all others have their defaults.

    :param from_url: the backend's.
    :raises ConfigError: as :func:`build_settings`.
    """
    layer = raw_values(from_url(url), url.redacted, Origin.URL)
    return build_settings(cls, layer, kind=url.scheme, source=url.redacted, base=base)


def settings_from_config(cls: type[_Settings], config: StorageConfig, base: Path | None = None) -> _Settings:
    """The settings that a program wrote down; all others have their defaults.

    :raises ConfigError: as :func:`build_settings`.
    """
    layer = raw_values(config.settings, "StorageConfig", Origin.CODE, "settings.")
    return build_settings(cls, layer, kind=config.kind, source="StorageConfig", base=base)


def raw_values(values: Mapping[str, object], source: str, origin: Origin, prefix: str = "") -> dict[str, RawValue]:
    """A mapping's values with their place.

    :param prefix: what stands before each key in an error (``"storage.sqlite."``).
    :raises ConfigError: a key is not a text.
    """
    for key in values:
        if not isinstance(key, str):
            raise ConfigError(source, prefix.rstrip(".") or None, "every key has to be a text; put it in quotes")
    return {key: RawValue(value, source, f"{prefix}{shown_key(key)}", origin) for key, value in values.items()}


def _missing(source: str, kind: str, name: str, section: str | None) -> ConfigError:
    problem = f"the backend {kind!r} needs this setting"
    if section is None:
        return ConfigError(source, name, problem)
    return ConfigError(source, f"{section}.{name}", f"{problem}; it can also be given as {variable_name(kind, name)}")


def _absolute(settings: Any, source: str, base: Path | None) -> Any:
    relative = {
        name: value
        for name in setting_names(type(settings))
        if isinstance(value := getattr(settings, name), Path) and not value.is_absolute()
    }
    if not relative:
        return settings
    try:
        root = Path.cwd() / base if base is not None else Path.cwd()
    except OSError:
        root = None
    if root is None:
        raise ConfigError(source, next(iter(relative)), "there is no working directory; expected an absolute path")
    return attrs.evolve(settings, **{name: root / value for name, value in relative.items()})
