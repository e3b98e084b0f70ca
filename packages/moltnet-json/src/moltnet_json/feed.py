"""The feed of a snapshot file: what arrives in the tables made of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from moltnet_core.errors import StoreUnavailableError
from moltnet_core.feeds import Signal
from moltnet_json.files import Stamp, look_for
from moltnet_memory import Tables, TablesFeed

__all__ = ["ReadOnlyFeed"]

_POLL: Final = 0.05  # seconds between two looks at the file


class ReadOnlyFeed(TablesFeed):
    """Follows a file that others write: looks every now and then whether it is still the same."""

    def __init__(self, path: Path, lend: Callable[[], AbstractContextManager[Tables]]) -> None:
        self._woken = Signal()
        super().__init__(lend, self._woken)
        self._path = path
        self._stamp: Stamp | None = None

    def wait(self, timeout: float) -> bool:
        """See :meth:`moltnet_core.feeds.Feed.wait`."""
        until = time.monotonic() + timeout
        while True:
            try:
                stamp = Stamp.of(look_for(self._path))
            except StoreUnavailableError:
                self._stamp = None
                raise
            if stamp != self._stamp:
                self._stamp = stamp
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            if self._woken.wait(min(_POLL, left)):
                return True

    def rest(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.rest`."""
        self._stamp = None
