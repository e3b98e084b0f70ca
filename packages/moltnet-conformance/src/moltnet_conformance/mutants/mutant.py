"""``Mutant``: a broken backend and the clauses that have to notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import attrs

from moltnet_conformance.harness import Harness
from moltnet_core import Backend
from moltnet_core.driver import Driver
from moltnet_core.plugins import hookimpl
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.plugin import BACKEND

__all__ = ["Collection", "Mutant", "all_mutants"]

SCHEME = "mutant"
MODULES = ("rooms", "messages", "conversations", "pages", "artifacts", "agents", "values", "records", "stores")


@attrs.frozen
class Mutant:
    """A backend with one fault, or a lawful one that is only odd.

    :param name: as it stands in the matrix.
    :param fault: what is wrong with it.
    :param clauses: ids of those that have to fail on it, each in its call. None: it is lawful, and all have to pass.
    """

    name: str
    fault: str
    clauses: tuple[str, ...]
    backend: Backend = attrs.field(repr=False)

    def harness(self) -> type[Harness]:
        """A harness that opens it."""
        described = self.backend

        class Plugin:
            @hookimpl
            def moltnet_register_backend(self) -> Backend:
                return described

        class Broken(Harness):
            backend = described.name
            plugins = (Plugin(),)

            def new_location(self, tmp_path: Path) -> str:
                return f"{SCHEME}://"

        return Broken


class Collection(list[Mutant]):
    """The mutants of a module; calling it gives the decorator that makes one of a driver."""

    def __call__(
        self, fault: str, *clauses: str, traits: Sequence[str] = (), powers: Sequence[str] = ()
    ) -> Callable[[type[MemoryDriver]], type[MemoryDriver]]:
        """A decorator; the driver's name is the mutant's.

        :param traits: what it claims to be.
        :param powers: what it claims to have.
        """

        def add(driver: type[MemoryDriver]) -> type[MemoryDriver]:
            def opened(settings: object, *, read_only: bool = False) -> Driver:
                return driver()

            backend = attrs.evolve(BACKEND, name=SCHEME, open=opened, traits=traits, powers=powers, sublocation=None)
            self.append(Mutant(driver.__name__, fault, clauses, backend))
            return driver

        return add


def all_mutants() -> tuple[Mutant, ...]:
    """Every mutant."""
    found: list[Mutant] = []
    for name in MODULES:
        made: Collection = import_module(f"moltnet_conformance.mutants.{name}").mutant
        found += made
    return tuple(found)
