"""Walks that do not block the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator

from moltnet_core._async_items import AsyncItems
from moltnet_core._workers import Workers
from moltnet_core.paging import OnCorrupt
from moltnet_core.store import Store
from moltnet_core.types import (
    AgentRegistration,
    AgentSummary,
    Artifact,
    ArtifactFilter,
    DirectConversation,
    Message,
    Room,
    Thread,
)
from moltnet_core.walks import PAGE_SIZE

__all__ = ["AsyncWalks"]


class AsyncWalks:
    """Walks over every listing of an asynchronous store: ``async for message in store.room_messages("general")``.

    They are those of :class:`~moltnet_core.walks.Walks`. One that was cancelled while it waited can go on: no item is
    lost, and none comes twice.
    """

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers

    def rooms(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[Room]:
        """See :meth:`Store.rooms <moltnet_core.walks.Walks.rooms>`."""
        walk = self._store.rooms(reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt)
        return AsyncItems(self._workers, walk, page_size)

    def room_messages(
        self,
        room_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[Message]:
        """See :meth:`Store.room_messages <moltnet_core.walks.Walks.room_messages>`."""
        walk = self._store.room_messages(
            room_id, reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt
        )
        return AsyncItems(self._workers, walk, page_size)

    def thread_messages(
        self,
        thread_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[Message]:
        """See :meth:`Store.thread_messages <moltnet_core.walks.Walks.thread_messages>`."""
        walk = self._store.thread_messages(
            thread_id, reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt
        )
        return AsyncItems(self._workers, walk, page_size)

    def dm_messages(
        self,
        dm_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[Message]:
        """See :meth:`Store.dm_messages <moltnet_core.walks.Walks.dm_messages>`."""
        walk = self._store.dm_messages(
            dm_id, reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt
        )
        return AsyncItems(self._workers, walk, page_size)

    def threads(
        self,
        room_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[Thread]:
        """See :meth:`Store.threads <moltnet_core.walks.Walks.threads>`."""
        walk = self._store.threads(room_id, reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt)
        return AsyncItems(self._workers, walk, page_size)

    def dms(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[DirectConversation]:
        """See :meth:`Store.dms <moltnet_core.walks.Walks.dms>`."""
        walk = self._store.dms(reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt)
        return AsyncItems(self._workers, walk, page_size)

    def artifacts(
        self,
        filter: ArtifactFilter | None = None,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[Artifact]:
        """See :meth:`Store.artifacts <moltnet_core.walks.Walks.artifacts>`."""
        walk = self._store.artifacts(filter, reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt)
        return AsyncItems(self._workers, walk, page_size)

    def agents(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[AgentRegistration]:
        """See :meth:`Store.agents <moltnet_core.walks.Walks.agents>`."""
        walk = self._store.agents(reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt)
        return AsyncItems(self._workers, walk, page_size)

    def members(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> AsyncIterator[AgentSummary]:
        """See :meth:`Store.members <moltnet_core.walks.Walks.members>`."""
        walk = self._store.members(reverse=reverse, cursor=cursor, page_size=page_size, on_corrupt=on_corrupt)
        return AsyncItems(self._workers, walk, page_size)
