"""Finding and loading plugins: installed backends by their entry points, and one plugin manager per store.

What is installed is read from the distributions' metadata; a module is imported only when it is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from attrs import field, frozen

from moltnet_core.backend import API_VERSION, Backend
from moltnet_core.errors import (
    BackendApiError,
    BackendLoadError,
    BackendNotFoundError,
    DuplicateBackendError,
)
from moltnet_core.migrations import Migration, in_order
from moltnet_core.plugins import hookspecs
from moltnet_core.plugins.surrounding import surrounded, tell_of_failure

if TYPE_CHECKING:
    from moltnet_core.store import Store

__all__ = [
    "BACKEND_GROUP",
    "DISABLED_VARIABLE",
    "PLUGIN_GROUP",
    "Installed",
    "Plugins",
    "installed_backends",
    "load_backend",
    "load_failure",
]

BACKEND_GROUP = "moltnet.storage"
PLUGIN_GROUP = "moltnet.storage.plugins"
DISABLED_VARIABLE = "MOLTNET_DISABLED_PLUGINS"

_EXTRAS = {"sqlite": "sqlite", "postgres": "postgres", "postgresql": "postgres", "memory": "memory", "json": "json"}
_NAME = re.compile("[a-z][a-z0-9]*", re.ASCII)

T = TypeVar("T")


@frozen
class Installed:
    """An entry point of an installed distribution.

    :param name: the entry point's name.
    :param module: the module it names.
    """

    name: str
    module: str
    distribution: str
    version: str
    entry_point: EntryPoint = field(repr=False, eq=False)

    def load(self) -> Any:
        """Import the module.

        :raises BackendLoadError: it cannot be imported, or names an attribute of a module.
        """
        if ":" in self.module:
            raise self.failure(f"its entry point is {self.module!r}; it must name a module, without an attribute")
        try:
            return self.entry_point.load()
        except (Exception, SystemExit) as error:
            raise self.failure(f"importing {self.module} raised {_described(error)}") from error

    def failure(self, problem: str) -> BackendLoadError:
        """The error that names this distribution."""
        return BackendLoadError(self.name, self.distribution, self.version, problem)


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _installed(group: str) -> list[Installed]:
    found: dict[tuple[str, str, str], Installed] = {}
    for point in entry_points(group=group):
        metadata = point.dist.metadata if point.dist else None
        name = metadata["Name"] if metadata else "an unknown distribution"
        version = metadata["Version"] if metadata else ""
        # One distribution may be found twice, in a build folder and where it is installed.
        key = (point.name, point.value, re.sub(r"[-_.]+", "-", name).lower())
        found.setdefault(key, Installed(point.name, point.value, name, version, point))
    return sorted(found.values(), key=lambda item: (item.name, item.distribution))


def installed_backends() -> Mapping[str, Sequence[Installed]]:
    """What is installed, by backend name (and further URL schemes). More than one for a name is a conflict."""
    found: dict[str, list[Installed]] = {}
    for item in _installed(BACKEND_GROUP):
        found.setdefault(item.name, []).append(item)
    return found


def load_backend(name: str, plugins: Iterable[object] = ()) -> tuple[Backend, Any]:
    """Load the backend of a name (or of a further URL scheme).

    :param plugins: objects, one of which may register it without being installed.
    :returns: it, and the plugin module that registered it.
    :raises BackendNotFoundError: none is installed; says what to install.
    :raises DuplicateBackendError: two distributions provide it.
    :raises BackendLoadError: it cannot be imported or does not register exactly one backend.
    :raises BackendApiError: it was written for another version of the interface.
    """
    installed = installed_backends()
    found = installed.get(name, ())
    for plugin in plugins:
        try:
            given = _registered(plugin)
        except (Exception, SystemExit) as error:
            raise load_failure(name, plugin, _described(error)) from error
        if name in [getattr(backend, "name", None) for backend in given]:
            if found:
                raise DuplicateBackendError(name, [found[0].distribution, repr(plugin)])
            return given[0], plugin
    if not found:
        raise BackendNotFoundError(name, installed, _EXTRAS.get(name))
    if len(found) > 1:
        raise DuplicateBackendError(name, [f"{item.distribution} {item.version}" for item in found])
    item = found[0]
    if not _NAME.fullmatch(name):
        raise item.failure("a backend's name must match [a-z][a-z0-9]*")
    module = item.load()
    try:
        registered = _registered(module)
    except (Exception, SystemExit) as error:
        raise item.failure(_described(error)) from error
    if len(registered) != 1 or not isinstance(registered[0], Backend):
        raise item.failure(f"{item.module} must register exactly one Backend, not {len(registered)}")
    backend = registered[0]
    if backend.api_version != API_VERSION:
        raise BackendApiError(name, item.distribution, item.version, backend.api_version, API_VERSION)
    if backend.name != name and item.module not in (other.module for other in installed.get(backend.name, ())):
        raise item.failure(f"it registers the backend {backend.name!r} under the name {name!r}")
    return backend, module


def load_failure(name: str, plugin: object, problem: str) -> BackendLoadError:
    """The error of a plugin that fails: names its distribution, where it belongs to an installed one.

    :param name: the backend's, or what the plugin is known by.
    """
    for item in installed_backends().get(name, ()):
        if item.module == getattr(plugin, "__name__", None):
            return item.failure(problem)
    return BackendLoadError(_plugin_name(plugin), "the application", "", problem)


def _plugin_name(plugin: object) -> str:
    """What a plugin is called in messages: a module by its name, an object by its class's."""
    return getattr(plugin, "__name__", None) or type(plugin).__qualname__


