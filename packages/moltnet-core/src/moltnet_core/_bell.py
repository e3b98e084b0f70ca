"""Wakes the watches of a store: one thread waits for all of them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Final, Protocol

from moltnet_core._threads import until_gone
from moltnet_core.errors import MoltnetError
from moltnet_core.events import WATCH_DEAF
from moltnet_core.feeds import Feed
from moltnet_core.forking import around_forks

__all__ = ["Bell"]

_LOOK: Final = 1.0  # seconds after which the thread sees whether a watch was simply dropped
_FORK_PATIENCE: Final = 2.0  # seconds that a fork waits for the thread to end
_PAUSES: Final = (0.1, 5.0)  # seconds between two waits that fail: the first, and the longest


class Watching(Protocol):
    """What is woken."""

    def notify(self) -> None:
        """There may be something new, or the store is closed. Called from any thread."""
        ...


class Bell:
    """Its thread lives from when a watch first has to wait until none is open any more.

    :param open_feed: gives the driver's feed; called once.
    """

    _lock: threading.Lock
    _thread: threading.Thread | None

    def __init__(self, open_feed: Callable[[], Feed]) -> None:
        self._open_feed = open_feed
        self._feed: Feed | None = None
        self._watches: weakref.WeakSet[Watching] = weakref.WeakSet()
        self._closed = False
        self.after_fork_in_child()
        _bells.add(self)

    def feed(self) -> Feed:
        """The driver's feed."""
        with self._lock:
            if self._feed is None:
                self._feed = self._open_feed()
            return self._feed

    def enter(self, watch: Watching) -> None:
        """Wake a watch from now on, for as long as somebody has it."""
        with self._lock:
            self._watches.add(watch)

    def leave(self, watch: Watching) -> None:
        """Wake it no more."""
        with self._lock:
            self._watches.discard(watch)
            if not self._watches and self._thread is not None and self._feed is not None:
                self._feed.wake()

    def listen(self) -> None:
        """See that the thread is there: called by a watch before it waits, and after it has looked."""
        with self._lock:
            if self._thread is None and not self._closed and self._feed is not None:
                self._stopping = threading.Event()
                thread = threading.Thread(
                    target=self._run, args=(self._feed, self._stopping), name="moltnet-watch", daemon=True
                )
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """End the thread and wake every watch."""
        self._closed = True
        self._stop()
        self._ring()

    def _ring(self) -> None:
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.notify()

    def _run(self, feed: Feed, stopping: threading.Event) -> None:
        with self._lock:
            if self._thread is not threading.current_thread():
                return  # whoever started it was interrupted meanwhile
        pause = 0.0
        while True:
            with self._lock:
                if stopping.is_set() or not self._watches:
                    self._rest(feed)
                    self._thread = None
                    return
            try:
                is_new = feed.wait(_LOOK)
                pause = 0.0
            except Exception as error:  # noqa: BLE001 - the watches look, find out what is the matter, and say it
                if not pause:
                    _tell("waiting for new messages failed, and is tried again: %s", error)
                is_new = True
                pause = min(max(2 * pause, _PAUSES[0]), _PAUSES[1])
            if is_new and not stopping.is_set():
                self._ring()
            if pause:
                stopping.wait(pause)

    @staticmethod
    def _rest(feed: Feed) -> None:
        try:
            feed.rest()
        except Exception as error:  # noqa: BLE001 - nobody is there to be told
            _tell("what waiting for new messages held could not be freed: %s", error)

    def _stop(self, patience: float | None = None) -> threading.Thread | None:
        with self._lock:
            thread = self._thread
            if thread is None or self._feed is None:
                return None
            self._stopping.set()
            self._feed.wake()
        thread.join(patience)
        return thread

    # -- fork ----------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """End the thread: a process should not fork beside one, and the child has none."""
        thread = self._stop(_FORK_PATIENCE)
        self._stopped_for_fork = thread is not None
        if thread is not None:
            until_gone([thread])

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._stopped_for_fork:
            with self._lock:
                self._stopping.clear()  # it may not have ended in time: then it goes on
            self.listen()

    def after_fork_in_child(self) -> None:
        """Begin anew."""
        self._lock = threading.Lock()
        self._thread = None
        self._stopping = threading.Event()
        self._stopped_for_fork = False


def _tell(message: str, error: Exception) -> None:
    name = type(error).__name__
    # Only an error of the contract may speak for itself: the text of a driver's own may hold a row.
    WATCH_DEAF.log(message, error if isinstance(error, MoltnetError) else name, error=name)


_bells: weakref.WeakSet[Bell] = weakref.WeakSet()

around_forks(
    _bells, before=Bell.before_fork, after_in_parent=Bell.after_fork_in_parent, after_in_child=Bell.after_fork_in_child
)
