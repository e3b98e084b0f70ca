"""The feed of tables: what arrived in them, in that order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from moltnet_core.feeds import Conversation, FeedPage, Position, Signal
from moltnet_core.listings import DMMessages, RoomMessages, ThreadMessages
from moltnet_core.records import RecordKind
from moltnet_core.types import Start
from moltnet_memory.tables import Tables

__all__ = ["TablesFeed"]

_LOOKS: Final = 10_000  # messages of other conversations that one read passes over at most


class TablesFeed:
    """Follows the tables that it is lent for each look; they may be others each time, made anew of what is stored.

    What is found in new tables and was not in the old ones arrived after all that was, in the order that the new tables
    give it.

    :param lend: a context that gives the tables and keeps others from changing them.
    :param signal: given after each change.
    """

    def __init__(self, lend: Callable[[], AbstractContextManager[Tables]], signal: Signal) -> None:
        self._lend = lend
        self._signal = signal
        self._tables: Tables | None = None
        self._taken = 0  # of the tables' arrivals
        self._arrivals: list[str] = []
        self._known: set[str] = set()

    def locate(self, after: str | Start | None) -> Position | None:
        """See :meth:`moltnet_core.feeds.Feed.locate`."""
        with self._lend() as tables:
            self._catch_up(tables)
            if isinstance(after, Start):
                return Position(None, 0)
            if after is None:
                return self._position(len(self._arrivals))
            if after not in tables.rows[RecordKind.MESSAGE]:
                return None
            return Position(after, self._arrivals.index(after) + 1)

    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        """See :meth:`moltnet_core.feeds.Feed.read`."""
        with self._lend() as tables:
            self._catch_up(tables)
            place: int = position.place
            wanted = None if conversation is None else _key(conversation)
            rows, entries = tables.rows[RecordKind.MESSAGE], []
            end = place
            for message_id in self._arrivals[place : place + (limit if wanted is None else _LOOKS)]:
                end += 1
                row = rows.get(message_id)
                if row is not None and (wanted is None or row.conversation == wanted):
                    entries.append(row.value)
                    if len(entries) == limit:
                        break
            return FeedPage(entries, self._position(end), more=end < len(self._arrivals))

    def _position(self, end: int) -> Position:
        return Position(self._arrivals[end - 1] if end else None, end)

    def _catch_up(self, tables: Tables) -> None:
        if tables is not self._tables:
            self._tables, self._taken = tables, 0
        new = [each for each in tables.arrivals[self._taken :] if each not in self._known]
        self._taken = len(tables.arrivals)
        self._arrivals += new
        self._known.update(new)

    def wait(self, timeout: float) -> bool:
        """See :meth:`moltnet_core.feeds.Feed.wait`."""
        return self._signal.wait(timeout)

    def wake(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.wake`."""
        self._signal.give()

    def rest(self) -> None:
        """Nothing to free."""


def _key(conversation: Conversation) -> tuple[str, str]:
    match conversation:
        case RoomMessages(key):
            return "room", key
        case ThreadMessages(key):
            return "thread", key
        case DMMessages(key):
            return "dm", key
