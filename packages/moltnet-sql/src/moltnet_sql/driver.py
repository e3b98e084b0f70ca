"""``SqlDriver``: the driver of every SQL backend, but for how it connects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import peewee

from moltnet_core.driver import Appended, Driver, DriverSnapshot, LoadRecord, Lookup, NewMessage
from moltnet_core.errors import (
    ReadOnlyStoreError,
    RoomNotFoundError,
    StoreBusyError,
    ThreadRoomMismatchError,
    ValidationError,
)
from moltnet_core.listings import Agents, DirectConversations, Listing, Rooms, Threads
from moltnet_core.records import Counts, LoadResult
from moltnet_core.types import AgentRegistration, Room, Start
from moltnet_sql.database import SqlDatabase
from moltnet_sql.dialect import Dialect
from moltnet_sql.errors import engine_error, translated
from moltnet_sql.events import WRITE_REPEATED
from moltnet_sql.loading import Loader
from moltnet_sql.migrations import SqlMigrationLog
from moltnet_sql.models import make_models
from moltnet_sql.reading import BY_TIME, Reader, Tools
from moltnet_sql.rows import Rows
from moltnet_sql.schema import TABLES
from moltnet_sql.session import Session
from moltnet_sql.snapshot import SqlSnapshot
from moltnet_sql.statements import make_statements
from moltnet_sql.unit import Pool, Unit
from moltnet_sql.writing import Writer

if TYPE_CHECKING:
    from moltnet_core.checking import Change, Check, Moved

__all__ = ["SqlDriver"]

_TRIES: Final = 10
T = TypeVar("T")


class SqlDriver(Driver):
    """Stores in the server's tables, through peewee's models and the backend's connections.

    :param database: peewee's, for models, migrations and plugins.
    :param pool: the backend's connections.
    :param dialect: the engine's spelling.
    """

    session_class: ClassVar[type[Session]] = Session

    def __init__(self, database: SqlDatabase, pool: Pool, dialect: Dialect) -> None:
        self._database = database
        self._pool = pool
        self._dialect = dialect
        self._tools = Tools(make_models(database, dialect), Rows(dialect), make_statements(dialect))
        self._log = SqlMigrationLog(database, dialect, self.transaction)
        self._waiting = threading.local()

    @property
    def database(self) -> SqlDatabase:
        """The peewee database, for plugins that keep tables of their own."""
        return self._database

    @property
    def dialect(self) -> Dialect:
        """The engine's spelling, and its errors."""
        return self._dialect

    @property
    def migration_log(self) -> SqlMigrationLog:
        """See :class:`moltnet_core.driver.SupportsMigrations`."""
        return self._log

    # -- transactions --------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[peewee.Database]:
        """A transaction in which this thread uses the peewee database; within another one a savepoint of that.

        What the driver does meanwhile in this thread is part of it.

        :raises ReadOnlyStoreError: it is to write, within one that reads.
        """
        database, dialect = self._database, self._dialect
        if database.in_transaction():
            if write and not self._waiting.writes:
                raise ReadOnlyStoreError("this transaction only reads; begin it with write=True")
            waiting = len(self._waiting.calls)
            try:
                with translated(dialect), database.savepoint():
                    yield database
            except BaseException:
                del self._waiting.calls[waiting:]
                raise
            return
        begin = dialect.begin_write if write else dialect.begin_read
        self._waiting.calls, self._waiting.writes = [], write
        with Unit(self._pool, dialect, begin, write=write) as connection, database.lent(connection):
            names = dialect.use_names()
            if names is not None:
                connection.cursor().execute(names)
            yield database
        for call in self._waiting.calls:
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        if self._database.in_transaction():
            self._waiting.calls.append(call)
        else:
            call()

    @contextmanager
    def _joined(self, *, write: bool) -> Iterator[Any]:
        """A savepoint of the transaction that this thread is in."""
        with self.transaction(write=write) as database:
            yield database.connection()

    def _unit(self, begin: str | None, *, write: bool = False) -> AbstractContextManager[Any]:
        if self._database.in_transaction():
            return self._joined(write=write)
        return Unit(self._pool, self._dialect, begin, write=write)

    def _looking(self) -> AbstractContextManager[Any]:
        """A connection for statements that each see the latest state."""
        return self._unit(None)

    def _reading(self) -> AbstractContextManager[Any]:
        """A connection for statements that see one state."""
        return self._unit(self._dialect.begin_read)

    def _reading_many(self) -> AbstractContextManager[Any]:
        """A connection for rooms with their members, or DMs with their participants: one statement, or several."""
        return self._reading() if self._dialect.gather is None else self._looking()

    def _writing(self) -> AbstractContextManager[Any]:
        """A connection in a transaction that writes."""
        return self._unit(self._dialect.begin_write, write=True)

    def _reader(self, connection: Any) -> Reader:
        return Reader(self.session_class(connection), self._tools)

    def _writer(self, connection: Any) -> Writer:
        return Writer(self.session_class(connection), self._tools)

    def _loader(self, connection: Any) -> Loader:
        return Loader(self.session_class(connection), self._tools)

    # -- reading -------------------------------------------------------------------------------------

    def get(self, lookup: Lookup, key: str) -> Any:
        with self._reading_many() if lookup in (Lookup.ROOM, Lookup.DM) else self._looking() as connection:
            return self._reader(connection).get(lookup, key)

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        if isinstance(listing, BY_TIME):
            by_cursor = isinstance(before, str) or isinstance(after, str)
            # The cursor and what is beside it are found in one state. Nothing is found without a cursor, and when there
            # is nothing beside it; which of the two it was has to be decided in one state, too.
            with self._reading() if by_cursor and self._dialect.pages_by_range else self._looking() as connection:
                found = self._reader(connection).read(listing, before, after, limit)
            if found or not by_cursor:
                return found
        if isinstance(listing, (Rooms, DirectConversations)):
            unit = self._reading_many()
        else:
            unit = self._looking() if isinstance(listing, (Threads, Agents)) else self._reading()
        with unit as connection:
            reader = self._reader(connection)
            reader.require_cursor(listing, before, after)
            return reader.read(listing, before, after, limit)

    def counts(self) -> Counts:
        with self._looking() as connection:
            return self._reader(connection).counts()

    # -- messages ------------------------------------------------------------------------------------

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            return self._append_fresh(batch)
        except (_IdTakenError, RoomNotFoundError, ThreadRoomMismatchError):
            pass
        # What is wrong is found out in the contract's order, duplicates first, and only when something is.
        return self._beside_others(lambda connection: self._writer(connection).append_resolving(batch, retry=retry))

    def _beside_others(self, work: Callable[[Any], T]) -> T:
        """Do what first looks which ids are taken, and again where another took one after the look.

        :raises StoreBusyError: others did so each time.
        """
        for attempt in range(1, _TRIES + 1):
            with suppress(_IdTakenError), self._writing() as connection, self._taken_ids():
                return work(connection)
            WRITE_REPEATED.log("another writer came first, %d times", attempt, attempt=attempt)
        raise StoreBusyError("other writers kept storing what this call was about to store; try again")

    def _append_fresh(self, batch: Sequence[NewMessage]) -> Sequence[Appended]:
        """Append messages that nothing is wrong with; an error need not say what is wrong first.

        :raises RoomNotFoundError: perhaps an id is taken, too; so for the other errors.
        """
        with self._writing() as connection, self._taken_ids():
            return self._writer(connection).append(batch)

    @contextmanager
    def _taken_ids(self) -> Iterator[None]:
        """Tells a unique violation among the messages from other errors of the engine."""
        try:
            yield
        except Exception as error:
            if self._dialect.is_unique_violation(engine_error(error)):
                raise _IdTakenError from error
            raise

    # -- rooms and agents ----------------------------------------------------------------------------

    def create_room(self, room: Room) -> None:
        with self._writing() as connection:
            self._writer(connection).create_room(room)

    def reconcile_room(self, room: Room) -> Room:
        with self._writing() as connection:
            return self._writer(connection).reconcile_room(room)

    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        with self._writing() as connection:
            return self._writer(connection).update_members(room_id, add, remove)

    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        with self._writing() as connection:
            self._writer(connection).remove_room(room_id, removed_at)

    def remove_member(self, member_id: str) -> None:
        with self._writing() as connection:
            self._writer(connection).remove_member(member_id)

    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        with self._writing() as connection:
            return self._writer(connection).save_agent(registration, rebind=rebind)

    def remove_agent(self, agent_id: str) -> None:
        with self._writing() as connection:
            self._writer(connection).remove_agent(agent_id)

    # -- records -------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        # Always a connection of its own, also within this thread's transaction: a scan sees what is committed.
        with Unit(self._pool, self._dialect, self._dialect.begin_read) as connection:
            session = self.session_class(connection)
            # A transaction's state is that of its first look.
            session.fetch(self._tools.statements.look)
            view = SqlSnapshot(session, self._reader(connection), self._tools)
            try:
                yield view
            finally:
                view.close()

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        if all(item.new is not None for item in records):
            # What is wrong with messages is found out in order, and only when something is.
            with suppress(_IdTakenError, ValidationError), self._writing() as connection, self._taken_ids():
                return self._loader(connection).load_fresh(records)
        return self._beside_others(lambda connection: self._loader(connection).load(records))

    # -- repair --------------------------------------------------------------------------------------

    @property
    def repairs(self) -> frozenset[str]:
        """See :class:`moltnet_core.driver.SupportsRepair`."""
        from moltnet_sql.checking import REPAIRS

        return REPAIRS

    @property
    def beside(self) -> Path | None:
        """See :class:`moltnet_core.driver.SupportsRepair`."""
        return None

    def repair(self, codes: frozenset[str], check: Check, moved: Moved | None) -> Sequence[Change]:
        """See :class:`moltnet_core.driver.SupportsRepair`."""
        from moltnet_core.checking.changes import telling_untouched
        from moltnet_sql.checking import Looking, repair_all

        with self._reading() if moved is None else self._alone() as connection:
            session = self.session_class(connection)
            with session.unhurried(), telling_untouched():
                return repair_all(Looking(session, self._tools), codes, check, moved)

    @contextmanager
    def _alone(self) -> Iterator[Any]:
        """A connection in a transaction beside which nobody else writes, and which may take as long as a migration."""
        with self._log.exclusively(tuple(TABLES)) as database:
            yield database.connection()

    # -- life ----------------------------------------------------------------------------------------

    def stats(self) -> Mapping[str, float]:
        return self._pool.stats()

    def ping(self) -> None:
        with self._looking() as connection:
            self.session_class(connection).fetch("SELECT 1")


class _IdTakenError(Exception):
    """A unique violation: some message's id is taken."""
