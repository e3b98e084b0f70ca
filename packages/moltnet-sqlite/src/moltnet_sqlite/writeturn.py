"""The turn to write: SQLite has one writer at a time, and those of one process wait for each other here."""

from __future__ import annotations

from collections.abc import Callable

from moltnet_core.errors import StoreBusyError
from moltnet_core.turns import Turn

__all__ = ["WriteTurn"]


class WriteTurn:
    """Held by the one thread of this process that writes: the others wait here, where nobody has to poll.

    :param timeout: seconds to wait for the turn.
    :param prepare: called by whoever has it, before the write.
    :param tidy: called by whoever has it, after the write; raises nothing.
    """

    def __init__(self, timeout: float, prepare: Callable[[], None], tidy: Callable[[], None]) -> None:
        self._timeout = timeout
        self._prepare = prepare
        self._tidy = tidy
        self._turn = Turn()

    @property
    def is_held(self) -> bool:
        """Whether somebody writes."""
        return self._turn.is_held

    def __enter__(self) -> None:
        if not self._turn.acquire(timeout=self._timeout):
            raise StoreBusyError(
                f"another thread wrote for longer than busy_timeout ({self._timeout:g} s); try again, "
                "or open with a longer ?busy_timeout=SECONDS"
            )
        try:
            self._prepare()
        except BaseException:
            self._turn.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self._tidy()
        finally:
            self._turn.release()
