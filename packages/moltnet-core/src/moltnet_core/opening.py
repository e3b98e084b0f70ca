"""``open_store``: from a URL, a configuration, or the environment to a store that is ready for use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from moltnet_core.backend import Backend, Power
from moltnet_core.config import (
    StorageConfig,
    parse_url,
    resolve_config,
    settings_from_config,
    settings_from_url,
)
from moltnet_core.driver import Driver, SupportsMigrations
from moltnet_core.errors import (
    MigrationRequiredError,
    UnsupportedCapabilityError,
    ValidationError,
)
from moltnet_core.events import SCHEMA_NEWER
from moltnet_core.plugins.manager import DISABLED_VARIABLE, Plugins, installed_backends, load_backend, load_failure
from moltnet_core.store import Store

__all__ = ["open_store", "resolve_location"]


def open_store(
    location: str | StorageConfig | None = None,
    *,
    migrate: bool | Literal["later"] = True,
    read_only: bool = False,
    plugins: Iterable[object] = (),
    config_file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    slow_call: float | None = None,
) -> Store:
    """Open a store.

    .. code-block:: python

        with open_store("sqlite:///chat.db") as store:
            ...

    :param location: a URL (``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``memory://``, …) or a
        :class:`~moltnet_core.config.storage.StorageConfig`, either of which is complete; or ``None`` for what the
        environment and the configuration file say, and the SQLite default.
    :param migrate: ``True`` applies the schema migrations that are missing; ``False`` refuses to open when some are;
        ``"later"`` opens, and until :meth:`Store.migrate` only ``ping``, ``migration_status``, ``backup`` and
        ``close`` work.
    :param read_only: as ``?mode=ro`` in a URL: nothing stored is changed.
    :param plugins: further plugins, as objects; those that are installed are found by themselves. One of them may
        register the backend that ``location`` names.
    :param config_file: a configuration file to read instead of the one that ``MOLTNET_CONFIG`` names or the search
        finds. Only without ``location``.
    :param environ: read instead of the process's environment.
    :param slow_call: seconds, more than 0, after which a call is logged as ``moltnet.call.slow``; without it none is.
    :raises ConfigError: the location or configuration is wrong. Nothing was created.
    :raises BackendNotFoundError: the backend is not installed; says what to install.
    :raises BackendLoadError: the backend or a plugin cannot be loaded.
    :raises UnsupportedCapabilityError: the backend cannot be opened read-only.
    :raises StoreUnavailableError: the place or server cannot be reached.
    :raises CorruptStoreError: what is there is no store.
    :raises SchemaTooNewError: a newer program migrated it.
    :raises MigrationRequiredError: migrations are missing, and ``migrate`` is ``False``.
    """
    if migrate not in (True, False, "later"):
        raise ValidationError("migrate", 'expected True, False or "later"')
    environ = os.environ if environ is None else environ
    if slow_call is not None and (type(slow_call) not in (int, float) or not slow_call > 0):
        raise ValidationError("slow_call", "expected a number of seconds, more than 0")
    if isinstance(plugins, str) or not isinstance(plugins, Iterable):
        raise ValidationError("plugins", "expected a list of plugins")
    plugins = tuple(plugins)
    backend, module, settings, ro = _resolve(location, plugins, config_file, environ)
    read_only = read_only or ro
    if read_only and Power.READ_ONLY not in backend.powers:
        raise UnsupportedCapabilityError(Power.READ_ONLY, backend.name)
    disabled = [name.strip() for name in environ.get(DISABLED_VARIABLE, "").split(",")]
    loaded = Plugins(backend.name, module, plugins, disabled)
    migrations = loaded.migrations(backend)
    driver: Driver = backend.open(settings, read_only=read_only)
    if not isinstance(driver, Driver):
        raise load_failure(backend.name, module, f"it opened a {type(driver).__name__}, not a Driver")
    store = Store(driver, backend, loaded, migrations, read_only=read_only, slow_call=slow_call)
    try:
        _look_at_schema(store, may_migrate=bool(migrate))
        if not store.needs_migration:
            store._opened()
        elif migrate != "later":
            store.migrate()
    except BaseException:
        store._abandon()
        raise
    return store


def resolve_location(
    location: str | StorageConfig | None = None,
    *,
    plugins: Iterable[object] = (),
    config_file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[Backend, Any, bool]:
    """The backend and its settings of the store that :func:`open_store` would open, and whether read-only.

    Nothing is opened or made.

    :raises ConfigError: the location or configuration is wrong.
    :raises BackendNotFoundError: the backend is not installed.
    :raises BackendLoadError: the backend cannot be loaded.
    """
    backend, _, settings, read_only = _resolve(
        location, tuple(plugins), config_file, os.environ if environ is None else environ
    )
    return backend, settings, read_only


def _resolve(
    location: str | StorageConfig | None,
    plugins: Sequence[object],
    config_file: str | os.PathLike[str] | None,
    environ: Mapping[str, str],
) -> tuple[Backend, Any, Any, bool]:
    """The backend with its plugin module, its settings, and whether they say read-only."""
    if location is not None and config_file is not None:
        raise ValidationError("config_file", "goes without a location, which is complete by itself")
    if location is None:
        found: dict[str, tuple[Backend, Any]] = {}

        def settings_class(kind: str) -> type[Any]:
            backend, module = load_backend(kind, plugins)
            found[kind] = found[backend.name] = backend, module
            return backend.settings

        resolved = resolve_config(
            environ=environ,
            cwd=Path(),
            config_file=config_file,
            installed=installed_backends().keys(),
            settings_class=settings_class,
            own_name=lambda kind: found[kind][0].name,
        )
        return *found[resolved.kind], resolved.settings, False
    if isinstance(location, StorageConfig):
        backend, module = load_backend(location.kind, plugins)
        return backend, module, settings_from_config(backend.settings, location), location.read_only
    if not isinstance(location, str):
        raise ValidationError(
            "location",
            f'expected a URL such as "sqlite:///chat.db" or a StorageConfig, not {type(location).__name__}',
        )
    url = parse_url(location)
    backend, module = load_backend(url.scheme, plugins)
    return backend, module, settings_from_url(backend.settings, url, backend.from_url), url.read_only


def _look_at_schema(store: Store, *, may_migrate: bool) -> None:
    """Keep the store from use while migrations are missing."""
    if not isinstance(store.driver, SupportsMigrations):
        return
    status = store.migration_status()
    if store.read_only:
        for series in status.series:
            if series.applied > series.known > 0:
                SCHEMA_NEWER.log(
                    "the schema series %s stands at version %d, and this software knows up to %d; reading on",
                    series.series,
                    series.applied,
                    series.known,
                    series=series.series,
                    applied=series.applied,
                    known=series.known,
                )
        return
    if status.is_current:
        return
    if not may_migrate:
        raise MigrationRequiredError([step.label for step in status.pending])
    store._defer(status.pending)
