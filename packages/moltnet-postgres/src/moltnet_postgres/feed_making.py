"""Makes the feed at the first watch, and closes its gaps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import peewee

from moltnet_core.errors import DriverError, ReadOnlyStoreError, SchemaTooNewError
from moltnet_core.timestamps import format_time, now
from moltnet_postgres.dialect import FEED_TRIGGER, quoted
from moltnet_postgres.events import FEED_BROKEN, FEED_MADE, FEED_MENDED
from moltnet_postgres.feed_reading import Look
from moltnet_postgres.feed_schema import CONVERSATION, SERIES, VERSION, FeedNames
from moltnet_sql import SqlMigrationLog
from moltnet_sql.schema import EXTENSION_TABLE

__all__ = ["FeedMaker"]

_NOT_ALLOWED: Final = "42501"
_LONG_AGO: Final = 10**9  # transactions; the numbers that rows hold are compared within twice as many


class FeedMaker:
    """Makes and mends the feed of one store.

    :param log: of the store's migrations, under whose lock the feed is made.
    :param migrating: opens a transaction that may take as long as a migration may.
    :param system: SQL of the cluster's identifier.
    :param place: the database, for errors.
    """

    def __init__(
        self,
        log: SqlMigrationLog,
        migrating: Callable[..., AbstractContextManager[peewee.Database]],
        names: FeedNames,
        system: str,
        place: str,
        *,
        read_only: bool,
    ) -> None:
        self._log = log
        self._migrating = migrating
        self._names = names
        self._system = system
        self._place = place
        self._read_only = read_only
        self._may_not_mend = read_only
        self._has_warned = False

    # -- making --------------------------------------------------------------------------------------

    def make(self) -> None:
        """See that it is there. Of several processes that do so at once one makes it.

        :raises ReadOnlyStoreError: it is not there, and the store is opened to read only or its role may not make it.
        :raises SchemaTooNewError: a later version of this package made it.
        :raises StoreBusyError: somebody is in the middle of writing messages, for longer than ``busy_timeout``.
        """
        if self._is_made():
            return
        if self._read_only:
            raise ReadOnlyStoreError(
                f"nobody has followed new messages in {self._place} yet, and what keeps their order cannot be made by "
                "a store that is opened read-only; let one that may write begin a watch, once"
            )
        try:
            self._make()
        except ReadOnlyStoreError as error:
            if not isinstance(error.__cause__, DriverError) or error.__cause__.code != _NOT_ALLOWED:
                raise
            refused = ReadOnlyStoreError(
                f"this role may not make what keeps the order of new messages in {self._place}; let the owner of the "
                "tables begin a watch, once, or GRANT this role what it takes: CREATE ON SCHEMA "
                f"{quoted(self._names.schema)} and TRIGGER ON {self._names.messages}"
            )
            refused.__cause__ = error.__cause__
            raise refused from error.__cause__

    def _is_made(self) -> bool:
        versions = [step.version for step in self._log.read() if step.series == SERIES]
        if versions and max(versions) > VERSION:
            raise SchemaTooNewError(SERIES, max(versions), VERSION)
        names = self._names
        with self._migrating(write=False) as database:
            are_there, is_filled = database.execute_sql(
                """SELECT bool_and(to_regclass(name) IS NOT NULL), EXISTS (
                    SELECT FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname = %s AND tgenabled IN ('O', 'A'))
                FROM unnest(%s) AS name""",
                (names.messages, FEED_TRIGGER, [names.feed, names.epochs, names.gaps, names.waiting]),
            ).fetchone()
        return bool(are_there and is_filled and VERSION in versions)

    def _make(self) -> None:
        names = self._names
        # Who has written messages without the trigger is waited for: all of theirs are there, and all later ones are
        # put into the feed.
        with self._log.exclusively(("messages",)) as database:
            if self._is_made():
                return  # meanwhile, by somebody else
            execute: Callable[..., Any] = database.execute_sql
            was_there = execute("SELECT to_regclass(%s) IS NOT NULL", (names.feed,)).fetchone()[0]
            statements = names.making(self._system)
            for statement in statements:
                execute(statement)
            if was_there:  # what was stored without the trigger is a gap
                execute("SELECT nextval(%s)", (names.gaps,))
            checksum = hashlib.sha256("\n".join(statements).encode()).hexdigest()
            execute(
                f"""INSERT INTO {EXTENSION_TABLE} (series, version, name, checksum, applied_at)
                    VALUES (%s, %s, 'feed', %s, %s) ON CONFLICT (series, version)
                    DO UPDATE SET checksum = excluded.checksum, applied_at = excluded.applied_at""",
                (SERIES, VERSION, checksum, format_time(now())),
            )
        FEED_MADE.log("the order of new messages in %s is kept from now on", self._place, server=self._place)

    # -- mending -------------------------------------------------------------------------------------

    def mend(self, look: Look) -> bool:
        """Close a gap, if there is one: what the trigger failed to put into the feed is put at its end.

        A store that may not write leaves the gap, and says so once.

        :returns: whether there was one, and it is closed.
        """
        has_gap = look.gaps != look.mended or look.is_ahead
        if not has_gap and look.xid - look.began < _LONG_AGO:
            return False
        if not self._may_not_mend:
            try:
                if look.is_ahead:
                    self._begin_epoch()
                self._mend()
            except ReadOnlyStoreError:
                self._may_not_mend = True  # nor need anybody wait for its tries again
            else:
                return has_gap
        if has_gap and not self._has_warned:
            self._has_warned = True
            FEED_BROKEN.log(
                "some messages in %s are not followed: they have no place in the feed, and this store may not give "
                "them one; let one that owns the tables begin a watch",
                self._place,
                server=self._place,
            )
        return False

    def _mend(self) -> None:
        names = self._names
        with self._writers_waited_for() as database:
            # Whose trigger failed has counted it before it was waited for, so its messages are seen below.
            ((gaps,),) = database.execute_sql(f"SELECT {names.gap_count}").fetchall()
        with self._migrating(write=True) as database:
            epoch, mended = database.execute_sql(
                f"SELECT epoch, mended FROM {names.epochs} ORDER BY epoch DESC LIMIT 1 FOR UPDATE"
            ).fetchone()
            added = 0
            if mended < gaps:
                added = database.execute_sql(
                    f"""INSERT INTO {names.feed} (message_id, conversation, epoch, xid)
                        SELECT id, {CONVERSATION}, epoch, pg_current_xact_id()
                        FROM {names.messages} AS messages JOIN {names.epochs} AS epochs ON epoch = %s
                        WHERE age(messages.xmin) <= age(began::xid)
                        AND NOT EXISTS (SELECT FROM {names.feed} AS feed WHERE message_id = messages.id)
                        ORDER BY created_at, id
                        ON CONFLICT (message_id) DO NOTHING""",
                    (epoch,),
                ).rowcount
            # What was stored before the oldest transaction that runs now has its place: no gap to come is among it.
            database.execute_sql(
                f"""UPDATE {names.epochs}
                    SET mended = greatest(mended, %s), began = pg_snapshot_xmin(pg_current_snapshot())
                    WHERE epoch = %s AND {names.gap_count} = %s""",
                (gaps, epoch, gaps),
            )
        if added:
            text = "%d messages in %s had no place in the feed, and were put at its end"
            FEED_MENDED.log(text, added, self._place, server=self._place, messages=added)

    def _begin_epoch(self) -> None:
        """Let what is stored next come after rows of the present epoch that are from another past of this cluster."""
        names = self._names
        with self._writers_waited_for() as database:
            database.execute_sql(
                f"""INSERT INTO {names.epochs} (epoch, system, started, began, mended)
                    SELECT epoch + 1, {self._system}, started, pg_snapshot_xmin(pg_current_snapshot()), mended
                    FROM {names.epochs} AS epochs
                    WHERE epoch = (SELECT max(epoch) FROM {names.epochs}) AND EXISTS (
                        SELECT FROM {names.feed} AS feed WHERE feed.epoch = epochs.epoch
                        AND feed.xid >= pg_snapshot_xmax(pg_current_snapshot()))
                    ON CONFLICT (epoch) DO NOTHING"""
            )

    @contextmanager
    def _writers_waited_for(self) -> Iterator[peewee.Database]:
        with self._migrating(write=True) as database:
            database.execute_sql(f"LOCK TABLE {self._names.messages} IN SHARE ROW EXCLUSIVE MODE")
            yield database
