"""Faults in what a watch gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import START, Message, Store, Watch
from moltnet_core.driver import Appended, NewMessage
from moltnet_core.feeds import Conversation, FeedPage, Position
from moltnet_core.types import Start
from moltnet_memory import TablesFeed
from moltnet_memory.driver import MemoryDriver

mutant = Collection()


def fed_by(feed: type[TablesFeed]) -> Callable[[type[MemoryDriver]], type[MemoryDriver]]:
    """A decorator of a driver that has a feed of another kind."""

    def decorate(driver: type[MemoryDriver]) -> type[MemoryDriver]:
        driver.feed = lambda self: feed(self._locked, self._signal)  # type: ignore[method-assign]
        return driver

    return decorate


def _messages(page: FeedPage) -> list[Message]:
    return [each for each in page.entries if isinstance(each, Message)]


class ByTime(TablesFeed):
    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        page = super().read(position, conversation, limit)
        messages = sorted(_messages(page), key=lambda each: (each.created_at, each.id))
        return attrs.evolve(page, entries=messages)


@mutant("a watch gives messages in the order of their times", "WATCH-001", "WATCH-003", "WATCH-006")
@fed_by(ByTime)
class WatchesByTime(MemoryDriver):
    pass


class OnlyLater(TablesFeed):
    _newest: Any = None

    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        page = super().read(position, conversation, limit)
        kept = []
        for each in _messages(page):
            if self._newest is None or each.created_at >= self._newest:
                self._newest = each.created_at
                kept.append(each)
        return attrs.evolve(page, entries=kept)


@mutant("a watch passes over what is dated earlier than what it gave", "WATCH-001", "WATCH-006")
@fed_by(OnlyLater)
class WatchesLaterOnly(MemoryDriver):
    pass


class Bare(TablesFeed):
    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        page = super().read(position, conversation, limit)
        return attrs.evolve(page, entries=[attrs.evolve(each, mentions=()) for each in _messages(page)])


@mutant("a watch gives messages without their mentions", "WATCH-002")
@fed_by(Bare)
class WatchesBare(MemoryDriver):
    pass


class AlwaysNow(TablesFeed):
    def locate(self, after: str | Start | None) -> Position | None:
        found = super().locate(after)
        return found if found is None else super().locate(None)


@mutant("a watch begins now, wherever it is told to", "WATCH-001", "WATCH-003", "WATCH-006")
@fed_by(AlwaysNow)
class WatchesFromNow(MemoryDriver):
    pass


class FromStart(TablesFeed):
    def locate(self, after: str | Start | None) -> Position | None:
        return super().locate(START if after is None else after)


@mutant("a watch from now on begins at the start", "WATCH-003", "WATCH-007")
@fed_by(FromStart)
class WatchesFromStart(MemoryDriver):
    pass


class Repeats(TablesFeed):
    def locate(self, after: str | Start | None) -> Position | None:
        found = super().locate(after)
        return found if found is None or not isinstance(after, str) else attrs.evolve(found, place=found.place - 1)


@mutant("a watch gives the message that it is to go on after", "WATCH-003", "WATCH-006")
@fed_by(Repeats)
class WatchesRepeat(MemoryDriver):
    pass


class Everything(TablesFeed):
    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        return super().read(position, None, limit)


@mutant("a watch of one conversation gives all", "WATCH-004", "WATCH-008")
@fed_by(Everything)
class WatchesEverything(MemoryDriver):
    pass


class Lenient(TablesFeed):
    def locate(self, after: str | Start | None) -> Position | None:
        return super().locate(after) or super().locate(START)


@mutant("a watch after an unknown message begins at the start", "WATCH-005")
@fed_by(Lenient)
class WatchesLeniently(MemoryDriver):
    pass


class Hasty(TablesFeed):
    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        page = super().read(position, conversation, limit)
        return attrs.evolve(page, position=self._position(len(self._arrivals)), more=False)


@mutant("a watch goes on behind all that there is, and not behind what it gave", "WATCH-003", "WATCH-006")
@fed_by(Hasty)
class WatchesHastily(MemoryDriver):
    pass


@mutant("what was stored already comes again", "WATCH-007")
class WatchesReplays(MemoryDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        appended = super().append(batch, retry=retry)
        for new, each in zip(batch, appended, strict=True):
            if each.replayed:
                self._tables.rows["message"][f"again-{new.message.id}"] = self._tables.rows["message"][new.message.id]  # type: ignore[index]
                self._tables.arrivals.append(f"again-{new.message.id}")
        return appended


class Deaf(TablesFeed):
    def wait(self, timeout: float) -> bool:
        super().wait(timeout)
        return False


@mutant("whoever waits is told nothing", "POWER-009")
@fed_by(Deaf)
class WatchesDeafly(MemoryDriver):
    pass


class _Endless(Watch):
    def close(self) -> None:
        self._bell.leave(self)


@mutant("a watch that is closed goes on", "WATCH-009")
class WatchesEndlessly(Store):
    def watch(self, **options: Any) -> Watch:
        watch = super().watch(**options)
        watch.__class__ = _Endless
        return watch


class _Patient(Watch):
    def notify(self) -> None:
        if not self._follower._read.__self__._gate.closed:  # type: ignore[attr-defined]
            super().notify()


@mutant("a watch goes on waiting when its store is closed", "WATCH-010")
class WatchesPatiently(Store):
    def watch(self, **options: Any) -> Watch:
        watch = super().watch(**options)
        watch.__class__ = _Patient
        return watch
