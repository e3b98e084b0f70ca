"""The feed of a PostgreSQL store: see :mod:`moltnet_postgres.feed_schema` for what keeps the order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import peewee

from moltnet_core.errors import CorruptStoreError, DriverError
from moltnet_core.feeds import Conversation, FeedPage, Position
from moltnet_core.types import Start
from moltnet_postgres.connections import Connection, PostgresSession
from moltnet_postgres.feed_making import FeedMaker
from moltnet_postgres.feed_reading import BEGINNING, Before, FeedQueries, Look, Place, Within
from moltnet_postgres.feed_schema import NO_SYSTEM, SYSTEM, FeedNames
from moltnet_postgres.listening import Listening
from moltnet_postgres.server import Server
from moltnet_sql import SqlMigrationLog
from moltnet_sql.dialect import Dialect
from moltnet_sql.rows import Rows
from moltnet_sql.session import Session

__all__ = ["PostgresFeed", "make_feed"]

_UNDEFINED_TABLE: Final = "42P01"


class PostgresFeed:
    """Messages in the order of their transactions.

    :param looking: a connection of the pool, on which each statement is one by itself.
    :param queries: in the names of the store.
    :param maker: makes what is missing, and mends it.
    :param make_listening: given how to look by a connection of the pool.
    """

    def __init__(
        self,
        looking: Callable[[], AbstractContextManager[Any]],
        queries: FeedQueries,
        rows: Rows,
        maker: FeedMaker,
        make_listening: Callable[[Callable[[], Look]], Listening],
    ) -> None:
        self._looking = looking
        self._queries = queries
        self._rows = rows
        self._maker = maker
        self._listening = make_listening(self._look)

    # -- reading -------------------------------------------------------------------------------------

    def locate(self, after: str | Start | None) -> Position | None:
        """See :meth:`moltnet_core.feeds.Feed.locate`."""
        self._maker.mend(self._look())
        if isinstance(after, Start):
            return Position(None, BEGINNING)
        with self._connected() as session:
            if after is None:
                last, place = self._queries.end(session)
                return Position(last, place)
            found = self._queries.place_of(session, after)
        return None if found is None else Position(after, found)

    def read(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        """See :meth:`moltnet_core.feeds.Feed.read`."""
        place: Place = position.place
        with self._connected() as session:
            if isinstance(place, Before):
                return self._read_before(session, position, place, conversation, limit)
            return self._read_within(session, position, place, conversation, limit)

    def _read_before(
        self, session: Session, position: Position, place: Before, conversation: Conversation | None, limit: int
    ) -> FeedPage:
        found, end = self._queries.before(session, place, conversation, limit)
        # What was passed over stands in the feed, further on: its id is no token for a place before that.
        last = found[-1][0] if found else position.message_id
        entries = self._rows.decoded_page("messages", self._rows.message, found)
        return FeedPage(entries, Position(last, end), more=True)

    def _read_within(
        self, session: Session, position: Position, place: Within, conversation: Conversation | None, limit: int
    ) -> FeedPage:
        found = self._queries.within(session, place, conversation, limit)
        if found.end is None:
            return FeedPage((), position)
        entries = self._rows.decoded_page("messages", self._rows.message, found.rows)
        return FeedPage(entries, Position(found.last, found.end), more=found.more)

    def _look(self) -> Look:
        with self._connected() as session:
            return self._queries.look(session)

    def _connected(self) -> _Connected:
        return _Connected(self._looking())

    # -- waiting -------------------------------------------------------------------------------------

    def wait(self, timeout: float) -> bool:
        """See :meth:`moltnet_core.feeds.Feed.wait`."""
        is_new = self._listening.wait(timeout)
        look = self._listening.last_look
        # What it puts into the feed is seen by the next look.
        return (look is not None and self._maker.mend(look)) or is_new

    def wake(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.wake`."""
        self._listening.wake()

    def rest(self) -> None:
        """See :meth:`moltnet_core.feeds.Feed.rest`."""
        self._listening.rest()


class _Connected:
    """A context that gives a session, and says of a feed that is gone what became of it."""

    def __init__(self, unit: AbstractContextManager[Connection]) -> None:
        self._unit = unit

    def __enter__(self) -> Session:
        return PostgresSession(self._unit.__enter__())

    def __exit__(self, *error: Any) -> None:
        try:
            self._unit.__exit__(*error)
        except CorruptStoreError as raised:
            cause = raised.__cause__
            if not isinstance(cause, DriverError) or cause.code != _UNDEFINED_TABLE:
                raise
        else:
            return
        gone = CorruptStoreError(
            "what keeps the order of new messages was removed from the database while they were followed; close the "
            "store, open it again and watch anew, which makes it again"
        )
        raise gone from cause


def make_feed(
    looking: Callable[[], AbstractContextManager[Connection]],
    log: SqlMigrationLog,
    migrating: Callable[..., AbstractContextManager[peewee.Database]],
    connect: Callable[[], Connection],
    server: Server,
    dialect: Dialect,
    rows: Rows,
) -> PostgresFeed:
    """The feed of a store.

    :param looking: a connection of the pool, on which each statement is one by itself.
    :param log: of its migrations.
    :param migrating: a transaction that may take as long as a migration may.
    :param connect: a connection that is none of the pool's.
    :raises ReadOnlyStoreError: see :meth:`moltnet_postgres.feed_making.FeedMaker.make`; so for its other errors.
    """
    names = FeedNames(server.schema)
    maker = FeedMaker(
        log,
        migrating,
        names,
        SYSTEM if server.may_identify else NO_SYSTEM,
        server.place,
        read_only=server.read_only,
    )
    maker.make()
    # Where one of those who write, or this role, may not know the cluster, it counts as the one that it was.
    has_moved = f"latest.system NOT IN ({NO_SYSTEM}, {SYSTEM})" if server.may_identify else "false"
    queries = FeedQueries(dialect, names, has_moved, is_standby=server.is_standby)

    def make_listening(look: Callable[[], Look]) -> Listening:
        return Listening(connect, look, queries, names, dialect, server.place, may_ask=not server.read_only)

    return PostgresFeed(looking, queries, rows, maker, make_listening)
