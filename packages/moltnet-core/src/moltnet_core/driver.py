"""``Driver``: the small abstract class that a backend implements.

A driver stores and fetches, atomically, and knows nothing about validation, defaults, paging arithmetic or
observers: :class:`~moltnet_core.store.Store` has done all that before it calls. What every backend would work out
alike comes ready-made in the arguments (:class:`NewMessage`) or as a function of
:mod:`moltnet_core.derivation`.

Rules for every method:

- A write is one transaction: durable when it returns (as far as the backend is), without a trace when it raises.
- It may be called from any thread, and from several at once.
- It raises errors of :mod:`moltnet_core.errors` only; what its own libraries raise becomes the ``__cause__``
  as a :class:`~moltnet_core.errors.DriverError`.
- What it returns shares nothing mutable with what it stores or was given.
- Ids compare by code point, whatever the engine's collation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import frozen

from moltnet_core.errors import CorruptRecordError
from moltnet_core.feeds import Feed
from moltnet_core.listings import Listing
from moltnet_core.migrations.migration import MigrationLog
from moltnet_core.records import Counts, LoadResult, Record, RecordKind
from moltnet_core.types import (
    AgentRegistration,
    Artifact,
    DirectConversation,
    Message,
    Room,
    Start,
    Thread,
)

if TYPE_CHECKING:
    from moltnet_core.checking import Change, Check, Moved

__all__ = [
    "Appended",
    "Driver",
    "DriverSnapshot",
    "LoadRecord",
    "Lookup",
    "NewMessage",
    "SupportsBackup",
    "SupportsCheck",
    "SupportsMigrations",
    "SupportsRecordCheck",
    "SupportsRepair",
    "SupportsWatch",
]


class Lookup(StrEnum):
    """What :meth:`Driver.get` fetches by its key.

    A ``ROOM`` that was not removed, a ``MESSAGE``, a ``THREAD`` or a ``DM``, by id; the registration of an ``AGENT``,
    also by its ``CREDENTIAL`` key: of several with one key the lowest id, and never by ``""``; a ``MEMBER``'s summary.
    """

    ROOM = "room"
    """A :class:`~moltnet_core.types.rooms.Room` that was not removed, by id."""
    MESSAGE = "message"
    THREAD = "thread"
    DM = "dm"
    AGENT = "agent"
    """An :class:`~moltnet_core.types.agents.AgentRegistration`, by agent id."""
    CREDENTIAL = "credential"
    """The same, by credential key: of several with one key the lowest id; never by ``""``."""
    MEMBER = "member"
    """An :class:`~moltnet_core.types.agents.AgentSummary`, by member id."""


@frozen(eq=False)
class NewMessage:
    """A message to append, with all that follows from it.

    :param message: validated and normalised.
    :param artifacts: what to store beside it.
    :param thread: of a thread's message: the thread as it is if this message creates it (count 1). If the
        thread is there, one more is counted and ``last_message_at`` becomes the later of the two.
    :param dm: of a DM's message: the conversation as it is if this message creates it. If it is there, one more
        is counted, ``last_message_at`` becomes the later of the two, ``network_id`` and ``fqid`` become
        these, and the participants are joined.
    """

    message: Message
    artifacts: tuple[Artifact, ...] = ()
    thread: Thread | None = None
    dm: DirectConversation | None = None


@frozen
class Appended:
    """What became of one message of a batch.

    :param created: it created its thread or DM.
    :param replayed: an identical one was stored already, and nothing was done.
    """

    created: bool = False
    replayed: bool = False


@frozen(eq=False)
class LoadRecord:
    """A record to load, prepared.

    :param record: its times are normalised to nine digits, of which the backend's ``time_digits`` may be non-zero. A
        thread's or DM's has count 0 and the year 1 as last time: each message that is loaded for it counts
        (:func:`moltnet_core.derivation.count_message`).
    :param new: of a message: it with its artifacts.
    """

    record: Record
    new: NewMessage | None = None

    @property
    def needs(self) -> tuple[tuple[RecordKind, str], ...]:
        """What has to be stored before it, removed or not: the room of a thread, the conversation of a message.

        What is not there is a :func:`moltnet_core.records.missing_error`.
        """
        if isinstance(self.record.value, Thread):
            return ((RecordKind.ROOM, self.record.value.room_id),)
        if self.new is None:
            return ()
        target = self.new.message.target
        if target.kind == "dm":
            return ((RecordKind.DM, target.dm_id or ""),)
        room = (RecordKind.ROOM, target.room_id or "")
        return (room, (RecordKind.THREAD, target.thread_id or "")) if target.kind == "thread" else (room,)


class DriverSnapshot(Protocol):
    """One unchanging view of a store."""

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> Sequence[Record | CorruptRecordError]:
        """The next ``limit`` records of a kind, by id; messages by (time, id); removed rooms included.

        :param after: the id of the record to go on after, or ``None`` to begin.
        :raises InvalidCursorError: there is no message ``after``.
        """
        ...


class Driver(ABC):
    """What a backend implements. See the module's rules."""

    @property
    def identity(self) -> str | None:
        """What two drivers share exactly where they keep one store, in whatever way each was told of it.

        ``None`` where nothing outside this driver could be the same store, or that cannot be told.
        """
        return None

    # -- reading -------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, lookup: Lookup, key: str) -> Any:
        """One thing by its key, or ``None``.

        :raises CorruptRecordError: it is there and cannot be decoded.
        """

    @abstractmethod
    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        """At most ``limit`` items of a listing, in its order, from one snapshot.

        Without a cursor the newest (for listings by id: the last) ``limit``; with ``before`` the ones just before it;
        with ``after`` the ones just after it, and after ``START`` the first. At most one cursor is given.
        An item that cannot be decoded stands in its place as a ``CorruptRecordError`` with its id.

        :raises InvalidCursorError: in a listing of messages or artifacts, the cursor is not an item of it. In
            listings ordered by id a cursor is a position: it need not exist.
        """

    @abstractmethod
    def counts(self) -> Counts:
        """How much is stored, from one snapshot."""

    # -- messages ------------------------------------------------------------------------------------

    @abstractmethod
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        """Append all or none, in order, in one transaction.

        :returns: one for each.
        :raises DuplicateMessageError: an id is taken, in the store or earlier in the batch; this is found out before
            anything else. :func:`moltnet_core.derivation.resolve_duplicates` decides what ``retry`` lets pass.
        :raises RoomNotFoundError: a room or thread target names a room that is not there or was removed.
        :raises ThreadRoomMismatchError: the thread is there, or earlier in the batch, with another room.
        """

    # -- rooms ---------------------------------------------------------------------------------------

    @abstractmethod
    def create_room(self, room: Room) -> None:
        """:raises RoomExistsError: the id is taken, also by a removed room."""

    @abstractmethod
    def reconcile_room(self, room: Room) -> Room:
        """Replace name, members, visibility and write policy, and return the room as it is then.

        :raises RoomNotFoundError: it is not there or was removed.
        """

    @abstractmethod
    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        """Add members, then remove members, and return the room as it is then.

        :raises RoomNotFoundError: it is not there or was removed.
        """

    @abstractmethod
    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        """Mark the room as removed and drop its members; its history stays.

        :raises RoomNotFoundError: it is not there or was removed.
        """

    @abstractmethod
    def remove_member(self, member_id: str) -> None:
        """Drop one member from every room. An unknown one is no error."""

    # -- agents --------------------------------------------------------------------------------------

    @abstractmethod
    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        """Insert, or update as :func:`moltnet_core.derivation.merge_registration` says, and return what is stored.

        Of concurrent first calls for one id, from any number of processes, exactly one inserts.

        :raises AgentCredentialError: stored under another credential key, and ``rebind`` is false.
        """

    @abstractmethod
    def remove_agent(self, agent_id: str) -> None:
        """Drop a registration. An unknown one is no error."""

    # -- records -------------------------------------------------------------------------------------

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[DriverSnapshot]:
        """All that is stored as of one moment, for scanning."""

    @abstractmethod
    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        """Store records as they are, all or none.

        A message counts in its thread or DM, whose own records bring neither count nor last time. ``truncated`` is
        counted by the core: leave it 0.

        :raises RecordConflictError: a different one is stored (:func:`moltnet_core.records.same_record`).
        :raises ValidationError: what a message or thread :attr:`~LoadRecord.needs` is in neither the store nor earlier
            in this load.
        """

    # -- life ----------------------------------------------------------------------------------------

    @property
    def concurrency(self) -> int:
        """How many calls at a time are of use, 1 to 1000: the threads of an asynchronous store."""
        return 8

    def after_commit(self, call: Callable[[], None]) -> None:
        """Make a call when what this thread has just written is committed.

        That is now, except where a backend lets several calls be one transaction.
        """
        call()

    def describe(self) -> Mapping[str, str]:
        """What an operator wants to know of engine, place and size, by name. No secrets."""
        return {}

    def stats(self) -> Mapping[str, float]:
        """Numbers for :meth:`Store.stats <moltnet_core.store.Store.stats>`, by name; in the end all that it has.

        It may be called at any time, also when the driver is closed, and waits neither for a call that is under way
        nor for a device. A driver has what it has of these, and may add names of its own:

        - ``pool.size``, the most connections that may be open; ``pool.in_use``, ``pool.idle`` and ``pool.waiting``
          (calls that wait for one), at this moment; ``pool.opened`` and ``pool.replaced`` (those that were closed
          because they were dead, or as old as one), since the store was opened.
        - ``group.count``, how often waiting writes were made durable together, since the store was opened;
          ``group.writes`` and ``group.messages``, how many writes these were and how many messages they had;
          ``group.largest``, the most writes at once.
        """
        return {}

    @abstractmethod
    def ping(self) -> None:
        """Reach the stored data once.

        :raises StoreUnavailableError: it cannot be reached.
        """

    @abstractmethod
    def close(self) -> None:
        """Free everything; called once, after the last other call has returned.

        A snapshot may still be open. It is not used any more; what it holds is freed when it is left.
        """