def _registered(plugin: object) -> list[Backend]:
    """The backends that a plugin registers."""
    manager = _new_manager()
    manager.register(plugin)
    manager.check_pending()
    registered: list[Backend] = manager.hook.moltnet_register_backend()
    return registered


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _switch(item: Installed) -> str:
    return f"to go on without it, set {DISABLED_VARIABLE}={item.name}"


def _in_turn(caller: pluggy.HookCaller) -> tuple[Any, ...]:
    """The implementations of a hook in the order in which pluggy itself calls them: the last registered first."""
    return tuple(reversed(caller.get_hookimpls()))


def _call(implementation: Any, arguments: Mapping[str, object]) -> Any:
    """Call one plugin's hook with the arguments that it takes."""
    return implementation.function(*(arguments[name] for name in implementation.argnames))


class Plugins:
    """The plugins of one store.

    They are its backend's module, the installed ones that are not switched off, and objects passed to ``open_store``.

    :param backend: the backend's name.
    :raises BackendLoadError: one cannot be loaded or implements a hook that does not exist; names the switch.
    """

    def __init__(self, backend: str, module: Any, extra: Iterable[object] = (), disabled: Iterable[str] = ()) -> None:
        self._backend = backend
        self._manager = _new_manager()
        self._items: dict[int, Installed] = {}
        self._register(module)
        off = set(disabled)
        for item in _installed(PLUGIN_GROUP):
            if item.name not in off:
                try:
                    plugin = item.load()
                except BackendLoadError as error:
                    raise item.failure(f"{error}; {_switch(item)}") from error.__cause__
                self._register(plugin, item)
        for plugin in extra:
            if plugin is not module:
                self._register(plugin)
        self._appended = _in_turn(self._manager.hook.moltnet_message_appended)
        self._around = _in_turn(self._manager.hook.moltnet_call)

    def _register(self, plugin: object, item: Installed | None = None) -> None:
        if item is not None:
            self._items[id(plugin)] = item
        if isinstance(plugin, type):
            raise self._failure(plugin, "it is a class; pass an instance of it")
        try:
            self._manager.register(plugin, name=item.name if item else self._free_name(plugin))
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise self._failure(plugin, str(error)) from error
        for caller in self._manager.get_hookcallers(plugin) or ():
            if any(each.hookwrapper or each.wrapper for each in caller.get_hookimpls() if each.plugin is plugin):
                raise self._failure(plugin, f"its {caller.name} is a wrapper, and these hooks are not wrapped")

    def _free_name(self, plugin: object) -> str:
        """A name for a plugin that has none: its class's, numbered where there are several."""
        name, number = _plugin_name(plugin), 2
        while self._manager.has_plugin(name):
            name, number = f"{_plugin_name(plugin)} {number}", number + 1
        return name

    def _failure(self, plugin: object, problem: str) -> BackendLoadError:
        """The error that names a plugin, and the switch if there is one."""
        item = self._items.get(id(plugin))
        if item is None:
            return load_failure(self._backend, plugin, problem)
        return item.failure(f"{problem}; {_switch(item)}")

    def migrations(self, backend: Backend) -> tuple[Migration, ...]:
        """All migrations for a backend, in order of application.

        :raises BackendLoadError: a plugin's hook fails, or its series has a gap; names the plugin.
        """
        given: list[Migration] = []
        for implementation in self._manager.hook.moltnet_migrations.get_hookimpls():
            try:
                given += _call(implementation, {"backend": backend})
                in_order(given, backend.name)
            except Exception as error:
                raise self._failure(implementation.plugin, f"its migrations: {_described(error)}") from error
        return in_order(given, backend.name)

    def before_migrate(self, **arguments: object) -> None:
        """See the hook of this name; errors pass on."""
        self._manager.hook.moltnet_before_migrate(**arguments)

    def store_opened(self, **arguments: object) -> None:
        """See the hook of this name; errors pass on."""
        self._manager.hook.moltnet_store_opened(**arguments)

    def after_migrate(self, **arguments: object) -> None:
        """See the hook of this name; errors are logged."""
        self._observe(_in_turn(self._manager.hook.moltnet_after_migrate), arguments)

    def store_closing(self, **arguments: object) -> None:
        """See the hook of this name; errors are logged."""
        self._observe(_in_turn(self._manager.hook.moltnet_store_closing), arguments)

    def message_appended(self, **arguments: object) -> None:
        """See the hook of this name; errors are logged."""
        if self._appended:
            self._observe(self._appended, arguments)

    @property
    def observes_messages(self) -> bool:
        """Whether any plugin wants to hear of appended messages."""
        return bool(self._appended)

    @property
    def surrounds_calls(self) -> bool:
        """Whether any plugin puts something around calls."""
        return bool(self._around)

    def surround(self, store: Store, name: str, call: Callable[[], T]) -> T:
        """Make a call of a store within what plugins put around it; their errors are logged."""
        arguments = {"store": store, "name": name}
        return surrounded([(each.plugin_name, partial(_call, each, arguments)) for each in self._around], call)

    @staticmethod
    def _observe(implementations: Iterable[Any], arguments: Mapping[str, object]) -> None:
        # Each on its own: one that fails must not keep the others from being told.
        for implementation in implementations:
            try:
                _call(implementation, arguments)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises
                tell_of_failure(implementation.plugin_name, error)
