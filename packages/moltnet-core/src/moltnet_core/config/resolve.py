"""Which store the environment and the configuration file name, and with which settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from moltnet_core.config._text import KIND, shown_key, suggestion
from moltnet_core.config.building import build_settings, raw_values
from moltnet_core.config.environment import (
    ENVIRONMENT,
    KIND_VARIABLE,
    environment_value,
    location_in_environment,
    settings_in_environment,
)
from moltnet_core.config.file import ConfigFile, find_config_file, load_config_file
from moltnet_core.config.server import declared_rooms, network_id
from moltnet_core.config.settings import setting_names
from moltnet_core.config.values import Origin, RawValue
from moltnet_core.errors import ConfigError
from moltnet_core.events import FILE_EXPOSED

__all__ = ["DEFAULT_KIND", "ResolvedConfig", "resolve_config"]

DEFAULT_KIND: Final = "sqlite"
"""The backend when nothing names one."""

_DEFAULT = "default"
_OLD_KIND = "json"  # what a configuration with server.data_path means
_SERVER_KINDS = frozenset({"json", "postgres", "sqlite"})  # the sections that a server's file may have


@attrs.frozen(kw_only=True)
class ResolvedConfig:
    """What environment and configuration file say.

    :param kind: the backend's name.
    :param kind_source: what chose it.
    :param settings: an instance of the backend's settings class; its paths are absolute.
    :param sources: where each setting came from, by name: ``default``, or source and key.
    :param network_id: the network that the command line writes for.
    :param rooms: the ids of the rooms that the file declares.
    :param file: the configuration file that was read.
    """

    kind: str
    kind_source: str
    settings: Any
    sources: Mapping[str, str] = attrs.field(hash=False)
    network_id: str
    rooms: tuple[str, ...] = ()
    file: Path | None = None


def resolve_config(
    *,
    installed: Collection[str],
    settings_class: Callable[[str], type[Any]],
    own_name: Callable[[str], str] = str,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    config_file: str | os.PathLike[str] | None = None,
) -> ResolvedConfig:
    """Read environment and configuration file. Creates nothing.

    :param installed: the names of the installed backends, whose sections a file may hold.
    :param settings_class: the settings class of a backend; it raises what there is to raise when the chosen
        backend is not installed or cannot be loaded.
    :param own_name: a backend's own name, by one of its names: settings go by it.
    :param environ: default the process's.
    :param cwd: the working directory: where a file is searched for and what relative paths are relative to.
    :param config_file: a file named by the caller, over ``MOLTNET_CONFIG`` and the search.
    :raises ConfigError: anything in them is wrong; names file and key, or the variable.
    """
    environ = os.environ if environ is None else environ
    cwd = Path() if cwd is None else cwd
    path = find_config_file(environ, cwd, config_file)
    file = load_config_file(path) if path is not None else None
    storage = file.section("storage") if file is not None else {}
    kind, kind_source = _choose_kind(environ, file, storage, installed)
    if file is not None:
        _check_sections(file, storage, {*installed, *_SERVER_KINDS, kind})
    cls = settings_class(kind)
    section, kind = kind, own_name(kind)
    in_file = _settings_in_file(file, storage, section if section in storage else kind)
    in_environment = settings_in_environment(environ, kind)
    source = str(path) if path is not None else "configuration"
    settings = build_settings(
        cls, in_file, in_environment, kind=kind, source=source, section=f"storage.{kind}", base=cwd
    )
    if file is not None and file.readable_by_others:
        _warn_of_readers(file, storage, kind, [in_file[name] for name in _secret_names(cls) if name in in_file])
    given = {name: raw for name, raw in [*in_file.items(), *in_environment.items()] if not raw.blank}
    return ResolvedConfig(
        kind=kind,
        kind_source=kind_source,
        settings=settings,
        sources={
            name: f"{given[name].source}: {given[name].key}" if name in given else _DEFAULT
            for name in setting_names(cls)
        },
        network_id=network_id(environ, file),
        rooms=declared_rooms(file),
        file=path,
    )


def _choose_kind(
    environ: Mapping[str, str], file: ConfigFile | None, storage: Mapping[Any, Any], installed: Collection[str]
) -> tuple[str, str]:
    explicit = environment_value(environ, KIND_VARIABLE)
    if explicit is not None:
        return _checked_kind(explicit, ENVIRONMENT, KIND_VARIABLE), f"{ENVIRONMENT}: {KIND_VARIABLE}"
    located = location_in_environment(environ)
    if located is not None:
        return located[1], f"{ENVIRONMENT}: {located[0]}"
    if file is None:
        return DEFAULT_KIND, _DEFAULT
    source = str(file.path)
    kind = _kind_in_file(file, storage)
    if kind is not None:
        return kind, f"{source}: storage.kind"
    if _data_path(file) is not None:
        return _OLD_KIND, f"{source}: server.data_path"
    others = sorted(
        name for name in (*_SERVER_KINDS, *installed) if name != DEFAULT_KIND and storage.get(name) is not None
    )
    if others:
        problem = f"there is a section {others[0]!r}, but no kind; expected storage.kind to name a backend"
        raise ConfigError(source, "storage.kind", problem)
    return DEFAULT_KIND, _DEFAULT


def _kind_in_file(file: ConfigFile, storage: Mapping[Any, Any]) -> str | None:
    kind = storage.get("kind")
    if kind is None or (isinstance(kind, str) and not kind.strip()):
        return None
    return _checked_kind(kind, str(file.path), "storage.kind")


def _checked_kind(kind: object, source: str, key: str) -> str:
    # Not quoted: what is no name may be a DSN in the wrong place.
    if not isinstance(kind, str) or KIND.fullmatch(kind.strip()) is None:
        raise ConfigError(source, key, "expected a backend's name: small letters and digits")
    return kind.strip()


def _data_path(file: ConfigFile) -> RawValue | None:
    raw = RawValue(file.section("server").get("data_path"), str(file.path), "server.data_path", Origin.FILE)
    return None if raw.blank else raw


def _check_sections(file: ConfigFile, storage: Mapping[Any, Any], known: Collection[str]) -> None:
    for key in storage:
        if key != "kind" and key not in known:
            problem = f"there is no such key; {suggestion(key, {'kind', *known}, 'keys')}"
            raise ConfigError(str(file.path), f"storage.{shown_key(key)}", problem)


def _settings_in_file(file: ConfigFile | None, storage: Mapping[Any, Any], kind: str) -> dict[str, RawValue]:
    if file is None:
        return {}
    section = storage.get(kind)
    if section is not None and not isinstance(section, Mapping):
        raise ConfigError(str(file.path), f"storage.{kind}", "expected a mapping of settings to values")
    found = raw_values(section or {}, str(file.path), Origin.FILE, f"storage.{kind}.")
    if kind == _OLD_KIND and _kind_in_file(file, storage) is None:
        old = _data_path(file)
        if old is not None:
            found["path"] = old
    return found


def _secret_names(cls: type[Any]) -> list[str]:
    return [field.name for field in attrs.fields(cls) if field.metadata.get("secret")]


def _warn_of_readers(file: ConfigFile, storage: Mapping[Any, Any], kind: str, secrets: Collection[RawValue]) -> None:
    keys = [raw.key for raw in secrets if not raw.blank]
    postgres = storage.get("postgres")
    if kind != "postgres" and isinstance(postgres, Mapping) and postgres.get("dsn"):
        keys.append("storage.postgres.dsn")
    if keys:
        FILE_EXPOSED.log(
            "%s: holds %s and can be read by others; the Go server refuses such a file: chmod 600 it",
            file.path,
            ", ".join(keys),
            source=str(file.path),
            keys=keys,
        )
