"""What a watch does, but for waiting: reads on from a position, and bears with a store that is away for a while."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import frozen

from moltnet_core.errors import (
    CorruptRecordError,
    InvalidCursorError,
    StoreBusyError,
    StoreClosedError,
    StoreUnavailableError,
    ValidationError,
)
from moltnet_core.feeds import Conversation, FeedPage, Position
from moltnet_core.listings import DMMessages, RoomMessages, ThreadMessages
from moltnet_core.paging import OnCorrupt, check_on_corrupt, without_corrupt
from moltnet_core.types import MAX_LIMIT, START, Message, Start
from moltnet_core.validation import is_storable

__all__ = ["Follower", "ReadFeed", "WatchOptions"]

_PAUSES: Final = (0.05, 2.0)  # seconds between two tries: the first pause, and the longest

_FOR_EVER: Final = 1e9  # seconds; what waits for a lock takes no more than some times that

ReadFeed = Callable[[Position, Conversation | None, int], FeedPage]
"""Reads a page after a position, under the rules for readers of a store."""

_log = logging.getLogger("moltnet_core.watch")


@frozen
class WatchOptions:
    """The arguments of :meth:`moltnet_core.store.Store.watch`, checked."""

    conversation: Conversation | None
    after: str | Start | None
    timeout: float | None
    patience: float | None
    page_size: int
    on_corrupt: OnCorrupt

    @classmethod
    def checked(
        cls,
        room_id: str | None,
        thread_id: str | None,
        dm_id: str | None,
        after: str | Start | None,
        timeout: float | None,
        patience: float | None,
        page_size: int,
        on_corrupt: OnCorrupt,
    ) -> WatchOptions:
        """:raises ValidationError: an argument is out of range, or two conversations are named."""
        check_on_corrupt(on_corrupt)
        if type(page_size) is not int or not 1 <= page_size <= MAX_LIMIT:
            raise ValidationError("page_size", f"expected an integer from 1 to {MAX_LIMIT}")
        if after is not None and not isinstance(after, (str, Start)):
            raise ValidationError("after", f"expected a message id, START or None, not {type(after).__name__}")
        conversation = _conversation(room_id, thread_id, dm_id)
        limits = _seconds(timeout, "timeout"), _seconds(patience, "patience")
        return cls(conversation, after, *limits, page_size, on_corrupt)


def _seconds(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not value >= 0:
        raise ValidationError(name, "expected a number of seconds, 0 or more, or None for no limit")
    return value if value < _FOR_EVER else None


def _conversation(room_id: str | None, thread_id: str | None, dm_id: str | None) -> Conversation | None:
    makers = (
        ("room_id", room_id, RoomMessages),
        ("thread_id", thread_id, ThreadMessages),
        ("dm_id", dm_id, DMMessages),
    )
    named = [each for each in makers if each[1] is not None]
    if not named:
        return None
    if len(named) > 1:
        raise ValidationError("watch", "names more than one of room_id, thread_id and dm_id")
    ((name, value, make),) = named
    if not isinstance(value, str) or not is_storable(value):
        raise ValidationError(name, "expected the id of a conversation")
    return make(value)


@frozen
class _Outage:
    began: float
    pause: float


class Follower:
    """One watch's state. One thread at a time uses it.

    :param position: where it begins.
    """

    def __init__(self, read: ReadFeed, position: Position, options: WatchOptions) -> None:
        self.options = options
        self._read = read
        self._position = position
        self._ready: deque[Message | CorruptRecordError] = deque()
        self._handed_out = position.message_id
        self._outage: _Outage | None = None
        self._process = os.getpid()
        self.failure: StoreUnavailableError | StoreBusyError | None = None

    @property
    def token(self) -> str | Start:
        """The id of the message up to which everything was handed out."""
        last = self._handed_out if self._ready else self._position.message_id
        return START if last is None else last

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`take` has something."""
        return bool(self._ready)

    def take(self) -> Message:
        """The next message that was read.

        :raises CorruptRecordError: there is one that cannot be decoded, and the one after it comes next.
        """
        entry = self._ready.popleft()
        if isinstance(entry, CorruptRecordError):
            self._handed_out = entry.record_id
            raise entry
        self._handed_out = entry.id
        return entry

    def step(self) -> float | None:
        """Read on, once.

        :returns: after how many seconds it is worth reading again, without word of anything new; ``None``: never.
        :raises StoreUnavailableError: the store has been away for longer than ``patience``; so for ``StoreBusyError``.
            The next step begins to be patient anew.
        """
        if os.getpid() != self._process:
            raise StoreClosedError("a watch belongs to the process that made it; make one here, after its token")
        try:
            page = self._read(self._position, self.options.conversation, self.options.page_size)
        except (StoreUnavailableError, StoreBusyError) as error:
            return self._endure(error)
        except InvalidCursorError:
            raise self.lost(self._position.message_id) from None
        if self._outage is not None:
            _log.info("following new messages goes on")
        self._outage, self.failure = None, None
        entries = page.entries
        if self.options.on_corrupt == "skip":
            entries = without_corrupt(entries, "skip")
        self._position = page.position
        self._ready.extend(entries)
        return 0.0 if entries or page.more else None

    def _endure(self, error: StoreUnavailableError | StoreBusyError) -> float:
        self.failure = error
        now = time.monotonic()
        patience = self.options.patience
        if self._outage is None:
            self._outage = _Outage(now, _PAUSES[0])
            if patience != 0:
                _log.warning("following new messages is interrupted, and is tried again: %s", error)
        if patience is not None and now >= self._outage.began + patience:
            self._outage = None
            raise error
        pause = self._outage.pause
        self._outage = _Outage(self._outage.began, min(2 * pause, _PAUSES[1]))
        return pause if patience is None else min(pause, self._outage.began + patience - now)

    @staticmethod
    def lost(message_id: str | None) -> InvalidCursorError:
        """There is nothing to read on from."""
        return InvalidCursorError(
            message_id,
            f"there is no message {message_id!r} to read on after: it was taken out of the store, or is another "
            "store's; watch after an earlier message that is there, or after START, and leave out what is known",
        )
