"""``Backend``: the frozen description of a backend that a plugin registers.

It says what the backend is and can do, and how to open a driver; the core does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from moltnet_core.config.url import StoreUrl
    from moltnet_core.driver import Driver, LoadRecord

__all__ = ["API_VERSION", "CONTRACT_VERSION", "Backend", "BackupFile", "Power", "Trait"]

API_VERSION = 1
"""The version of the interface between the core and backends (``Driver``, ``Backend``, the hooks)."""

CONTRACT_VERSION = "1.0"
"""The version of the storage contract."""


class Trait(StrEnum):
    """What a backend is."""

    PERSISTENT = "persistent"
    """What was written is there after the store is closed and opened again."""
    MULTI_PROCESS = "multi_process"
    """Several processes may have one store open at a time."""


class Power(StrEnum):
    """What a backend can do beyond the contract's required operations."""

    READ_ONLY = "read_only"
    """It opens a store with ``mode=ro``."""
    MIGRATIONS = "migrations"
    """Its drivers keep a migration log (:class:`moltnet_core.driver.SupportsMigrations`)."""
    ONLINE_BACKUP = "online_backup"
    """Its drivers copy the whole store while it is in use (:class:`moltnet_core.driver.SupportsBackup`)."""
    WATCH = "watch"
    """Its drivers give messages in the order of their commits (:class:`moltnet_core.driver.SupportsWatch`)."""


def _capabilities(values: object) -> frozenset[str]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise TypeError(f"expected a collection of traits or powers, not {values!r}")
    return frozenset(str(value) for value in values)


@attrs.frozen(kw_only=True)
class BackupFile:
    """Of a backend with the power ``online_backup``: how the file that a backup makes is one of its stores.

    :param name: what such a file is called, with its usual suffix.
    :param settings: from a path to the raw settings of a store that is this file.
    :param place: from a store's settings to the path of its file. Whatever else belongs to a store has that name and a
        suffix.
    :param check: sees that the engine finds such a file sound, beyond what reading every record shows; raises
        ``CorruptStoreError`` if not.
    :param replace: ``replace(settings, new, aside)`` puts the file ``new`` in the place of the store's, which it is on
        one file system with. What is there, if anything, is kept at the path ``aside``, with all that belongs to it
        beside it, and where it can be found out that somebody has the store open, that is a ``StoreBusyError`` with
        nothing changed. It returns whether something was kept. Killed at any moment it leaves the old store, or the
        new one, or nothing, in place, never a mixture; called again it goes on.
    """

    name: str
    settings: Callable[[Path], Mapping[str, object]]
    place: Callable[[Any], Path]
    replace: Callable[[Any, Path, Path], bool]
    check: Callable[[Path], None] = lambda path: None


@attrs.frozen(kw_only=True)
class Backend:
    """What a plugin's ``moltnet_register_backend`` hook returns.

    :param name: the entry point's name: ``[a-z][a-z0-9]*``; also the URL scheme and the configuration section.
    :param summary: one line for people, without a full stop.
    :param durability: what a returned write is worth, in a few words (``"persistent, WAL mode"``).
    :param settings: an attrs class whose fields are made by :func:`moltnet_core.config.settings.setting`.
    :param open: makes a driver of an instance of ``settings``. With ``read_only`` the driver must not change
        anything stored; it is only ever passed to a backend with :attr:`Power.READ_ONLY`. It does not migrate.
    :param from_url: turns a URL into raw setting values by name; :func:`moltnet_core.config.locations.file_url`
        and :func:`moltnet_core.config.locations.dsn_url` are ready-made.
    :param traits: of :class:`Trait`.
    :param powers: of :class:`Power`.
    :param time_digits: fractional digits of a second that are stored: 9 or 6.
    :param migration_target: what migrations for this backend are written for (``"sql:sqlite"``), if it has any.
    :param sublocation: from a store's URL and a label (``a`` to ``z``, digits and ``_``) to the URL of a place beside
        it, where no store is yet: another file, another schema. The conformance kit makes its places so.
        :func:`moltnet_core.config.locations.file_beside` is ready-made.
    :param drop_sublocation: from the same two arguments, removes everything at the place that ``sublocation`` names,
        and is no error where nothing is. It never sees a URL to remove, only one to stay beside, so that nobody can
        hand it a store of the user's; for the same reason it refuses, with a ``ValueError``, what is no label
        (:func:`moltnet_core.config.locations.check_label`).
        :func:`moltnet_core.config.locations.drop_file` is ready-made.
    :param backup_file: how a file that the driver's ``backup`` made becomes a store again. Without it, a backup is an
        export, and is restored by loading.
    :param refuses: why a record that the contract allows cannot be stored here, or ``None`` if it can. It spares a copy
        to find that out in the middle; leave it out if there is nothing.
    :param api_version: the interface it was written for; leave it out.
    """

    name: str
    summary: str
    durability: str
    settings: type[Any]
    open: Callable[..., Driver]
    from_url: Callable[[StoreUrl], Mapping[str, object]]
    traits: frozenset[str] = attrs.field(default=frozenset(), converter=_capabilities)
    powers: frozenset[str] = attrs.field(default=frozenset(), converter=_capabilities)
    time_digits: int = 9
    migration_target: str | None = None
    sublocation: Callable[[str, str], str] | None = None
    drop_sublocation: Callable[[str, str], None] | None = None
    backup_file: BackupFile | None = None
    refuses: Callable[[LoadRecord], str | None] | None = None
    api_version: int = API_VERSION

    @property
    def capabilities(self) -> frozenset[str]:
        """Traits and powers together, by name."""
        return self.traits | self.powers
