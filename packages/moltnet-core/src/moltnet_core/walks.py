"""Walks: every item of a listing one by one, however many there are, read a page at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeVar

from moltnet_core.errors import ValidationError
from moltnet_core.paging import OnCorrupt
from moltnet_core.types import (
    MAX_LIMIT,
    START,
    AgentRegistration,
    AgentSummary,
    Artifact,
    ArtifactFilter,
    DirectConversation,
    Message,
    Page,
    PageRequest,
    Room,
    Thread,
)

__all__ = ["PAGE_SIZE", "Walks", "walk", "walk_pages"]

PAGE_SIZE: Final = 250
"""Items a page of a walk, unless it is told otherwise: enough for speed, few enough for large messages."""

T = TypeVar("T")


def walk_pages(
    fetch: Callable[[PageRequest], Page[T]],
    *,
    reverse: bool = False,
    cursor: str | None = None,
    page_size: int = PAGE_SIZE,
) -> Iterator[Page[T]]:
    """The pages of a listing, one after the other; the items of each are oldest first, whatever the direction.

    :param fetch: reads a page of the listing.
    :param reverse: begin with the newest page and go back.
    :param cursor: the id of an item to go on from, in the walk's direction; without it the walk begins at the end of
        the listing that the direction says.
    :param page_size: items a page, 1 to 1000.
    :raises ValidationError: the page size is out of range. Other errors are those of ``fetch``, and come when the
        walk is iterated.
    """
    if type(page_size) is not int or not 1 <= page_size <= MAX_LIMIT:
        raise ValidationError("page_size", f"expected an integer from 1 to {MAX_LIMIT}")
    return _pages(fetch, reverse=reverse, cursor=cursor, page_size=page_size)


def _pages(
    fetch: Callable[[PageRequest], Page[T]], *, reverse: bool, cursor: str | None, page_size: int
) -> Iterator[Page[T]]:
    first = True
    while first or cursor is not None:
        if reverse:
            page = fetch(PageRequest(before=cursor, limit=page_size))
            cursor = page.info.next_before
        else:
            page = fetch(PageRequest(after=START if cursor is None else cursor, limit=page_size))
            cursor = page.info.next_after
        first = False
        yield page


def walk(
    fetch: Callable[[PageRequest], Page[T]],
    *,
    reverse: bool = False,
    cursor: str | None = None,
    page_size: int = PAGE_SIZE,
) -> Iterator[T]:
    """The items of a listing, one by one. See :func:`walk_pages`; with ``reverse`` the newest comes first."""
    return _items(walk_pages(fetch, reverse=reverse, cursor=cursor, page_size=page_size), reverse=reverse)


def _items(pages: Iterator[Page[T]], *, reverse: bool) -> Iterator[T]:
    for page in pages:
        yield from reversed(page.items) if reverse else page.items


class Walks(ABC):
    """Walks over every listing of a :class:`~moltnet_core.store.Store`.

    A walk visits every item that is there when it begins exactly once, also when others are appended or removed
    meanwhile. It keeps one page in memory, and between two pages it holds nothing: no transaction, no connection, no
    lock. It can be left at any time.

    All take the same arguments beside what names the listing:

    - ``reverse``: the newest item first (in listings by id, the last), instead of the oldest.
    - ``cursor``: the id of an item to go on from, in the walk's direction, as ``PageRequest.after`` or ``before`` takes
      it.
    - ``page_size``: how many items are read at once, 1 to 1000.
    - ``on_corrupt``: what to do with a record that cannot be decoded: ``"raise"``, or ``"skip"`` it, which is logged.

    A wrong ``page_size`` is a ``ValidationError`` of the call. All other errors are those of the listing, and come when
    the walk is iterated.
    """

    def rooms(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[Room]:
        """Every room of :meth:`Store.list_rooms <moltnet_core.store.Store.list_rooms>`."""
        fetch = partial(self.list_rooms, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def room_messages(
        self,
        room_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[Message]:
        """Every message of :meth:`Store.list_room_messages <moltnet_core.store.Store.list_room_messages>`."""
        fetch = partial(self.list_room_messages, room_id, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def thread_messages(
        self,
        thread_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[Message]:
        """Every message of :meth:`Store.list_thread_messages <moltnet_core.store.Store.list_thread_messages>`."""
        fetch = partial(self.list_thread_messages, thread_id, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def dm_messages(
        self,
        dm_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[Message]:
        """Every message of :meth:`Store.list_dm_messages <moltnet_core.store.Store.list_dm_messages>`."""
        fetch = partial(self.list_dm_messages, dm_id, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def threads(
        self,
        room_id: str,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[Thread]:
        """Every thread of :meth:`Store.list_threads <moltnet_core.store.Store.list_threads>`."""
        fetch = partial(self.list_threads, room_id, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def dms(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[DirectConversation]:
        """Every conversation of :meth:`Store.list_dms <moltnet_core.store.Store.list_dms>`."""
        fetch = partial(self.list_dms, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def artifacts(
        self,
        filter: ArtifactFilter | None = None,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[Artifact]:
        """Every artifact of :meth:`Store.list_artifacts <moltnet_core.store.Store.list_artifacts>`."""
        fetch = partial(self.list_artifacts, filter, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def agents(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[AgentRegistration]:
        """Every registration of :meth:`Store.list_agents <moltnet_core.store.Store.list_agents>`."""
        fetch = partial(self.list_agents, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    def members(
        self,
        *,
        reverse: bool = False,
        cursor: str | None = None,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Iterator[AgentSummary]:
        """Every member of :meth:`Store.list_members <moltnet_core.store.Store.list_members>`."""
        fetch = partial(self.list_members, on_corrupt=on_corrupt)
        return walk(fetch, reverse=reverse, cursor=cursor, page_size=page_size)

    # -- what is walked over -------------------------------------------------------------------------

    @abstractmethod
    def list_rooms(self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise") -> Page[Room]:
        """A page of rooms."""

    @abstractmethod
    def list_room_messages(
        self, room_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """A page of a room's messages."""

    @abstractmethod
    def list_thread_messages(
        self, thread_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """A page of a thread's messages."""

    @abstractmethod
    def list_dm_messages(
        self, dm_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """A page of a direct conversation's messages."""

    @abstractmethod
    def list_threads(
        self, room_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Thread]:
        """A page of a room's threads."""

    @abstractmethod
    def list_dms(self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise") -> Page[DirectConversation]:
        """A page of direct conversations."""

    @abstractmethod
    def list_artifacts(
        self,
        filter: ArtifactFilter | None = None,
        page: PageRequest | None = None,
        *,
        on_corrupt: OnCorrupt = "raise",
    ) -> Page[Artifact]:
        """A page of artifacts."""

    @abstractmethod
    def list_agents(
        self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[AgentRegistration]:
        """A page of registrations."""

    @abstractmethod
    def list_members(self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise") -> Page[AgentSummary]:
        """A page of members."""
