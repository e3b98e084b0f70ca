"""``Harness``: what a backend's author writes; ``Place``: what clauses open stores with."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

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

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}  # of the places beside ``location``, by their URLs

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
        label = f"kit_{secrets.token_hex(6)}"
        made = beside(self.location, label)
        self._labels[made] = label
        return made

    def drop(self, location: str) -> None:
        """Remove what is at a location that :meth:`new_location` has put beside :attr:`location`, and nothing else.

        Its stores have been closed. A harness with a ``new_location`` of its own may want one of these as well.
        """
        label = self._labels.pop(location, None)
        if label is None or self.location is None:
            return
        remove = self.described().drop_sublocation
        if remove is not None:
            remove(self.location, label)

    def backup_location(self, path: Path) -> str:
        """The URL of a store that is a file made by ``Store.backup``: here ``mydb:////absolute/file``.

        It is asked only of a backend with the power ``online_backup``.
        """
        return f"{self.backend}:///{quote(str(path.absolute()))}"


class Place:
    """Opens stores of one backend, for one clause.

    :ivar location: the last new one.
    :ivar folder: that was made for it.
    """

    def __init__(self, harness: Harness, folder: Path) -> None:
        self.backend = harness.backend
        self._harness = harness
        self._folder = folder
        self._named = 0
        self.folder = folder
        self.location = ""
        self._locations: list[str] = []
        self._stores: list[Store] = []

    @property
    def described(self) -> Backend:
        """The backend as it describes itself."""
        return self._harness.described()

    def new_location(self) -> str:
        """A URL where no store is yet."""
        self._named += 1
        self.folder = self._folder / f"place{self._named}"
        self.folder.mkdir()
        self.location = self._harness.new_location(self.folder)
        self._locations.append(self.location)
        return self.location

    def open(self, location: str | None = None, **options: Any) -> Store:
        """Open a store, at a new location unless one is given."""
        plugins = [*self.plugins, *options.pop("plugins", ())]
        where = self.new_location() if location is None else location
        store = open_store(where, environ={}, plugins=plugins, **options)
        self._stores.append(store)
        return store

    def open_backup(self, path: Path, **options: Any) -> Store:
        """Open a store that is a file made by ``Store.backup``."""
        return self.open(self._harness.backup_location(path), **options)

    @property
    def plugins(self) -> Sequence[object]:
        """The plugins that stores are opened with."""
        return loaded(self._harness.plugins)

    def close(self) -> None:
        """Close all stores and drop all locations. Others can be opened afterwards.

        :raises ExceptionGroup: of those that could not be; all others were.
        """
        problems = []
        stores, self._stores = self._stores, []
        locations, self._locations = self._locations, []
        ends = [store.close for store in reversed(stores)]
        ends += [partial(self._harness.drop, location) for location in locations]
        for end in ends:
            try:
                end()
            except Exception as error:  # noqa: BLE001 - raised below, with the others
                problems.append(error)
        if problems:
            raise ExceptionGroup(f"stores of {self.backend} could not be closed, or their places not dropped", problems)
