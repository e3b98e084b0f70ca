"""From an event loop to threads and back: where an asynchronous store's calls run, and what cancelling one does.

Here and beside, ``asyncio`` is imported where it is used: it is slow to import, and ``from moltnet_core import *``
comes by here without a loop.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from moltnet_core._endings import ending
from moltnet_core._threads import until_gone
from moltnet_core.errors import StoreClosedError
from moltnet_core.forking import around_forks
from moltnet_core.stats import QueueStats

__all__ = ["Workers", "alone", "result", "settled", "until_done"]

T = TypeVar("T")


# -- awaiting ----------------------------------------------------------------------------------------


async def until_done(future: Future[Any]) -> None:
    """Wait until a call is over. Who is cancelled meanwhile leaves it alone."""
    # asyncio.wrap_future complains where an interrupt cancels a task that is just being woken, and where a loop is
    # closed before a call that it has left is over.
    import asyncio

    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        with suppress(asyncio.InvalidStateError):
            waiter.set_result(None)

    def call_over(_: object) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    future.add_done_callback(call_over)
    await waiter


async def result(future: Future[T]) -> T:
    """What a call comes to. Who is cancelled meanwhile goes on at once.

    A call that has not begun then never does; one that has ends by itself, and its result is dropped.
    """
    import asyncio

    try:
        await until_done(future)
    except asyncio.CancelledError:
        future.cancel()
        raise
    return future.result()


async def settled(future: Future[T], *, surely: bool = False) -> T:
    """What a call comes to. Who is cancelled meanwhile goes on once it is settled whether and how the call ended.

    A call that has not begun then never does, unless it is ``surely`` to be made. For one that has, the
    ``CancelledError`` gets a note that says how it ended, and its error, if any, as ``__cause__``.
    """
    import asyncio

    try:
        await until_done(future)
    except asyncio.CancelledError as cancelled:
        if not surely and future.cancel():
            raise
        while not future.done():
            with suppress(asyncio.CancelledError):  # of the same task again; it is cancelled already
                await until_done(future)
        failure = future.exception()
        cancelled.add_note(ending(failure))
        if failure is not None:
            raise cancelled from failure
        raise
    return future.result()


# -- threads -----------------------------------------------------------------------------------------


def _in_own_thread(name: str, call: Callable[[], T]) -> tuple[Future[T], Callable[[], None]]:
    """Make one call in a thread of its own. It cannot be cancelled.

    :returns: its future, and what waits for the thread to end: for a moment only, once the future is done.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            future.set_exception(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    return future, thread.join


async def alone(name: str, call: Callable[[], T]) -> T:
    """Make one call in a thread of its own; :func:`settled`."""
    future, join = _in_own_thread(name, call)
    try:
        return await settled(future)
    finally:
        join()


class Workers:
    """The threads of one store: at most so many, started as they are needed, ended by :meth:`close`.

    Calls begin in the order in which they come. Each sees the context variables of whoever made it.
    """

    _lock: threading.Lock
    _executor: ThreadPoolExecutor | None
    _under_way: set[Future[Any]]
    _threads: list[threading.Thread]

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._closing: tuple[Future[None], Callable[[], None]] | None = None
        self._forked()
        _all_workers.add(self)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have a call made by one of the threads.

        :raises StoreClosedError: :meth:`close` was called.
        """
        with self._lock:
            if self._closing is not None:
                raise StoreClosedError
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._count, self._name, self._note_thread)
            future = self._executor.submit(copy_context().run, call)
            self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def stats(self) -> QueueStats:
        """How busy they are."""
        under_way = self._under_way.copy()  # in one step, as calls end meanwhile
        running = sum(each.running() for each in under_way)
        waiting = sum(not each.running() and not each.done() for each in under_way)
        return QueueStats(self._count, sum(each.is_alive() for each in self._threads), running, waiting)

    def close(self, last: Callable[[], None]) -> tuple[Future[None], Callable[[], None]]:
        """Take no more calls; once those that were taken are over, end the threads and make a last call.

        :returns: as :func:`_in_own_thread`; of several calls all return the first one's.
        """
        with self._lock:
            if self._closing is None:
                executor = self._executor

                def end() -> None:
                    if executor is not None:
                        executor.shutdown()
                    last()

                self._closing = _in_own_thread(f"{self._name}-closing", end)
                self._executor = None
            return self._closing

    def _note_thread(self) -> None:
        self._threads.append(threading.current_thread())

    # -- fork ----------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """End the threads if no call is under way: a process should not fork beside them, and the child has none."""
        with self._lock:
            if self._executor is None or self._under_way:
                return
            self._executor.shutdown()
            self._executor = None
            threads, self._threads = self._threads, []
        until_gone(threads)

    def _forked(self) -> None:
        # Threads, and what they were doing, do not exist in the child.
        self._lock = threading.Lock()
        self._executor = None
        self._under_way = set()
        self._threads = []
        if self._closing is not None and not self._closing[0].done():
            self._closing = None

    def after_fork_in_child(self) -> None:
        """Begin anew."""
        self._forked()


_all_workers: weakref.WeakSet[Workers] = weakref.WeakSet()

around_forks(_all_workers, before=Workers.before_fork, after_in_child=Workers.after_fork_in_child)
