"""What the Go server's configuration says besides the store, and how its values differ from this project's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from moltnet_core.config._text import is_text
from moltnet_core.config.environment import ENVIRONMENT, NETWORK_VARIABLE, environment_value
from moltnet_core.config.file import ConfigFile
from moltnet_core.errors import ConfigError

__all__ = ["DEFAULT_NETWORK", "declared_rooms", "network_id", "path_without_options"]

DEFAULT_NETWORK: Final = "local"
"""The network when nothing names one."""


def network_id(environ: Mapping[str, str], file: ConfigFile | None) -> str:
    """The network: ``MOLTNET_NETWORK_ID``, else the file's ``network.id``, else :data:`DEFAULT_NETWORK`.

    :raises ConfigError: it is not a text.
    """
    source, key = ENVIRONMENT, NETWORK_VARIABLE
    found: object = environment_value(environ, NETWORK_VARIABLE)
    if found is None and file is not None:
        source, key = str(file.path), "network.id"
        found = file.section("network").get("id")
    if found is None:
        return DEFAULT_NETWORK
    if not isinstance(found, str) or not is_text(found):
        raise ConfigError(source, key, "expected a text; put it in quotes")
    return found.strip() or DEFAULT_NETWORK


def declared_rooms(file: ConfigFile | None) -> tuple[str, ...]:
    """The ids of the rooms that the file's ``rooms`` declares; what cannot be read as one is left out."""
    rooms = file.document.get("rooms") if file is not None else None
    if not isinstance(rooms, list):
        return ()
    ids = (room.get("id") for room in rooms if isinstance(room, Mapping))
    return tuple(dict.fromkeys(room_id.strip() for room_id in ids if isinstance(room_id, str) and room_id.strip()))


def path_without_options(text: str) -> tuple[str, str | None]:
    """A SQLite path as the server writes it: a ``?`` ends the file's name, the rest are its driver's options.

    It is made for the ``from_server`` of :func:`moltnet_core.config.settings.setting`.

    :return: the file's name, and a warning if there were options.
    """
    path, mark, _ = text.partition("?")
    return path, "what follows the '?' are options of the Go server's driver; they are ignored" if mark else None
