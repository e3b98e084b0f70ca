"""Who may read the files of a store."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from moltnet_core.checking.findings import Findings

if TYPE_CHECKING:
    from moltnet_core.config.file import ConfigFile

__all__ = ["check_config_file", "check_permissions"]


def check_permissions(found: Findings, paths: Iterable[Path], *, code: str = "file-permissions") -> None:
    """Note which of these files, as far as they are there, others than their owner may read or write."""
    if os.name != "posix":
        return
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            found.add(code, "file", str(path), f"its mode is {mode:04o}")


def check_config_file(found: Findings, file: ConfigFile, kind: str, settings: type[Any]) -> None:
    """Note a configuration file that others may read and that holds a secret, of whichever backend.

    :param kind: the chosen backend's name, and its section.
    :param settings: its settings class.
    """
    storage = file.section("storage")
    secrets = {kind: [field.name for field in attrs.fields(settings) if field.metadata.get("secret")]}
    secrets.setdefault("postgres", ["dsn"])
    for section, names in secrets.items():
        values = storage.get(section)
        if isinstance(values, Mapping) and any(values.get(name) for name in names):
            check_permissions(found, [file.path], code="config-permissions")
            return
