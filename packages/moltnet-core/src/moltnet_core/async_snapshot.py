"""``AsyncSnapshot``: one unchanging view of a store, for an event loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from moltnet_core._async_items import AsyncItems
from moltnet_core._workers import Workers, alone, result, settled
from moltnet_core.errors import CorruptRecordError, StoreClosedError
from moltnet_core.paging import OnCorrupt
from moltnet_core.records import Record, RecordKind
from moltnet_core.snapshot import Snapshot
from moltnet_core.store import Store

__all__ = ["AsyncSnapshot", "open_snapshot"]

_AT_ONCE: Final = 1000
"""Records that are read at once, as :meth:`Snapshot.records <moltnet_core.snapshot.Snapshot.records>` does."""


class AsyncSnapshot:
    """One unchanging view of a store: name for name a :class:`~moltnet_core.snapshot.Snapshot`.

    Its calls are made one after the other. Once the block is left they raise ``StoreClosedError``.
    """

    def __init__(self, workers: Workers, snapshot: Snapshot) -> None:
        self._workers = workers
        self._snapshot = snapshot
        self._turn = threading.Lock()  # also with leaving: a call that was cancelled may still be under way
        self._left = False

    async def scan(
        self,
        kind: RecordKind | str,
        after: str | None = None,
        limit: int = 1000,
        *,
        on_corrupt: OnCorrupt = "raise",
    ) -> list[Record]:
        """See :meth:`Snapshot.scan <moltnet_core.snapshot.Snapshot.scan>`."""

        def scan() -> list[Record]:
            with self._turn:
                self._check()
                return self._snapshot.scan(kind, after, limit, on_corrupt=on_corrupt)

        return await result(self._workers.submit(scan))

    async def entries(
        self, kind: RecordKind | str, after: str | None = None, limit: int = 1000
    ) -> list[Record | CorruptRecordError]:
        """See :meth:`Snapshot.entries <moltnet_core.snapshot.Snapshot.entries>`."""

        def entries() -> list[Record | CorruptRecordError]:
            with self._turn:
                self._check()
                return self._snapshot.entries(kind, after, limit)

        return await result(self._workers.submit(entries))

    def records(
        self, kind: RecordKind | str | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> AsyncIterator[Record]:
        """See :meth:`Snapshot.records <moltnet_core.snapshot.Snapshot.records>`."""
        found = self._snapshot.records(kind, on_corrupt=on_corrupt)
        return AsyncItems(self._workers, self._in_turn(found), _AT_ONCE)

    def _in_turn(self, records: Iterator[Record]) -> Iterator[Record]:
        while True:
            with self._turn:
                self._check()
                record = next(records, None)
            if record is None:
                return
            yield record

    def _check(self) -> None:
        if self._left:
            raise StoreClosedError("the snapshot's block has been left; take another one")

    def _leave(self, end: Callable[[], object]) -> None:
        with self._turn:
            self._left = True
            end()


@asynccontextmanager
async def open_snapshot(store: Store, workers: Workers) -> AsyncIterator[AsyncSnapshot]:
    """A snapshot that is entered and left by threads."""
    context = store.snapshot()
    made: list[AsyncSnapshot] = []
    try:
        # Who is cancelled meanwhile goes on when it is known whether there is a snapshot to leave.
        await settled(workers.submit(lambda: made.append(AsyncSnapshot(workers, context.__enter__()))))
        yield made[0]
    finally:
        if made:
            leave = partial(made[0]._leave, partial(context.__exit__, None, None, None))
            await _left(workers, leave)


async def _left(workers: Workers, leave: Callable[[], None]) -> None:
    try:
        future = workers.submit(leave)
    except StoreClosedError:  # inside the block
        await alone("moltnet-snapshot", leave)
    else:
        await settled(future, surely=True)
