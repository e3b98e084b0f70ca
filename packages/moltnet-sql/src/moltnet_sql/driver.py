"""``SqlDriver``: the driver of every SQL backend, but for how it connects."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any, ClassVar

import peewee

from moltnet_core.driver import Appended, Driver, DriverSnapshot, LoadRecord, Lookup, NewMessage
from moltnet_core.errors import MoltnetError, RoomNotFoundError, StoreClosedError, ThreadRoomMismatchError
from moltnet_core.listings import Listing
from moltnet_core.records import Counts, LoadResult
from moltnet_core.types import AgentRegistration, Room, Start
from moltnet_sql.dialect import Dialect
from moltnet_sql.errors import engine_error, translated
from moltnet_sql.migrations import SqlMigrationLog
from moltnet_sql.models import make_models
from moltnet_sql.reading import BY_TIME, Reader, Tools
from moltnet_sql.rows import Rows
from moltnet_sql.session import Session
from moltnet_sql.snapshot import SqlSnapshot
from moltnet_sql.statements import make_statements
from moltnet_sql.writing import Writer

__all__ = ["SqlDriver"]


class _Transaction:
    """Marks a transaction of ours on peewee's stack, so that ``atomic()`` within it makes a savepoint."""


class SqlDriver(Driver):
    """Stores in the server's tables through a peewee database whose connections come from the backend's pool.

    :param database: its ``_connect`` and ``_close`` take connections from the pool and give them back.
    :param dialect: the engine's spelling.
    :ivar time_digits: fractional digits of a second that the engine keeps.
    """

    session_class: ClassVar[type[Session]] = Session
    time_digits: ClassVar[int] = 9

    def __init__(self, database: peewee.Database, dialect: Dialect) -> None:
        self._database = database
        self._dialect = dialect
        self._tools = Tools(make_models(database, dialect), Rows(dialect), make_statements(dialect))
        self._log = SqlMigrationLog(database, dialect, self.transaction)

    @property
    def database(self) -> peewee.Database:
        """The peewee database, for plugins that keep tables of their own."""
        return self._database

    @property
    def migration_log(self) -> SqlMigrationLog:
        """See :class:`moltnet_core.driver.SupportsMigrations`."""
        return self._log

    # -- connections, by the backend -----------------------------------------------------------------

    @abstractmethod
    def _lease(self) -> AbstractContextManager[Any]:
        """A connection apart from this thread's own, for as long as the context lasts."""

    def _exclusive(self) -> AbstractContextManager[Any]:
        """Held around a writing transaction, where the engine is better off with one at a time."""
        return nullcontext()

    # -- transactions --------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[peewee.Database]:
        """A transaction on this thread's connection; within another one a savepoint of that."""
        database, dialect = self._database, self._dialect
        with _in_one_process("a transaction"), translated(dialect) as outcome:
            if database.in_transaction():
                with database.savepoint():
                    yield database
                return
            with self._exclusive() if write else nullcontext(), database.connection_context():
                execute = database.connection().cursor().execute
                execute(dialect.begin_write if write else dialect.begin_read)
                database.push_transaction(_Transaction())
                try:
                    yield database
                except BaseException:
                    # The first error is the one to know: a rollback that fails too must not take its place.
                    database.pop_transaction()
                    with suppress(Exception):
                        execute("ROLLBACK")
                    raise
                database.pop_transaction()
                outcome.committing = True
                try:
                    execute("COMMIT")
                except BaseException:
                    with suppress(Exception):
                        execute("ROLLBACK")
                    raise

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """This thread's connection, each statement on its own."""
        with translated(self._dialect), self._database.connection_context():
            yield self.session_class(self._database.connection())

    @contextmanager
    def _reading(self) -> Iterator[Reader]:
        """A reader that sees one state."""
        with self.transaction(write=False) as database:
            yield Reader(self.session_class(database.connection()), self._tools)

    @contextmanager
    def _writing(self) -> Iterator[Writer]:
        """A writer in a transaction of its own."""
        with self.transaction(write=True) as database:
            yield Writer(self.session_class(database.connection()), self._tools)

    # -- reading -------------------------------------------------------------------------------------

    def get(self, lookup: Lookup, key: str) -> Any:
        if lookup is Lookup.MESSAGE or lookup is Lookup.THREAD:
            with self._session() as session:
                return Reader(session, self._tools).get(lookup, key)
        with self._reading() as reader:
            return reader.get(lookup, key)

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        if isinstance(listing, BY_TIME):
            # One statement finds the cursor and what is beside it. It finds nothing when there is nothing beside it,
            # too; which of the two it was has to be decided in one state.
            with self._session() as session:
                found = Reader(session, self._tools).read(listing, before, after, limit)
            if found or not (isinstance(before, str) or isinstance(after, str)):
                return found
        with self._reading() as reader:
            reader.require_cursor(listing, before, after)
            return reader.read(listing, before, after, limit)

    def counts(self) -> Counts:
        with self._reading() as reader:
            return reader.counts()

    # -- messages ------------------------------------------------------------------------------------

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        try:
            with self._writing() as writer:
                try:
                    return writer.append(batch)
                except Exception as error:
                    if self._dialect.is_unique_violation(engine_error(error)):
                        raise _IdTakenError from error
                    raise
        except (_IdTakenError, RoomNotFoundError, ThreadRoomMismatchError):
            pass
        # What is wrong is found out in the contract's order, duplicates first, and only when something is.
        with self._writing() as writer:
            return writer.append_resolving(batch, retry=retry)

    # -- rooms and agents ----------------------------------------------------------------------------

    def create_room(self, room: Room) -> None:
        with self._writing() as writer:
            writer.create_room(room)

    def reconcile_room(self, room: Room) -> Room:
        with self._writing() as writer:
            return writer.reconcile_room(room)

    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        with self._writing() as writer:
            return writer.update_members(room_id, add, remove)

    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        with self._writing() as writer:
            writer.remove_room(room_id, removed_at)

    def remove_member(self, member_id: str) -> None:
        with self._writing() as writer:
            writer.remove_member(member_id)

    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        with self._writing() as writer:
            return writer.save_agent(registration, rebind=rebind)

    def remove_agent(self, agent_id: str) -> None:
        with self._writing() as writer:
            writer.remove_agent(agent_id)

    # -- records -------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        process = os.getpid()
        with self._lease() as connection:
            session = self.session_class(connection)
            with translated(self._dialect):
                session.execute(self._dialect.begin_read)
                # A transaction's state is that of its first look.
                session.fetch("SELECT 1 FROM rooms LIMIT 1")
            try:
                yield SqlSnapshot(
                    session, Reader(session, self._tools), self._tools.statements, lambda: translated(self._dialect)
                )
            finally:
                if os.getpid() == process:
                    with suppress(Exception):
                        session.execute("ROLLBACK")

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        with self._writing() as writer:
            return writer.load(records, self.time_digits)

    # -- life ----------------------------------------------------------------------------------------

    def ping(self) -> None:
        with self._session() as session:
            session.fetch("SELECT 1")


@contextmanager
def _in_one_process(what: str) -> Iterator[None]:
    """What is open across a fork ends in the child with an error that says so; the parent's goes on."""
    process = os.getpid()
    try:
        yield
    except Exception as error:
        if os.getpid() == process or isinstance(error, MoltnetError):
            raise
        raise StoreClosedError(f"{what} ends where its process forks; begin another one here") from None


class _IdTakenError(Exception):
    """A unique violation: some message's id is taken."""
