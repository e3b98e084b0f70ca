"""From a store URL to raw settings: what a backend can use as its ``from_url``.

.. code-block:: python

    Backend(..., from_url=file_url)                                       # mydb:///relative/file?busy_timeout=5
    Backend(..., from_url=partial(dsn_url, settings=MyDbSettings))        # mydb://user@host/db?pool_size=5&sslmode=require
    Backend(..., from_url=bare_url)                                       # mydb://
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from moltnet_core.config.settings import setting_names
from moltnet_core.config.url import StoreUrl, parse_url
from moltnet_core.errors import ConfigError
from moltnet_core.files import storage_error

__all__ = ["bare_url", "check_label", "check_path", "drop_file", "dsn_url", "file_beside", "file_url"]

_LABEL = re.compile(r"[a-z0-9_]+")


def file_url(url: StoreUrl) -> dict[str, str]:
    """The setting ``path``, percent-decoded (``%3F`` is a ``?`` in a name), and one setting per query key.

    :raises ConfigError: there is no path, or something stands where a host would.
    """
    if url.authority:
        raise ConfigError(
            url.redacted,
            "path",
            f"{url.scheme}:// with two slashes names a host; write {url.scheme}:///relative with three "
            f"or {url.scheme}:////absolute with four",
        )
    if not url.path:
        raise ConfigError(url.redacted, "path", f"expected a file's path: {url.scheme}:///relative.file")
    _refuse(url, "path")
    return {"path": url.path, **url.query}


def dsn_url(url: StoreUrl, settings: type[Any] | None = None) -> dict[str, str]:
    """The setting ``dsn``, the URL as it was written, without the core's ``mode`` and without settings.

    :param settings: the backend's settings class: query keys that it has become settings, and leave the DSN. All
        other keys stay in it, for the driver. Without the class all keys stay.
    """
    _refuse(url, "dsn")
    names = setting_names(settings) if settings is not None else ()
    claimed = {key: value for key, value in url.query.items() if key in names}
    return {"dsn": url.without(claimed), **claimed}


def bare_url(url: StoreUrl) -> dict[str, str]:
    """One setting per query key, for a backend that has no place.

    :raises ConfigError: there is a host or a path.
    """
    if url.authority or url.path:
        raise ConfigError(url.redacted, None, f"this backend has no host and no path: {url.scheme}://")
    return dict(url.query)


def check_label(label: str) -> None:
    """Refuse what is no label of a place beside another. A ``drop_sublocation`` begins with this.

    :raises ValueError: it is empty, or holds something other than ``a`` to ``z``, digits and ``_``.
    """
    if not _LABEL.fullmatch(label):
        raise ValueError(f"a label is made of a to z, digits and _: not {label!r}")


def file_beside(location: str, label: str) -> str:
    """The ``sublocation`` of a backend whose places are files: beside ``mydb:///a.db`` that is ``mydb:///a.db.label``.

    :raises ValueError: it is no label.
    :raises ConfigError: the location names no file.
    """
    check_label(label)
    url = parse_url(location)
    file_url(url)
    head, question, query = url.without(()).partition("?")
    return f"{head}.{label}{question}{query}"


def drop_file(location: str, label: str) -> None:
    """The ``drop_sublocation`` of such a backend: removes the file, and what the engine keeps beside it by its name.

    That is ``a.db.label``, and what begins with it and goes on with ``-`` or ``.``, such as ``a.db.label-wal``. Folders
    are no files, and stay.

    :raises ValueError: it is no label. Nothing is removed.
    :raises ConfigError: the location names no file. Nothing is removed.
    :raises StorageIOError: something could not be removed; the rest was.
    :raises ReadOnlyStoreError: the folder cannot be written.
    """
    path = Path(parse_url(file_beside(location, label)).path)
    own = re.compile(rf"{re.escape(path.name)}(?:[-.].*)?", re.DOTALL)
    failure = None
    for found in sorted(path.parent.iterdir()) if path.parent.is_dir() else ():
        if own.fullmatch(found.name):
            try:
                found.unlink(missing_ok=True)
            except OSError as error:
                failure = failure or storage_error(f"{found} could not be removed", error)
    if failure is not None:
        raise failure


def check_path(path: Path) -> str | None:
    """The ``check`` of a setting that is a file's path: what is wrong with it, or ``None``."""
    first = path.parts[0] if path.parts else ""
    if first.endswith(":") and not path.is_absolute():
        return "it looks like a URL; expected a file's path, such as chat.db"
    if first.startswith("~"):
        return "~ stands for your home only in a shell; expected the path itself"
    return None


def _refuse(url: StoreUrl, name: str) -> None:
    if name in url.query:
        raise ConfigError(url.redacted, name, "the URL itself says it; it cannot be a query key too")
