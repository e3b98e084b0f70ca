"""What is logged: a catalogue of events, each with a name that stays.

Every record has the event's name as its attribute ``event`` and the event's fields as attributes of their names,
beside a message for people, whose wording may change. Backends have a catalogue of their own in their ``events``
module. What an operation raises is not logged too. No field holds what was said, or a credential.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from time import perf_counter
from typing import Final, ParamSpec, TypeVar

from attrs import field, frozen

__all__ = ["EVENTS", "Event", "Level", "logged"]

P = ParamSpec("P")
T = TypeVar("T")


class Level(IntEnum):
    """As :mod:`logging` has them, which is imported when there is something to log."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@frozen
class Event:
    """Something that an operator acts on, or looks for when something else went wrong.

    :param name: how programs know it.
    :param logger: the name of the logger that gets it.
    :param fields: what each record of it has as attributes, none of them one of :class:`logging.LogRecord`'s own.
    :param meaning: what has happened, and what there is to do.
    """

    name: str
    logger: str
    level: Level
    fields: tuple[str, ...]
    meaning: str = field(repr=False)

    def log(self, message: str, *arguments: object, **fields: object) -> None:
        """Log it.

        :param message: for people, with places for the arguments as :mod:`logging` has them.
        :param fields: all that it has.
        """
        import logging

        logger = logging.getLogger(self.logger)
        if logger.isEnabledFor(self.level):
            logger.log(self.level, message, *arguments, extra={"event": self.name} | fields, stacklevel=2)


STORE_OPENED: Final = Event(
    "moltnet.store.opened",
    "moltnet_core.store",
    Level.INFO,
    ("backend", "read_only"),
    "A store is ready for use.",
)
STORE_CLOSED: Final = Event(
    "moltnet.store.closed",
    "moltnet_core.store",
    Level.INFO,
    ("backend", "calls", "failed"),
    "A store was closed, after so many calls, of which so many raised.",
)
STORE_MIGRATED: Final = Event(
    "moltnet.store.migrated",
    "moltnet_core.store",
    Level.INFO,
    ("backend", "applied", "seconds"),
    "Migrations were applied: a list such as `moltnet:8`.",
)
SCHEMA_NEWER: Final = Event(
    "moltnet.store.schema_newer",
    "moltnet_core.store",
    Level.WARNING,
    ("series", "applied", "known"),
    "A store that is only read has a newer schema than this software knows. Upgrade the software.",
)
RECORD_SKIPPED: Final = Event(
    "moltnet.record.skipped",
    "moltnet_core.store",
    Level.WARNING,
    ("table", "record_id", "problem"),
    "A stored record cannot be decoded and was left out, as the caller asked. `moltnet-storage check` says more.",
)
CALL_SLOW: Final = Event(
    "moltnet.call.slow",
    "moltnet_core.store",
    Level.WARNING,
    ("backend", "call", "seconds", "error"),
    "A call took longer than `slow_call` of `open_store`. `error` is the class of what it raised, or `None`.",
)
PLUGIN_FAILED: Final = Event(
    "moltnet.plugin.failed",
    "moltnet_core.plugins",
    Level.ERROR,
    ("plugin", "error", "file", "line"),
    "A plugin's hook raised where that stops nobody. Its error's text is not told, as it may hold a message.",
)
WORK_BEGUN: Final = Event(
    "moltnet.work.begun",
    "moltnet_core.work",
    Level.INFO,
    ("work",),
    "A `backup`, `restore`, `copy`, `export`, `import` or `repair` begins. Dry runs are not told.",
)
WORK_ENDED: Final = Event(
    "moltnet.work.ended",
    "moltnet_core.work",
    Level.INFO,
    ("work", "seconds", "error"),
    "It has ended. `error` is the class of what it raised, or `None`.",
)
WATCH_INTERRUPTED: Final = Event(
    "moltnet.watch.interrupted",
    "moltnet_core.watch",
    Level.WARNING,
    ("error",),
    "A watch cannot read on, as the store is away or busy; it tries again for its `patience`. `error` is the class of "
    "what it was told.",
)
WATCH_RESUMED: Final = Event(
    "moltnet.watch.resumed",
    "moltnet_core.watch",
    Level.INFO,
    ("seconds",),
    "A watch that was interrupted goes on, after so long.",
)
WATCH_DEAF: Final = Event(
    "moltnet.watch.deaf",
    "moltnet_core.watch",
    Level.WARNING,
    ("error",),
    "The wait for new messages failed and is tried again; until then the store's watches look without being told. "
    "`error` is the class of what it raised.",
)
SETTING_IGNORED: Final = Event(
    "moltnet.config.setting_ignored",
    "moltnet_core.config",
    Level.WARNING,
    ("source", "key"),
    "A setting, or a part of it, means something to the Go server only. The message says what.",
)
FILE_EXPOSED: Final = Event(
    "moltnet.config.file_exposed",
    "moltnet_core.config",
    Level.WARNING,
    ("source", "keys"),
    "A configuration file with a password can be read by others. `chmod 600` it.",
)

EVENTS: Final = (
    STORE_OPENED,
    STORE_CLOSED,
    STORE_MIGRATED,
    SCHEMA_NEWER,
    RECORD_SKIPPED,
    CALL_SLOW,
    PLUGIN_FAILED,
    WORK_BEGUN,
    WORK_ENDED,
    WATCH_INTERRUPTED,
    WATCH_RESUMED,
    WATCH_DEAF,
    SETTING_IGNORED,
    FILE_EXPOSED,
)
"""The core's."""


def logged(work: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Logs the begin and the end of a long piece of work, unless its option ``dry_run`` is true."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> T:
            if options.get("dry_run"):
                return function(*args, **options)
            WORK_BEGUN.log("%s begun", work, work=work)
            begun, error = perf_counter(), None
            try:
                return function(*args, **options)
            except BaseException as raised:
                error = type(raised).__name__
                raise
            finally:
                seconds = perf_counter() - begun
                how = f" with {error}" if error else ""
                WORK_ENDED.log("%s ended%s after %.3g s", work, how, seconds, work=work, seconds=seconds, error=error)

        return call

    return decorate
