"""How far a long piece of work is: what is told meanwhile, and how the work is called off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import frozen

from moltnet_core.errors import CancelledError
from moltnet_core.records import Counts, RecordKind

__all__ = ["Cancelled", "OnProgress", "Progress", "Unit", "Work", "records_in"]

Unit = Literal["records", "bytes"]


@frozen
class Progress:
    """How far one phase of the work is. A phase begins with an event whose ``done`` is 0.

    :param phase: what is being done, in a word, such as ``"check"``, ``"copy"`` or ``"verify"``.
    :param done: how much of the phase is done, in ``unit``.
    :param total: how much there is to do, where that is known. It was counted when the phase began: in a store that is
        in use it may be a little off.
    :param kind: which records are being worked on, where they are records of one kind.
    :param unit: what ``done`` and ``total`` count.
    """

    phase: str
    done: int
    total: int | None = None
    kind: RecordKind | None = None
    unit: Unit = "records"


OnProgress = Callable[[Progress], object]
"""Is told of every step, in the thread that works: so it should be quick. What it raises ends the work."""

Cancelled = Callable[[], bool]
"""Is asked between steps whether the work is to end, as the ``is_set`` of a :class:`threading.Event` answers."""


class Work:
    """Tells of the progress of one piece of work, and ends it when it is called off.

    :param on_progress: is told.
    :param cancelled: is asked.
    """

    def __init__(self, on_progress: OnProgress | None = None, cancelled: Cancelled | None = None) -> None:
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._now = Progress("", 0)

    def begin(self, phase: str, total: int | None = None, unit: Unit = "records") -> None:
        """A phase begins.

        :raises CancelledError: the work was called off.
        """
        self._tell(Progress(phase, 0, total, None, unit))

    def step(self, count: int, kind: RecordKind | None = None) -> None:
        """So much more of the phase is done. Call it for batches, not for every record.

        :raises CancelledError: the work was called off.
        """
        now = self._now
        self._tell(Progress(now.phase, now.done + count, now.total, kind, now.unit))

    def _tell(self, progress: Progress) -> None:
        self._now = progress
        if self._on_progress is not None:
            self._on_progress(progress)
        if self._cancelled is not None and self._cancelled():
            raise CancelledError(progress.phase)


def records_in(counts: Counts) -> int:
    """How many records a store holds of which these are the counts."""
    return counts.rooms + counts.removed_rooms + counts.agents + counts.threads + counts.dms + counts.messages
