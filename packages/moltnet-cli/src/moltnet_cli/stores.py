"""Which store a command means, and opening it: to look at, to write, or to rehearse a write.

Looking never creates or migrates anything: the store is opened read-only where its backend can.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moltnet_cli.failures import FOUND, StoreNotOpenedError, exit_code
from moltnet_cli.options import Globals, globals_of
from moltnet_cli.rendering import note, warn

if TYPE_CHECKING:
    from moltnet_core import Backend, CheckReport, StorageConfig, Store
    from moltnet_core.transfer.progress import OnProgress

__all__ = [
    "Location",
    "Surroundings",
    "announce",
    "checking",
    "locate",
    "locate_url",
    "on_warning",
    "reading",
    "rehearsing",
    "same_place",
    "writing",
]

_LOCATION = "moltnet_cli.location"
_WARNING_SINK = "moltnet_cli.warning_sink"


class Surroundings:
    """What a configuration says besides the store.

    :param network: the network that is written for.
    :param named: whether anything names it, or it is only the default.
    :param rooms: the rooms that the file declares.
    :param file: the configuration file, if there is one.
    """

    def __init__(self, network: str, named: bool, rooms: tuple[str, ...], file: Path | None) -> None:
        self.network = network
        self.named = named
        self.rooms = rooms
        self.file = file


class Location:
    """Which store, and why that one.

    :param why: what chose it.
    :param sources: where each setting came from, by name.
    :param url: as it was given, where it was given so.
    """

    def __init__(
        self,
        backend: Backend,
        config: StorageConfig,
        settings: Any,
        why: str,
        sources: Mapping[str, str],
        surroundings: Callable[[], Surroundings],
        url: str | None = None,
    ) -> None:
        self.backend = backend
        self.config = config
        self.settings = settings
        self.why = why
        self.sources = sources
        self.url = url
        self._surroundings = surroundings
        self._found: Surroundings | None = None

    def surroundings(self) -> Surroundings:
        """The rest of the configuration, for which the file is read now.

        :raises ConfigError: it cannot be used.
        """
        if self._found is None:
            self._found = self._surroundings()
        return self._found

    @property
    def missing(self) -> Path | None:
        """The path of the file that the store will be in and that is not there yet, if it is one of a single file."""
        path = getattr(self.settings, "path", None)
        return path if isinstance(path, Path) and not os.path.lexists(path) else None


def locate(ctx: click.Context) -> Location:
    """The store that the global options, the environment and the configuration file name. Creates nothing.

    :raises ConfigError: they are wrong.
    :raises BackendNotFoundError: the backend is not installed.
    :raises BackendLoadError: it cannot be loaded.
    """
    on_warning(ctx, warn)
    options, meta = globals_of(ctx), ctx.find_root().meta
    if _LOCATION not in meta:
        meta[_LOCATION] = _from_url(options, options.store) if options.store else _from_configuration(options)
    found: Location = meta[_LOCATION]
    return found


def locate_url(ctx: click.Context, url: str, argument: str) -> Location:
    """The store that an argument of the command names. Creates nothing.

    :param argument: its name, for errors.
    :raises ConfigError: the URL is wrong.
    :raises BackendNotFoundError: the backend is not installed.
    :raises BackendLoadError: it cannot be loaded.
    """
    on_warning(ctx, warn)
    return _from_url(globals_of(ctx), url, argument)


def same_place(one: Location, other: Location) -> bool:
    """Whether two locations are plainly one: the same file, or the same settings."""
    if one.backend.name != other.backend.name:
        return False
    path, another = (getattr(each.settings, "path", None) for each in (one, other))
    if isinstance(path, Path) and isinstance(another, Path) and path.exists() and another.exists():
        return path.samefile(another)
    return bool(one.settings == other.settings)


def _from_url(options: Globals, text: str, why: str = "--store") -> Location:
    from moltnet_core import StorageConfig
    from moltnet_core.config import parse_url, settings_from_url
    from moltnet_core.config.settings import setting_names
    from moltnet_core.plugins import load_backend

    url = parse_url(text)
    backend, _ = load_backend(url.scheme)
    settings = settings_from_url(backend.settings, url, backend.from_url)
    given = backend.from_url(url)
    names = setting_names(backend.settings)
    return Location(
        backend,
        StorageConfig(url.scheme, {name: getattr(settings, name) for name in names}, url.read_only),
        settings,
        why,
        {name: why if name in given else "default" for name in names},
        lambda: _surroundings(options),
        text,
    )


def _from_configuration(options: Globals) -> Location:
    from moltnet_core import StorageConfig
    from moltnet_core.config import resolve_config
    from moltnet_core.config.settings import setting_names
    from moltnet_core.plugins import installed_backends, load_backend

    found: dict[str, Backend] = {}

    def settings_class(kind: str) -> type[Any]:
        backend = load_backend(kind)[0]
        found[kind] = found[backend.name] = backend
        return backend.settings

    resolved = resolve_config(
        installed=installed_backends().keys(),
        settings_class=settings_class,
        own_name=lambda kind: found[kind].name,
        config_file=options.config_file,
    )
    backend = found[resolved.kind]
    return Location(
        backend,
        StorageConfig(
            resolved.kind, {name: getattr(resolved.settings, name) for name in setting_names(backend.settings)}
        ),
        resolved.settings,
        resolved.kind_source,
        resolved.sources,
        lambda: _surroundings(options),
    )


def _surroundings(options: Globals) -> Surroundings:
    from moltnet_core.config import NETWORK_VARIABLE, declared_rooms, find_config_file, load_config_file, network_id

    path = find_config_file(os.environ, Path(), options.config_file)
    file = load_config_file(path) if path is not None else None
    configured = network_id(os.environ, file)
    # What names the default by name names it nevertheless.
    named = bool(
        options.network
        or os.environ.get(NETWORK_VARIABLE, "").strip()
        or (file is not None and str(file.section("network").get("id") or "").strip())
    )
    return Surroundings(options.network or configured, named, declared_rooms(file), path)


# -- opening -----------------------------------------------------------------------------------------


@contextmanager
def reading(ctx: click.Context, location: Location | None = None) -> Iterator[Store]:
    """The store, to look at.

    :raises StoreUnavailableError: there is none.
    """
    from moltnet_core import Power, Trait

    found = location or locate(ctx)
    if Trait.PERSISTENT in found.backend.traits:
        _refuse_missing(ctx, found)
    read_only = Power.READ_ONLY in found.backend.powers
    with _open(found, read_only=read_only, migrate=False) as store:
        yield store


def checking(ctx: click.Context, *, deep: bool, on_progress: OnProgress | None) -> CheckReport:
    """Check the store, and where it comes from a configuration file, that too.

    :raises StoreUnavailableError: there is none, or it cannot be reached.
    """
    from moltnet_core import Trait, check_location

    found = locate(ctx)
    if Trait.PERSISTENT in found.backend.traits:
        _refuse_missing(ctx, found)
    options = globals_of(ctx)
    if options.store:
        return check_location(found.config, deep=deep, on_progress=on_progress)
    return check_location(config_file=options.config_file, deep=deep, on_progress=on_progress)


@contextmanager
def writing(
    ctx: click.Context, location: Location | None = None, *, create: bool, upgrade: bool = True
) -> Iterator[Store]:
    """The store, to write; it is upgraded first, which is said on standard error.

    :param create: whether there may be none yet. Without it a misplaced command leaves no empty database behind.
    :param upgrade: without it, the caller does that.
    :raises StoreUnavailableError: there is none.
    """
    found = _writable(ctx, location, create=create)
    with _open(found, read_only=False, migrate="later", upgrade=upgrade) as store:
        yield store


@contextmanager
def rehearsing(
    ctx: click.Context, location: Location | None = None, *, create: bool, dry_run: bool
) -> Iterator[Store | None]:
    """The store as :func:`writing` will open it, but only to look at; ``None`` for one that will be created.

    Every command that writes looks first, so that one that is refused leaves an old store, or an empty file, as it was.

    :param dry_run: nothing will be written; what would become of the store is said on standard error.
    :raises SchemaTooNewError: writing will be refused.
    """
    from moltnet_core import Power, ReadOnlyStoreError, SchemaTooNewError, StoreUnavailableError

    found = _writable(ctx, location, create=create)
    if found.missing is not None:
        if dry_run:
            note(f"dry run: would create the store {found.missing}")
        yield None
        return
    if Power.READ_ONLY not in found.backend.powers and not dry_run:
        with writing(ctx, location, create=create) as store:  # it cannot be looked at otherwise while it is old
            yield store
        return
    with ExitStack() as stack:
        read_only = Power.READ_ONLY in found.backend.powers
        try:
            store = stack.enter_context(_open(found, read_only=read_only, migrate=False))
        except ReadOnlyStoreError:
            if dry_run:
                raise
            # A program died in the middle of a write, and only one that may write can roll that back.
            with _open(found, read_only=False, migrate="later"):
                pass
            store = stack.enter_context(_open(found, read_only=read_only, migrate=False))
        except StoreUnavailableError:
            if not create or _holds_a_store(found):
                raise
            if dry_run:
                note("dry run: would create the store")
            yield None
            return
        status = store.migration_status()
        for series in status.series:
            if series.applied > series.known > 0:
                raise SchemaTooNewError(series.series, series.applied, series.known)
        if status.pending and dry_run:
            note(f"dry run: would first apply {', '.join(step.label for step in status.pending)}")
        yield store


def _holds_a_store(found: Location) -> bool:
    """Whether there is one at a place that cannot be opened to look at. A server has no file that could be missing.

    :raises StoreUnavailableError: the place cannot be reached.
    """
    with _open(found, read_only=False, migrate="later") as store:
        return any(series.applied for series in store.migration_status().series)


def announce(store: Store) -> None:
    """Say on standard error which migrations of a store come now; nothing of a new store's."""
    status = store.migration_status()
    if status.pending and any(series.applied for series in status.series):
        steps = ", ".join(step.label for step in status.pending)
        note(f"upgrading the store: applying {steps}; there is no way back")


