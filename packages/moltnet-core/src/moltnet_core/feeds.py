"""``Feed``: messages in the order of their commits, and word of new ones. What a driver with the power ``watch`` has.

The core does the rest: :class:`~moltnet_core.watch.Watch` keeps a position, reads on, waits, and tries again where the
store cannot be reached; one thread a store waits for all of its watches.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

from attrs import frozen

from moltnet_core.errors import CorruptRecordError
from moltnet_core.listings import DMMessages, RoomMessages, ThreadMessages
from moltnet_core.types import Message, Start

__all__ = ["Conversation", "Feed", "FeedPage", "Position", "Signal"]

Conversation = RoomMessages | ThreadMessages | DMMessages
"""What a watch may be confined to."""


@frozen
class Position:
    """A place in a feed: behind one message, and so behind all that were committed before it.

    :param message_id: of that message, of whatever conversation; ``None``: before the first. It is what callers keep,
        and another process hands to :meth:`Feed.locate`.
    :param place: where the driver finds it in this process; the core never looks at it.
    """

    message_id: str | None
    place: Any = None


@frozen(eq=False)
class FeedPage:
    """What was committed after a position.

    :param entries: the messages, in the order of their commits; an error where one cannot be decoded.
    :param position: behind the last of them, and behind what other conversations hold before and after it: a quiet
        room costs no more because a busy one is beside it.
    :param more: whether another read may find more at once.
    """

    entries: Sequence[Message | CorruptRecordError]
    position: Position
    more: bool = False


class Feed(Protocol):
    """A driver's feed. ``locate`` and ``read`` are held to what :mod:`moltnet_core.driver` says of every method.

    Two transactions that are committed one after the other stand in the feed in that order, whoever made them and
    whatever ``created_at`` says. What one transaction stored stands in the order in which it was given.
    """

    def locate(self, after: str | Start | None) -> Position | None:
        """Where to read on: behind a message, at the beginning (``START``), or at the end as it is now (``None``).

        :returns: ``None`` where there is no such message.
        """
        ...

    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        """At most ``limit`` messages after a position: of one conversation, or all.

        It looks at a bounded number of others. No transaction, connection or lock outlasts it. A position that this
        process had earlier stays good when the engine rearranges what it stores, and when messages are taken out.

        :raises InvalidCursorError: everything that the position could be found by was taken out.
        """
        ...

    def wait(self, timeout: float) -> bool:
        """Wait, at most ``timeout`` seconds, until somebody may have committed since the last wait ended.

        One thread waits at a time. The first wait of all, and the first one after :meth:`rest` or after an error,
        returns true as soon as it would be told of everything that comes.

        :returns: whether it is worth looking. It may be so for nothing, never the other way round.
        """
        ...

    def wake(self) -> None:
        """End a wait that is going on in another thread or, if there is none, the next one."""
        ...

    def rest(self) -> None:
        """Free what waiting holds; nobody waits just now."""
        ...


class Signal:
    """For a driver that hears of its commits itself: remembers that there was one until somebody has waited for it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def give(self) -> None:
        """Something was committed, or whoever waits is to stop."""
        self._event.set()

    def wait(self, timeout: float) -> bool:
        """Whether it was given since the last wait ended; waits for it, at most ``timeout`` seconds."""
        given = self._event.wait(timeout)
        if given:
            self._event.clear()  # whoever waited looks after this, so what comes meanwhile is seen
        return given
