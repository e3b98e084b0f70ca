"""Faults in following a file that is opened more than once."""

from __future__ import annotations

from moltnet_conformance.mutants.sqlite import collection
from moltnet_core.feeds import Position
from moltnet_core.types import Start
from moltnet_sqlite.driver import SQLiteDriver
from moltnet_sqlite.feed import SQLiteFeed
from moltnet_sqlite.settings import SQLiteSettings

mutant = collection()


class _FromNow(SQLiteFeed):
    """Begins at the end, wherever it is told to."""

    def locate(self, after: str | Start | None) -> Position | None:
        return super().locate(None)


@mutant("where a file was there already, a watch begins now and not after its token", "WATCH-011", "WATCH-012")
class ForgetsTokens(SQLiteDriver):
    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        self._was_there = settings.path.exists()
        super().__init__(settings, read_only=read_only)

    def feed(self) -> SQLiteFeed:
        feed = super().feed()
        if self._was_there:
            feed.__class__ = _FromNow
        return feed
