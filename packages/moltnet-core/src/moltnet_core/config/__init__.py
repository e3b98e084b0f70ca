"""Configuration: settings classes, store URLs, the environment and the configuration file.

A backend uses :func:`setting` and one of :func:`file_url`, :func:`dsn_url` and :func:`bare_url`; an application
:class:`StorageConfig`.

A name's module is imported when the name is first used, since most programs need few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moltnet_core._lazy import lazy_names

if TYPE_CHECKING:
    from moltnet_core.config.building import build_settings, settings_from_config, settings_from_url
    from moltnet_core.config.environment import (
        CONFIG_VARIABLE,
        DATA_PATH_VARIABLE,
        KIND_VARIABLE,
        LOCATION_VARIABLES,
        NETWORK_VARIABLE,
        variable_name,
    )
    from moltnet_core.config.file import SEARCHED_NAMES, ConfigFile, find_config_file, load_config_file
    from moltnet_core.config.locations import (
        bare_url,
        check_label,
        check_path,
        drop_file,
        dsn_url,
        file_beside,
        file_url,
    )
    from moltnet_core.config.redaction import redact_url
    from moltnet_core.config.resolve import DEFAULT_KIND, ResolvedConfig, resolve_config
    from moltnet_core.config.server import DEFAULT_NETWORK, declared_rooms, network_id, path_without_options
    from moltnet_core.config.settings import HIDDEN, SettingDescription, describe, redact, setting
    from moltnet_core.config.storage import StorageConfig
    from moltnet_core.config.url import StoreUrl, parse_url
    from moltnet_core.config.values import Origin, RawValue

__all__ = [
    "CONFIG_VARIABLE",
    "DATA_PATH_VARIABLE",
    "DEFAULT_KIND",
    "DEFAULT_NETWORK",
    "HIDDEN",
    "KIND_VARIABLE",
    "LOCATION_VARIABLES",
    "NETWORK_VARIABLE",
    "SEARCHED_NAMES",
    "ConfigFile",
    "Origin",
    "RawValue",
    "ResolvedConfig",
    "SettingDescription",
    "StorageConfig",
    "StoreUrl",
    "bare_url",
    "build_settings",
    "check_label",
    "check_path",
    "declared_rooms",
    "describe",
    "drop_file",
    "dsn_url",
    "file_beside",
    "file_url",
    "find_config_file",
    "load_config_file",
    "network_id",
    "parse_url",
    "path_without_options",
    "redact",
    "redact_url",
    "resolve_config",
    "setting",
    "settings_from_config",
    "settings_from_url",
    "variable_name",
]

_NAMES = {
    "building": ("build_settings", "settings_from_config", "settings_from_url"),
    "environment": (
        "CONFIG_VARIABLE",
        "DATA_PATH_VARIABLE",
        "KIND_VARIABLE",
        "LOCATION_VARIABLES",
        "NETWORK_VARIABLE",
        "variable_name",
    ),
    "file": ("SEARCHED_NAMES", "ConfigFile", "find_config_file", "load_config_file"),
    "locations": ("bare_url", "check_label", "check_path", "drop_file", "dsn_url", "file_beside", "file_url"),
    "redaction": ("redact_url",),
    "resolve": ("DEFAULT_KIND", "ResolvedConfig", "resolve_config"),
    "server": ("DEFAULT_NETWORK", "declared_rooms", "network_id", "path_without_options"),
    "settings": ("HIDDEN", "SettingDescription", "describe", "redact", "setting"),
    "storage": ("StorageConfig",),
    "url": ("StoreUrl", "parse_url"),
    "values": ("Origin", "RawValue"),
}
if not TYPE_CHECKING:  # a type checker would take any name for an existing one
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
