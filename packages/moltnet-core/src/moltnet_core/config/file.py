"""The configuration file: which one it is, and what it holds. Errors name file, line and column, never content."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from moltnet_core.config.environment import CONFIG_VARIABLE, ENVIRONMENT, environment_value
from moltnet_core.config.redaction import redact_url
from moltnet_core.errors import ConfigError

__all__ = ["SEARCHED_NAMES", "ConfigFile", "find_config_file", "load_config_file"]

SEARCHED_NAMES: Final = ("Moltnet", "moltnet.yaml", "moltnet.yml", "moltnet.json", "moltnet.toml")
"""What is looked for in the working directory, in this order."""


@attrs.frozen
class ConfigFile:
    """A configuration file that was read.

    :param path: where it is.
    :param document: what it holds; empty for an empty file.
    :param readable_by_others: whether its permissions let others than its owner read it.
    """

    path: Path
    document: Mapping[str, Any] = attrs.field(repr=False, hash=False)
    readable_by_others: bool = False

    def section(self, name: str) -> Mapping[Any, Any]:
        """A section, empty when it is absent or blank.

        :raises ConfigError: it is not a mapping.
        """
        found = self.document.get(name)
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise ConfigError(str(self.path), name, "expected a mapping of keys to values")
        return found


def find_config_file(
    environ: Mapping[str, str], cwd: Path, config_file: str | os.PathLike[str] | None = None
) -> Path | None:
    """The path of the configuration file: the one named, else ``MOLTNET_CONFIG``, else the first one searched for.

    :param cwd: the working directory.
    :param config_file: named by the caller; it wins.
    :return: ``None`` when nothing is named and none of :data:`SEARCHED_NAMES` exists; a directory is passed over.
    :raises ConfigError: the named one does not exist or is a directory; a searched name cannot be looked at.
    """
    if config_file is not None:
        return _named(os.fspath(config_file), cwd, "configuration file", None)
    variable = environment_value(environ, CONFIG_VARIABLE)
    if variable is not None:
        return _named(variable, cwd, ENVIRONMENT, CONFIG_VARIABLE)
    for name in SEARCHED_NAMES:
        path = cwd / name
        try:
            if not os.path.lexists(path):
                continue
            is_directory = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            problem = error.strerror or "it cannot be looked at"
        else:
            if is_directory:
                continue
            return path
        raise ConfigError(str(path), None, f"cannot be read: {problem}")
    return None


def load_config_file(path: Path) -> ConfigFile:
    """A file's document, by its extension: ``.json``, ``.toml``, else YAML.

    :raises ConfigError: it cannot be read, is not UTF-8, has a syntax error, a key twice, is nested too deeply, or
        does not hold a mapping.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read()
    except OSError as error:
        problem: str | None = error.strerror or type(error).__name__
    else:
        problem = None
    if problem is not None:
        raise ConfigError(str(path), None, f"cannot be read: {problem}")
    text = _decoded(content)
    if text is None:
        raise ConfigError(str(path), None, "expected UTF-8 text")
    document = _parsed(path, text) if text.strip() else {}
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(str(path), None, "expected a mapping of sections")
    others = os.name == "posix" and bool(mode & (stat.S_IRGRP | stat.S_IROTH))
    return ConfigFile(path, document, others)


def _named(name: str, cwd: Path, source: str, key: str | None) -> Path:
    shown = redact_url(name) if "://" in name else name
    path = cwd / name
    try:
        problem = "is a directory" if stat.S_ISDIR(path.stat().st_mode) else None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "cannot be looked at"
    if problem is not None:
        raise ConfigError(source, key, f"expected an existing file, but {shown!r}: {problem}")
    return path


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _parsed(path: Path, text: str) -> Any:
    from moltnet_core.config._parsing import LoadError, read_document

    try:
        return read_document(text, path.suffix.lower())
    except LoadError as error:
        failure = error
    place = f"line {failure.line}, column {failure.column}: " if failure.line is not None else ""
    raise ConfigError(str(path), None, f"{place}{failure.problem}")
