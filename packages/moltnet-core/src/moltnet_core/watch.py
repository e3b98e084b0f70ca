"""``Watch``: new messages one by one, as they are committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from moltnet_core._bell import Bell
from moltnet_core._follower import Follower
from moltnet_core.types import Message, Start

__all__ = ["PATIENCE", "Watch"]

PATIENCE: Final = 60.0
"""Seconds for which a watch bears with a store that cannot be reached, unless it is told otherwise."""


class Watch(Iterator[Message]):
    """New messages, in the order of their commits: ``for message in store.watch(): …``.

    :meth:`Store.watch <moltnet_core.store.Store.watch>` makes one. An error does not end it: iterated again it goes on
    behind what it has handed out. Several threads may share one: each message goes to one of them. Leave it by ``with``
    or :meth:`close`; one that is dropped frees what it holds too. It belongs to the process that made it.
    """

    def __init__(self, follower: Follower, bell: Bell) -> None:
        self._follower = follower
        self._bell = bell
        self._turn = threading.Lock()
        self._rung = threading.Event()
        self._closed = False
        bell.enter(self)

    @property
    def token(self) -> str | Start:
        """What to give as ``after`` to go on from here, in this process or another: a message's id, or ``START``.

        Everything up to it was handed out. It may be the id of a message of another conversation. That of a message
        which was handed out will do as well.
        """
        return self._follower.token

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Message:
        """The next message; waits for it.

        :raises StopIteration: the watch is closed, or ``timeout`` seconds went by without one; then it can be iterated
            again.
        :raises StoreClosedError: the store was closed.
        :raises StoreUnavailableError: it could not be reached for ``patience`` seconds; so for ``StoreBusyError``.
        :raises CorruptRecordError: the next message cannot be decoded, and ``on_corrupt`` is ``"raise"``.
        :raises InvalidCursorError: the last messages that it handed out were all taken out of the store.
        """
        follower, timeout = self._follower, self._follower.options.timeout
        until = None if timeout is None else time.monotonic() + timeout
        with self._turn:
            while not self._closed:
                if follower.is_ready:
                    return follower.take()
                self._rung.clear()
                pause = follower.step()
                if pause != 0:
                    self._wait(pause, until)
        raise StopIteration

    def _wait(self, pause: float | None, until: float | None) -> None:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            if self._follower.failure is not None:
                raise self._follower.failure
            raise StopIteration
        if not self._closed:
            self._bell.listen()
            self._rung.wait(min((each for each in (pause, left) if each is not None), default=None))

    def notify(self) -> None:
        """Look again: called by the store, when there may be something new, or when it is closed."""
        self._rung.set()

    def close(self) -> None:
        """End the watch: iterating over it ends, also in a thread that is waiting for the next message."""
        self._closed = True
        self._rung.set()
        self._bell.leave(self)
