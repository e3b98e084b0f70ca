"""The JSON driver: the memory tables, and a snapshot file that is replaced before they change."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from moltnet_core.driver import Appended, Driver, DriverSnapshot, LoadRecord, Lookup, NewMessage
from moltnet_core.errors import CorruptStoreError, MoltnetError, ReadOnlyStoreError, StoreBusyError
from moltnet_core.feeds import Signal
from moltnet_core.files import publish
from moltnet_core.grouping import GroupCounts, Groups
from moltnet_core.listings import Listing
from moltnet_core.records import Counts, LoadResult
from moltnet_core.turns import Turn
from moltnet_core.types import AgentRegistration, Room, Start
from moltnet_json.checking import JSONSnapshot, loose_ends
from moltnet_json.document import NEW, Document
from moltnet_json.feed import ReadOnlyFeed
from moltnet_json.files import Stamp, find_file, look_for, read_file
from moltnet_json.grouped import plan_grouped
from moltnet_json.locked import SnapshotFile
from moltnet_json.repairing import REPAIRS, Repair
from moltnet_json.settings import JSONSettings
from moltnet_json.staging import stage
from moltnet_json.tabling import tables_of
from moltnet_memory import Changes, Tables, TablesFeed, TablesReader

if TYPE_CHECKING:
    from moltnet_core.checking import Change, Check, Moved

__all__ = ["JSONDriver"]

T = TypeVar("T")
_TRIES = 5
_PAUSE = 0.02


@frozen(eq=False)
class _State:
    """What a snapshot holds, in memory."""

    document: Document
    tables: Tables
    reader: TablesReader

    @classmethod
    def read(cls, content: bytes, path: Path) -> _State:
        try:
            document, values = Document.read(content)
        except ValueError as error:
            raise CorruptStoreError(
                f"{path} is no Moltnet snapshot: {error}. It was left as it is; choose another file or restore a backup"
            ) from None
        tables = tables_of(values, document.order)
        return cls(document, tables, TablesReader(tables))


class JSONDriver(Driver):
    """Keeps a store in one snapshot file, which one process at a time may write.

    A write is planned on the tables, put into a new file, and applied to the tables once that is in place. Readers wait
    for the last step only.

    :raises MoltnetError: the file cannot be opened or is no snapshot; see :mod:`moltnet_json.files` and
        :mod:`moltnet_json.locked`.
    """

    def __init__(self, settings: JSONSettings, *, read_only: bool = False) -> None:
        self._process = os.getpid()
        self._path = find_file(settings.path, read_only=read_only)
        self._turn = Turn()  # held by the one thread that writes
        self._groups: Groups[Sequence[NewMessage]] = Groups("moltnet-json-writer", self._append_all)
        self._lock = threading.RLock()  # held while the state is looked at or changed
        self._state: _State | None = None
        self._stamp: Stamp | None = None  # of a file that is only read
        self._wrote = Signal()
        self._file = None if read_only else SnapshotFile(self._path, NEW, settings.busy_timeout)
        try:
            with self._reading():
                pass
        except BaseException:
            self.close()
            raise

    # -- the state -----------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[_State]:
        self._check_process()
        with self._lock:
            yield self._current()

    def _current(self) -> _State:
        """What the file holds: what is in memory, or, where that cannot be known to be it, what is read now."""
        if self._file is None:
            return self._as_of_now()
        if self._state is None:
            self._state = _State.read(self._file.read(), self._path)
        return self._state

    def _as_of_now(self) -> _State:
        """What a file holds that others may write."""
        if self._state is not None and Stamp.of(look_for(self._path)) == self._stamp:
            return self._state
        self._state = None
        tries = 0
        while True:
            content, self._stamp = read_file(self._path)
            try:
                self._state = state = _State.read(content, self._path)
                return state
            except CorruptStoreError:
                # A program that writes into the file itself may be halfway: then it was changed just now.
                tries += 1
                if tries == _TRIES or not self._stamp.is_recent:
                    raise
                time.sleep(_PAUSE)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StoreBusyError(
                f"{self._path} belongs to the process that opened it, and this is a fork of that one; "
                "close it there, and open a store of its own here"
            )

    # -- writing -------------------------------------------------------------------------------------

    def _write(self, plan: Callable[[Tables], tuple[Changes, T]]) -> T:
        """Plan a change, make it durable, apply it."""
        self._check_process()
        if self._file is None:
            raise ReadOnlyStoreError
        with self._turn:
            with self._lock:
                state = self._current()
            agrees = False
            try:
                # Nobody else changes the tables, so the plan needs no lock.
                changes, result = plan(state.tables)
                self._put(state, changes)
                agrees = True
            except MoltnetError:
                agrees = True
                raise
            finally:
                if not agrees:
                    self._state = None  # interrupted: the file says what came of it
        return result

    def _put(self, state: _State, changes: Changes) -> None:
        """Put a change into the file, then into memory."""
        if self._file is None:
            raise ReadOnlyStoreError
        try:
            stage(state.document, state.tables, changes)
            if state.document.is_staged:
                self._file.replace(state.document.content())
        except MoltnetError as error:
            if error.committed is None:
                self._apply(state, changes)
            else:
                state.document.discard()
            raise
        self._apply(state, changes)

    def _apply(self, state: _State, changes: Changes) -> None:
        with self._lock:
            self._state = None  # where it is interrupted, nobody sees a half
            state.tables.apply(changes)
            state.document.settle()
            self._state = state
        self._wrote.give()

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        def by_itself() -> Sequence[Appended]:
            return self._write(lambda tables: tables.plan_append(batch, retry=retry))

        self._check_process()
        is_crowded = self._turn.is_held or self._groups.is_running
        return self._groups.write(batch, len(batch), by_itself) if is_crowded else by_itself()

    def _append_all(self, take: Callable[[], Sequence[Sequence[NewMessage]]]) -> Sequence[Any]:
        """Append what waits, by one rewrite of the file; see :class:`moltnet_core.grouping.Groups`."""
        return self._write(lambda tables: plan_grouped(tables, take()))

    @property
    def concurrency(self) -> int:
        """Sixteen: appends that wait share a rewrite of the file, so more of them at a time are done sooner."""
        return 16

    @property
    def groups(self) -> GroupCounts:
        """How many appends shared a rewrite of the file."""
        return self._groups.counts

    def stats(self) -> Mapping[str, float]:
        return self.groups.stats()

    def create_room(self, room: Room) -> None:
        self._write(lambda tables: (tables.plan_create_room(room), None))

    def reconcile_room(self, room: Room) -> Room:
        return self._write(lambda tables: tables.plan_reconcile_room(room))

    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        return self._write(lambda tables: tables.plan_update_members(room_id, add, remove))

    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        self._write(lambda tables: (tables.plan_remove_room(room_id, removed_at), None))

    def remove_member(self, member_id: str) -> None:
        self._write(lambda tables: (tables.plan_remove_member(member_id), None))

    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        return self._write(lambda tables: tables.plan_save_agent(registration, rebind=rebind))

    def remove_agent(self, agent_id: str) -> None:
        self._write(lambda tables: (tables.plan_remove_agent(agent_id), None))

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        return self._write(lambda tables: tables.plan_load(records))

    # -- reading -------------------------------------------------------------------------------------

    def get(self, lookup: Lookup, key: str) -> Any:
        with self._reading() as state:
            return state.reader.get(lookup, key)

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        with self._reading() as state:
            return state.reader.read(listing, before, after, limit)

    def counts(self) -> Counts:
        with self._reading() as state:
            return state.tables.counts()

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        with self._reading() as state:
            view = JSONSnapshot(state.tables, tuple(loose_ends(state.document, state.tables)))
        yield view

    # -- new messages --------------------------------------------------------------------------------

    def feed(self) -> TablesFeed:
        """See :class:`moltnet_core.driver.SupportsWatch`."""
        return ReadOnlyFeed(self._path, self._lend) if self._file is None else TablesFeed(self._lend, self._wrote)

    @contextmanager
    def _lend(self) -> Iterator[Tables]:
        with self._reading() as state:
            yield state.tables

    # -- life ----------------------------------------------------------------------------------------

    def backup(self, destination: Path) -> None:
        self._check_process()
        with self._turn, self._reading() as state:  # no write is half staged
            content = state.document.content()
        with publish(destination) as temporary, temporary.open("r+b") as file:
            file.write(content)

    @property
    def identity(self) -> str:
        return str(self._path.resolve())  # each write makes another file

    def describe(self) -> dict[str, str]:
        """The file, and how much is in it, for people."""
        return {
            "file": str(self._path),
            "size": f"{look_for(self._path).st_size} bytes",
            "messages": str(self.counts().messages),
        }

    def check_engine(self, check: Check) -> None:
        """See :class:`moltnet_core.driver.SupportsCheck`."""
        from moltnet_core.checking import check_permissions

        check_permissions(check.found, [self._path])

    @property
    def repairs(self) -> frozenset[str]:
        """See :class:`moltnet_core.driver.SupportsRepair`."""
        return REPAIRS

    @property
    def beside(self) -> Path:
        """See :class:`moltnet_core.driver.SupportsRepair`."""
        return self._path

    def repair(self, codes: frozenset[str], check: Check, moved: Moved | None) -> Sequence[Change]:
        """See :class:`moltnet_core.driver.SupportsRepair`."""
        if moved is None:
            with self._reading() as state:
                return Repair(state.document, state.tables, codes, None).run()
        self._check_process()
        if self._file is None:
            raise ReadOnlyStoreError
        with self._turn, self._reading() as state:
            try:
                changes = Repair(state.document, state.tables, codes, moved).run()
                check.work.step(0)
                if state.document.is_staged:
                    self._file.replace(state.document.content())
            finally:
                self._state = None  # the file says what came of it
        return changes

    def ping(self) -> None:
        self._check_process()
        look_for(self._path)

    def close(self) -> None:
        self._groups.close()
        if self._file is not None:
            self._file.close()
