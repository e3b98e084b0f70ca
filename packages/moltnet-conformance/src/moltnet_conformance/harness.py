"""``Harness``: what a backend's author writes; ``Place``: what clauses open stores with."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from moltnet_conformance.uninstalled import loaded
from moltnet_core import Backend, Store, open_store
from moltnet_core.plugins import load_backend

__all__ = ["Harness", "Place"]


class Harness:
    """Says which backend is judged, and where it finds room for new stores.

    A subclass defines :meth:`new_location`, or names a ``location`` that stores can be put beside.
    """

    backend: ClassVar[str]
    """The name of its entry point, which is also its URL scheme."""

    location: ClassVar[str | None] = None
    """The URL of a place of the backend. It is not opened: stores go beside it, by ``Backend.sublocation``."""

    plugins: ClassVar[Sequence[object]] = ()
    """Plugins to open stores with; a backend that is not installed can be among them.

    A text names what to import, as in an entry point: ``"my_backend"`` or ``"my_backend:PLUGIN"``. Clauses that start
    processes need it so, or as a module: another object does not get there.
    """

    @classmethod
    def described(cls) -> Backend:
        """The backend as it describes itself."""
        return load_backend(cls.backend, loaded(cls.plugins))[0]

    def new_location(self, tmp_path: Path) -> str:
        """A URL where no store is yet.

        :param tmp_path: an empty folder, another for each location, which goes away by itself.
        """
        beside = self.described().sublocation
        if self.location is None or beside is None:
            raise NotImplementedError(
                f"backend {self.backend} has no rule for places beside a given one (Backend.sublocation); "
                "define new_location in the harness"
            )
        return beside(self.location, f"kit_{secrets.token_hex(6)}")

    def drop(self, location: str) -> None:
        """Remove what is at a location of :meth:`new_location`; its stores have been closed."""
        remove = self.described().drop_sublocation
        if self.location is not None and remove is not None:
            remove(location)


class Place:
    """Opens stores of one backend, for one clause."""

    def __init__(self, harness: Harness, folder: Path) -> None:
        self.backend = harness.backend
        self._harness = harness
        self._folder = folder
        self._locations: list[str] = []
        self._stores: list[Store] = []

    @property
    def described(self) -> Backend:
        """The backend as it describes itself."""
        return self._harness.described()

    def new_location(self) -> str:
        """A URL where no store is yet."""
        folder = self._folder / f"place{len(self._locations) + 1}"
        folder.mkdir()
        self._locations.append(self._harness.new_location(folder))
        return self._locations[-1]

    def open(self, location: str | None = None, **options: Any) -> Store:
        """Open a store, at a new location unless one is given."""
        plugins = [*loaded(self._harness.plugins), *options.pop("plugins", ())]
        where = self.new_location() if location is None else location
        store = open_store(where, environ={}, plugins=plugins, **options)
        self._stores.append(store)
        return store

    def close(self) -> None:
        """Close all stores and drop all locations."""
        with ExitStack() as stack:
            for location in self._locations:
                stack.callback(self._harness.drop, location)
            for store in self._stores:
                stack.callback(store.close)