# -- powers ------------------------------------------------------------------------------------------


@runtime_checkable
class SupportsMigrations(Protocol):
    """The power ``migrations``: a schema that changes by recorded steps.

    What a migration's ``up`` is given is for the backend to say, and where the steps are recorded. For what is no SQL,
    make the :class:`~moltnet_core.migrations.migration.Migration` with a checksum of any text that changes with what it
    does. A new place may be created before its migrations are applied.
    """

    @property
    def migration_log(self) -> MigrationLog:
        """Reads and applies migrations; works before the store is migrated."""
        ...


@runtime_checkable
class SupportsBackup(Protocol):
    """The power ``online_backup``: a consistent copy while the store is in use."""

    def backup(self, destination: Path) -> None:
        """Copy the whole store to a file that does not exist yet."""
        ...


@runtime_checkable
class SupportsWatch(Protocol):
    """The power ``watch``: new messages in the order of their commits, and word of them."""

    def feed(self) -> Feed:
        """The feed of the store, for all of its watches. Called once, at the first watch, also in a read-only store.

        It may prepare what the engine needs to keep the order. What it holds is freed by the driver's ``close``.
        """
        ...


@runtime_checkable
class SupportsCheck(Protocol):
    """A driver that can tell how its engine, files and schema are. Not a power that is declared: nobody plans by it."""

    def check_engine(self, check: Check) -> None:
        """Note in ``check.found`` what is wrong; change nothing."""
        ...