def _writable(ctx: click.Context, location: Location | None, *, create: bool) -> Location:
    found = location or locate(ctx)
    if found.config.read_only:
        raise click.UsageError(f"{found.why} says mode=ro, and this command writes", ctx)
    if not create:
        _refuse_missing(ctx, found)
    return found


def _refuse_missing(ctx: click.Context, location: Location) -> None:
    import shlex

    from moltnet_core import StoreUnavailableError
    from moltnet_core.config import redact_url

    if location.missing is None:
        return
    options, words = globals_of(ctx), ["moltnet-storage"]
    if location.url:
        words += ["--store", redact_url(location.url)]
    elif options.config_file:
        words += ["--config", options.config_file]
    raise StoreUnavailableError(
        f"there is no store at {location.missing} (chosen by: {location.why}); "
        f'check the path, or create one with "{shlex.join([*words, "migrate", "up"])}"'
    )


@contextmanager
def _open(location: Location, *, read_only: bool, migrate: Any, upgrade: bool = False) -> Iterator[Store]:
    from moltnet_core import MoltnetError, open_store

    try:
        store = open_store(location.config, read_only=read_only, migrate=migrate)
        if upgrade and store.needs_migration:
            try:
                announce(store)
                store.migrate()
            except BaseException:
                store.close()
                raise
    except MoltnetError as error:
        if exit_code(error) == FOUND:
            raise StoreNotOpenedError(str(error)) from error
        raise
    except Exception as error:
        raise StoreNotOpenedError(f"a plugin failed with {type(error).__name__}: {error}") from error
    with store:
        yield store


# -- warnings ----------------------------------------------------------------------------------------


def on_warning(ctx: click.Context, sink: Callable[[str], object]) -> None:
    """Give what the library logs as a warning to ``sink``, each text once, until the command ends.

    The first sink of a command stays.
    """
    import logging

    root = ctx.find_root()
    if _WARNING_SINK in root.meta:
        return

    class Handler(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.WARNING)
            self._told: set[str] = set()

        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if text not in self._told:
                self._told.add(text)
                sink(text)

    handler = root.meta[_WARNING_SINK] = Handler()
    logging.getLogger().addHandler(handler)
    root.call_on_close(lambda: logging.getLogger().removeHandler(handler))
