"""Streams never end by themselves, so they are ended when the service is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from moltnet_core import AsyncWatch

__all__ = ["Streams", "told_to_stop"]


class Streams:
    """The streams that are open.

    :ivar ended: whether they are to end.
    """

    def __init__(self) -> None:
        self.ended = False
        self._watches: set[AsyncWatch] = set()
        self._closing: list[asyncio.Task[None]] = []

    @contextmanager
    def holding(self, watch: AsyncWatch) -> Iterator[None]:
        """Keep a stream's watch for as long as it is open."""
        self._watches.add(watch)
        try:
            yield
        finally:
            self._watches.discard(watch)

    def end(self) -> None:
        """Let all of them end: clients see that, and go to another worker."""
        self.ended = True
        self._closing += [asyncio.ensure_future(watch.close()) for watch in self._watches]


@contextmanager
def told_to_stop(call: Callable[[], None]) -> Iterator[None]:
    """Call a function in the loop when the process is told to end, before the server does what it does then."""
    if threading.current_thread() is not threading.main_thread():  # which gets no signals
        yield
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in handlers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