@runtime_checkable
class SupportsRecordCheck(Protocol):
    """A :class:`DriverSnapshot` that checks all records itself, better than by scanning.

    It begins with what :func:`moltnet_core.checking.tallying.check_records` finds, and does at least that.
    """

    def check_records(self, check: Check) -> None:
        """Note in ``check.found`` what is wrong with what the snapshot holds."""
        ...


@runtime_checkable
class SupportsRepair(Protocol):
    """A driver that can put right some of what a check finds. Not a power that is declared: ``repair`` asks."""

    @property
    def repairs(self) -> frozenset[str]:
        """The codes that it takes, of those that :data:`moltnet_core.checking.faults.FAULTS` calls repairable."""
        ...

    @property
    def beside(self) -> Path | None:
        """The store's file, beside which a backup and what is moved out of it go; ``None`` for a server."""
        ...

    def repair(self, codes: frozenset[str], check: Check, moved: Moved | None) -> Sequence[Change]:
        """Put right everything of some codes, in one transaction that nobody else writes beside.

        :param codes: of :attr:`repairs`.
        :param check: for its migrations, and to be told of progress.
        :param moved: takes what is taken out of the store, before it goes; ``None``: only say what would be done.
        :returns: what was, or would be, done; nothing where there is nothing to do, and then nothing is written.
        """
        ...
