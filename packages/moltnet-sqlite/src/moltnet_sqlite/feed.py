"""The feed of one file: its messages by row id.

One connection at a time writes, and a new row's id is one more than the largest. So row ids stand in the order of the
commits, also of what another program writes. But they do not last: ``VACUUM`` may give others, in the same order, and
the ids of the last rows are used again when those are taken out. So a position keeps the ids of the messages of its
last rows, and sees at each read that they still stand where they did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from attrs import evolve, field, frozen

from moltnet_core.errors import CorruptRecordError, InvalidCursorError, MoltnetError
from moltnet_core.feeds import Conversation, FeedPage, Position
from moltnet_core.listings import DMMessages, RoomMessages, ThreadMessages
from moltnet_core.types import Start
from moltnet_sql.reading import Reader
from moltnet_sql.session import Session
from moltnet_sqlite.connections import SQLitePool

__all__ = ["SQLiteFeed"]

_POLL: Final = 0.02  # seconds between two looks whether another process has committed
_LOOKS: Final = 2000  # rows that one read passes over at most
_TRAIL: Final = 100  # rows that a position is found again by
_FIRST: Final = -(2**63)

_TABLE = "main.messages"  # not the view that may stand for it in a file of an older version: that has no row ids
_EXISTS = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = 'messages'"
_LAST = f"SELECT rowid, id FROM {_TABLE} WHERE rowid <= ? ORDER BY rowid DESC LIMIT {_TRAIL}"
_AT = f"SELECT id FROM {_TABLE} WHERE rowid = ?"
_OF = f"SELECT rowid FROM {_TABLE} WHERE id = ?"
_AFTER = f"SELECT rowid, id, {{}} FROM {_TABLE} WHERE rowid > :after ORDER BY rowid LIMIT :limit"

Row = tuple[int, Any]
"""A row's id, and that of its message: a text, if nobody damaged it."""


@frozen
class _Place:
    """Where a position is.

    :param trail: the last rows up to it, in order.
    :param known: the ids of messages that may stand behind it and were read before.
    """

    trail: tuple[Row, ...] = ()
    known: frozenset[Any] = field(default=frozenset())

    @property
    def row(self) -> int:
        return self.trail[-1][0] if self.trail else _FIRST

    def position(self) -> Position:
        texts = (key for _, key in reversed(self.trail) if isinstance(key, str))
        return Position(next(texts, None), self)


class SQLiteFeed:
    """Reads through connections that it is lent for each look, and is told of commits by their pool.

    :param lend: a context that gives a session in a transaction that reads, and its reader.
    :param translate: a context in which the engine's errors become the contract's.
    """

    def __init__(
        self,
        pool: SQLitePool,
        lend: Callable[[], AbstractContextManager[tuple[Session, Reader]]],
        translate: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._pool = pool
        self._lend = lend
        self._translate = translate
        self._listens = False

    # -- reading -------------------------------------------------------------------------------------

    def locate(self, after: str | Start | None) -> Position | None:
        """See :meth:`moltnet_core.feeds.Feed.locate`."""
        if isinstance(after, Start):
            return _Place().position()
        with self._lend() as (session, _):
            if not session.fetch(_EXISTS):
                return _Place().position() if after is None else None
            row = -_FIRST - 1
            if after is not None:
                found = session.fetch(_OF, (after,))
                if not found:
                    return None
                row = found[0][0]
            return _Place(_rows(reversed(session.fetch(_LAST, (row,))))).position()

    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        """See :meth:`moltnet_core.feeds.Feed.read`."""
        with self._lend() as (session, reader):
            place = _found_again(session, position.place)
            if not place.trail and not session.fetch(_EXISTS):
                return FeedPage((), place.position())
            condition, parameters = _condition(conversation)
            looks = limit + len(place.known) if conversation is None else _LOOKS
            wanted: list[Any] = []
            passed: list[Row] = []
            found = session.fetch(_AFTER.format(condition), parameters | {"after": place.row, "limit": looks})
            for row, key, is_wanted in found:
                if len(wanted) == limit:
                    break
                passed.append((row, key))
                if is_wanted and key not in place.known:
                    wanted.append(key)
            more = len(passed) < len(found) or len(found) == looks
            entries = _messages(reader, wanted)
        place = _Place((*place.trail, *passed)[-_TRAIL:], place.known if more else frozenset())
        return FeedPage(entries, place.position(), more)

    # -- waiting -------------------------------------------------------------------------------------

    def wait(self, timeout: float) -> bool:
        """See :meth:`moltnet_core.feeds.Feed.wait`. Commits of this process are told at once, others looked for."""
        until = time.monotonic() + timeout
        try:
            while True:
                if self._changed() or not self._listens:
                    self._listens = True
                    return True
                left = until - time.monotonic()
                if left <= 0:
                    return False
                if self._pool.wrote.wait(min(_POLL, left)):
                    return True
        except MoltnetError:
            self._listens = False
            raise

    def _changed(self) -> bool:
        with self._translate():
            return self._pool.sees_change()

    def wake(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.wake`."""
        self._pool.wrote.give()

    def rest(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.rest`."""
        self._listens = False


def _rows(found: Iterable[Sequence[Any]]) -> tuple[Row, ...]:
    return tuple((row, key) for row, key in found)


def _found_again(session: Session, place: _Place) -> _Place:
    """The place as it is now.

    :raises InvalidCursorError: none of its messages is there any more.
    """
    if not place.trail:
        return place
    row, key = place.trail[-1]
    if session.fetch(_AT, (row,)) == [(key,)]:
        return place
    # What was read stands behind the first of those that are left, in whatever order; so does what was not.
    left = sorted(
        (found[0][0], key) for _, key in place.trail if isinstance(key, str) and (found := session.fetch(_OF, (key,)))
    )
    if not left:
        raise InvalidCursorError(place.position().message_id)
    return evolve(place, trail=(left[0],), known=place.known.union(key for _, key in place.trail))


def _condition(conversation: Conversation | None) -> tuple[str, dict[str, Any]]:
    match conversation:
        case None:
            return "1", {}
        case RoomMessages(key):
            return "target_kind = 'room' AND room_id = :key", {"key": key}
        case ThreadMessages(key):
            return "target_kind = 'thread' AND thread_id = :key", {"key": key}
        case DMMessages(key):
            return "target_kind = 'dm' AND dm_id = :key", {"key": key}


def _messages(reader: Reader, keys: Sequence[Any]) -> list[Any]:
    found = reader.messages([key for key in keys if isinstance(key, str)])
    return [
        found.get(key) or CorruptRecordError("messages", repr(key), "its id is not a text that can be looked up")
        for key in keys
    ]
