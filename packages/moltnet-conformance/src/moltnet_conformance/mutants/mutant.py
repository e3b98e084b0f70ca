"""``Mutant``: a broken backend and the clauses that have to notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import attrs

from moltnet_conformance.harness import Harness
from moltnet_core import Backend, Store
from moltnet_core.driver import Driver
from moltnet_core.migrations import Migration
from moltnet_core.plugins import hookimpl
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.plugin import BACKEND

__all__ = ["Collection", "Mutant", "all_mutants", "are_complete"]

SCHEME = "mutant"
MODULES = (
    "rooms",
    "messages",
    "conversations",
    "pages",
    "artifacts",
    "agents",
    "values",
    "limits",
    "records",
    "handing_out",
    "stores",
    "life",
    "claims",
    "watching",
    "checks",
    "lawful",
)
SQLITE_MODULES = (
    "sqlite_statements",
    "sqlite_transactions",
    "sqlite_files",
    "sqlite_backups",
    "sqlite_life",
    "sqlite_watching",
)
Made = TypeVar("Made", bound=type[Driver] | type[Store])
Opener = Callable[[Any, Any, bool], Driver]


@attrs.frozen(eq=False)
class Mutant:
    """A backend with one fault, or a lawful one that is only odd. It is the plugin that registers itself.

    :param name: as it stands in the matrix.
    :param module: where it is defined, in a collection ``mutant``.
    :param fault: what is wrong with it.
    :param clauses: ids of those that have to fail on it, each in its call. None: it is lawful, and all have to pass.
    :param location: where its stores are, after the scheme; ``{}`` stands for a folder.
    :param store: what a store of it becomes when it is opened: faults in front of the driver.
    """

    name: str
    module: str
    fault: str
    clauses: tuple[str, ...]
    backend: Backend = attrs.field(repr=False)
    location: str = ""
    migrations: Sequence[Migration] = attrs.field(default=(), repr=False)
    store: type[Store] | None = attrs.field(default=None, repr=False)

    @property
    def is_lawful(self) -> bool:
        """Whether it breaks nothing."""
        return not self.clauses

    @property
    def reference(self) -> str:
        """What imports it, in other processes too."""
        return f"{self.module}:mutant.{self.name}"

    def harness(self) -> type[Harness]:
        """A harness that opens it."""
        mutant = self

        class Broken(Harness):
            backend = mutant.backend.name
            plugins = (mutant.reference,)

            def new_location(self, tmp_path: Path) -> str:
                return f"{SCHEME}://{mutant.location.format(tmp_path)}"

        return Broken

    @hookimpl
    def moltnet_register_backend(self) -> Backend:
        """The backend."""
        return self.backend

    @hookimpl
    def moltnet_migrations(self, backend: Backend) -> Sequence[Migration]:
        """Its own, if it has any."""
        return self.migrations if backend is self.backend else ()

    @hookimpl
    def moltnet_store_opened(self, store: Store) -> None:
        """Puts a fault in front of the driver, as a backend's own module could."""
        if self.store is not None:
            store.__class__ = self.store


class Collection(list[Mutant]):
    """The mutants of a module; calling it gives the decorator that makes one of a driver, or of a store.

    :param base: what they are like but for the fault.
    :param opener: makes a driver: of its class, the settings, and whether it only reads.
    :param location: where their stores are, after the scheme; ``{}`` stands for a folder.
    :param migrations: of a backend that has them.
    """

    def __init__(
        self,
        base: Backend = BACKEND,
        opener: Opener = lambda driver, settings, read_only: driver(),
        location: str = "",
        migrations: Sequence[Migration] = (),
    ) -> None:
        super().__init__()
        self._base = base
        self._opener = opener
        self._location = location
        self._migrations = migrations

    def __getattr__(self, name: str) -> Mutant:
        for mutant in self:
            if mutant.name == name:
                return mutant
        raise AttributeError(name)

    def __call__(
        self, fault: str, *clauses: str, migrations: Sequence[Migration] | None = None, **described: Any
    ) -> Callable[[Made], Made]:
        """A decorator; the name of the driver, or store, is the mutant's.

        :param migrations: instead of the usual ones.
        :param described: what else the backend says of itself, by the names of ``Backend``.
        """

        def add(made: Made) -> Made:
            is_store = issubclass(made, Store)
            driver: Any = MemoryDriver if is_store else made

            def opened(settings: object, *, read_only: bool = False) -> Driver:
                return self._opener(driver, settings, read_only)

            own: dict[str, Any] = {"name": SCHEME, "open": opened, "sublocation": None, "drop_sublocation": None}
            self.append(
                Mutant(
                    made.__name__,
                    made.__module__,
                    fault,
                    clauses,
                    attrs.evolve(self._base, **own | described),
                    self._location,
                    self._migrations if migrations is None else migrations,
                    made if issubclass(made, Store) else None,
                )
            )
            return made

        return add


def are_complete() -> bool:
    """Whether the backend that some mutants are made of is installed: it comes with the extra ``selftest``."""
    return find_spec("moltnet_sqlite") is not None


def all_mutants() -> tuple[Mutant, ...]:
    """Every mutant, but for those whose backend is not installed."""
    found: list[Mutant] = []
    for name in (*MODULES, *(SQLITE_MODULES if are_complete() else ())):
        made: Collection = import_module(f"moltnet_conformance.mutants.{name}").mutant
        found += made
    return tuple(found)
