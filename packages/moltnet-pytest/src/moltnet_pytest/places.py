"""Places for throw-away stores: a new file, a new schema beside a store, or nothing but memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from moltnet_core import Backend
from moltnet_core.config import parse_url
from moltnet_core.plugins import load_backend

__all__ = ["NoPlaceError", "throw_away"]


class NoPlaceError(ValueError):
    """A backend cannot be told where to put a throw-away store."""


@contextmanager
def throw_away(where: str, folder: Callable[[], Path]) -> Iterator[str]:
    """A place where no store is yet, until the block ends.

    .. code-block:: python

        with throw_away("sqlite", lambda: Path("/tmp/new")) as location, open_store(location) as store:
            ...

    :param where: the name of a backend that keeps files, or nothing; or the URL of a store to put places beside. That
        store is neither opened nor changed, and need not exist: it says which file's folder, which server and database.
    :param folder: makes an empty folder; called for a backend's name, if the backend keeps files. Whoever gives it
        removes the folder.
    :returns: a URL for :func:`~moltnet_core.opening.open_store`. What is there is removed at the end, if it stands
        beside a URL; close its stores before.
    :raises NoPlaceError: the backend, by its name alone, has no place; or it has none beside others.
    :raises BackendNotFoundError: the backend is not installed.
    :raises ConfigError: the URL is wrong.
    """
    if "://" not in where:
        yield _place_of(load_backend(where)[0], folder)
        return
    backend, _ = load_backend(parse_url(where).scheme)
    if backend.sublocation is None:
        raise NoPlaceError(f"the backend {backend.name} cannot put a store beside another one (Backend.sublocation)")
    label = f"test_{secrets.token_hex(6)}"
    location = backend.sublocation(where, label)
    try:
        yield location
    finally:
        if backend.drop_sublocation is not None:
            backend.drop_sublocation(where, label)


def _place_of(backend: Backend, folder: Callable[[], Path]) -> str:
    """A URL for a backend of which only the name is known."""
    bare = f"{backend.name}://"
    file = f"{bare}/file"
    if "path" in _settings(backend, file):
        return f"{bare}/{quote(str((folder() / backend.name).absolute()))}"
    if not _settings(backend, bare):
        return bare
    raise NoPlaceError(
        f"the backend {backend.name} needs a URL: {bare}user@host/database, say. Each test has a place of its own "
        "beside the store that the URL names, which is left alone"
    )


def _settings(backend: Backend, url: str) -> dict[str, object]:
    """The settings that a URL comes to; something, if it is none for this backend."""
    try:
        return dict(backend.from_url(parse_url(url)))
    except ValueError:
        return {"url": None}
