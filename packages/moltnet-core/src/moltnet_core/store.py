"""``Store``: what every caller uses, the same for all backends.

It checks and normalises what comes in, calls the driver, turns what comes back into pages and results, and tells the
observers. The rules are the contract's; see each method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from moltnet_core._bell import Bell
from moltnet_core._follower import Follower, WatchOptions
from moltnet_core._gate import Gate
from moltnet_core.backend import Backend, Power
from moltnet_core.derivation import derive
from moltnet_core.driver import Appended, Driver, Lookup, NewMessage, SupportsBackup, SupportsMigrations, SupportsWatch
from moltnet_core.errors import (
    CorruptRecordError,
    InvalidCursorError,
    MigrationRequiredError,
    ReadOnlyStoreError,
    RoomNotFoundError,
    UnsupportedCapabilityError,
    ValidationError,
)
from moltnet_core.feeds import Conversation, Feed, FeedPage, Position
from moltnet_core.listings import (
    Agents,
    Artifacts,
    DirectConversations,
    DMMessages,
    Listing,
    Members,
    RoomMessages,
    Rooms,
    ThreadMessages,
    Threads,
)
from moltnet_core.loading import prepare_load
from moltnet_core.migrations import Migration, MigrationStatus, apply_pending, read_status
from moltnet_core.paging import OnCorrupt, check_on_corrupt, entry_id, make_page, without_corrupt
from moltnet_core.records import LOAD_ORDER, Counts, LoadResult, Record, RecordKind
from moltnet_core.timestamps import now
from moltnet_core.types import (
    AgentRegistration,
    AgentSummary,
    AppendResult,
    Artifact,
    ArtifactFilter,
    DirectConversation,
    Message,
    Page,
    PageRequest,
    Room,
    Start,
    Thread,
)
from moltnet_core.validation import (
    is_storable,
    prepare_members,
    prepare_message,
    prepare_page,
    prepare_registration,
    prepare_room,
)
from moltnet_core.walks import PAGE_SIZE, Walks
from moltnet_core.watch import PATIENCE, Watch

if TYPE_CHECKING:
    from moltnet_core.driver import DriverSnapshot
    from moltnet_core.plugins import Plugins

__all__ = ["Snapshot", "Store"]

_SCAN_LIMIT = 1000
_MAX_SCAN_LIMIT = 10_000
T = TypeVar("T")


class Snapshot:
    """One unchanging view of a store, made by :meth:`Store.snapshot`."""

    def __init__(self, gate: Gate, snapshot: DriverSnapshot) -> None:
        self._gate = gate
        self._snapshot = snapshot

    def scan(
        self,
        kind: RecordKind | str,
        after: str | None = None,
        limit: int = _SCAN_LIMIT,
        *,
        on_corrupt: OnCorrupt = "raise",
    ) -> list[Record]:
        """The next records of a kind: by id, messages by (time, id); removed rooms and credentials included.

        :param after: the id of the record to go on after.
        :param limit: how many, 1 to 10,000. Fewer come back at the end only (or when corrupt ones were skipped).
        :raises ValidationError: no such kind, or the limit is out of range.
        :raises InvalidCursorError: there is no message ``after``.
        :raises CorruptRecordError: one cannot be decoded, and ``on_corrupt`` is ``"raise"``.
        :raises StoreClosedError: the store was closed.
        """
        on_corrupt = _checked(on_corrupt)
        return list(without_corrupt(self.entries(kind, after, limit), on_corrupt))

    def entries(
        self, kind: RecordKind | str, after: str | None = None, limit: int = _SCAN_LIMIT
    ) -> list[Record | CorruptRecordError]:
        """The same, with the error in the place of a record that cannot be decoded.

        :raises: as :meth:`scan`, but for ``CorruptRecordError``.
        """
        kind = _record_kind(kind)
        if type(limit) is not int or not 1 <= limit <= _MAX_SCAN_LIMIT:
            raise ValidationError("limit", f"expected an integer from 1 to {_MAX_SCAN_LIMIT}")
        with self._gate:
            return list(self._snapshot.scan(kind, after, limit))

    def records(self, kind: RecordKind | str | None = None, *, on_corrupt: OnCorrupt = "raise") -> Iterator[Record]:
        """All records of a kind, or of every kind in load order, one by one.

        :raises: as :meth:`scan`.
        """
        on_corrupt = _checked(on_corrupt)
        for each in LOAD_ORDER if kind is None else (_record_kind(kind),):
            after: str | None = None
            while True:
                entries = self.entries(each, after)
                yield from without_corrupt(entries, on_corrupt)
                if len(entries) < _SCAN_LIMIT:
                    break
                last = entries[-1]
                after = last.id if isinstance(last, Record) else last.record_id


def _record_kind(kind: RecordKind | str) -> RecordKind:
    try:
        return RecordKind(kind)
    except ValueError:
        raise ValidationError("kind", f"expected one of {', '.join(RecordKind)}") from None


def _checked(on_corrupt: OnCorrupt) -> OnCorrupt:
    check_on_corrupt(on_corrupt)
    return on_corrupt


class Store(Walks):
    """A store of rooms, messages, threads, direct conversations, artifacts and agents.

    :func:`moltnet_core.opening.open_store` makes one. It may be used from any number of threads. Every write is one
    transaction: atomic, and durable when the call returns, as far as the backend's durability goes.
    """

    def __init__(
        self,
        driver: Driver,
        backend: Backend,
        plugins: Plugins,
        migrations: Sequence[Migration] = (),
        *,
        read_only: bool = False,
    ) -> None:
        self._driver = driver
        self._backend = backend
        self._plugins = plugins
        self._migrations = tuple(migrations)
        self._read_only = read_only
        self._pending: tuple[Migration, ...] = ()
        self._gate = Gate()
        self._bell = Bell(self._open_feed)

    # -- the store -----------------------------------------------------------------------------------

    @property
    def backend(self) -> Backend:
        """The backend's description."""
        return self._backend

    @property
    def capabilities(self) -> frozenset[str]:
        """The backend's traits and powers."""
        return self._backend.capabilities

    @property
    def read_only(self) -> bool:
        """Whether the store was opened with ``mode=ro``."""
        return self._read_only

    @property
    def driver(self) -> Driver:
        """The driver, for what a backend's own package offers beyond the contract."""
        return self._driver

    @property
    def migrations(self) -> tuple[Migration, ...]:
        """The migrations that this software knows for the store, those that are applied and those that are not."""
        return self._migrations

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._gate.closed else "read-only" if self._read_only else "open"
        return f"<Store {self._backend.name} ({state})>"

    def close(self) -> None:
        """Close the store, once the calls of other threads have returned. Calling it again does nothing."""
        if self._gate.closed:
            return
        if not self.needs_migration:  # else they were not told that it was opened
            self._plugins.store_closing(store=self)
        self._abandon()

    def _abandon(self) -> None:
        """Close the store without telling plugins."""
        if self._gate.close():
            self._bell.close()
            self._driver.close()

    def ping(self) -> None:
        """Reach the stored data once.

        :raises StoreUnavailableError: it cannot be reached.
        :raises StoreClosedError: the store is closed.
        """
        with self._gate:
            self._driver.ping()

    def counts(self) -> Counts:
        """How much is stored."""
        with self._reading():
            return self._driver.counts()

    def migration_status(self) -> MigrationStatus:
        """How far the schema is; takes no lock and writes nothing. Empty for a backend without migrations.

        :raises SchemaTooNewError: a newer program migrated the store (not in a read-only store).
        :raises MigrationDriftError: the recorded migrations are not those that this software knows.
        """
        with self._gate:
            if not isinstance(self._driver, SupportsMigrations):
                return MigrationStatus()
            return read_status(self._driver.migration_log, self._migrations, newer_is_error=not self._read_only)

    def migrate(self) -> tuple[Migration, ...]:
        """Apply the migrations that are missing, each in a transaction of its own.

        :returns: those that this call applied.
        :raises MigrationFailedError: one failed and was rolled back; those before it stay applied.
        :raises ReadOnlyStoreError: the store was opened read-only.
        """
        if self._read_only:
            raise ReadOnlyStoreError
        pending = self.migration_status().pending
        applied: tuple[Migration, ...] = ()
        if pending and isinstance(self._driver, SupportsMigrations):
            self._plugins.before_migrate(store=self, plan=pending)
            with self._gate:
                applied = apply_pending(self._driver.migration_log, pending)
            self.migration_status()  # another program may have gone further meanwhile
        was_deferred, self._pending = bool(self._pending), ()
        if applied:
            self._plugins.after_migrate(store=self, applied=applied)
        if was_deferred:
            self._plugins.store_opened(store=self)
        return applied

    def backup(self, destination: str | Path) -> None:
        """Copy the whole store, as of one moment, to a file that does not exist yet, while it is in use.

        :raises UnsupportedCapabilityError: the backend does not have the power ``online_backup``.
        """
        with self._gate:
            if Power.ONLINE_BACKUP not in self.capabilities or not isinstance(self._driver, SupportsBackup):
                raise UnsupportedCapabilityError(Power.ONLINE_BACKUP, self._backend.name)
            self._driver.backup(Path(destination))

    def _defer(self, pending: Sequence[Migration]) -> None:
        """Keep the store from use until :meth:`migrate` was called, which tells plugins that it is opened."""
        self._pending = tuple(pending)

    def held(self, *, write: bool) -> AbstractContextManager[None]:
        """Keep the store from being closed for as long as the context lasts: for a backend's own package.

        :raises ReadOnlyStoreError: it is to be written and was opened read-only.
        :raises MigrationRequiredError: it was opened with ``migrate="later"`` and not migrated yet.
        :raises StoreClosedError: it is closed.
        """
        return self._writing() if write else self._reading()

    @property
    def needs_migration(self) -> bool:
        """Whether the store was opened with ``migrate="later"`` and :meth:`migrate` was not called yet."""
        return bool(self._pending)

    def describe(self) -> Mapping[str, str]:
        """What an operator wants to know of engine, place and size, by name; in the backend's own words."""
        with self._gate:
            return self._driver.describe()

    def _reading(self) -> Gate:
        if self._pending:
            raise MigrationRequiredError([step.label for step in self._pending])
        return self._gate

    def _writing(self) -> Gate:
        if self._read_only and not self._gate.closed:
            raise ReadOnlyStoreError
        return self._reading()

    # -- rooms ---------------------------------------------------------------------------------------

    def create_room(self, room: Room) -> Room:
        """Create a room.

        :returns: it, as stored.
        :raises ValidationError: a field breaks a rule.
        :raises RoomExistsError: the id is taken, perhaps by a removed room.
        """
        room = prepare_room(room)
        with self._writing():
            self._driver.create_room(room)
        return room

    def get_room(self, room_id: str) -> Room | None:
        """A room, or ``None`` if there is none of this id or it was removed."""
        return self._get(Room, Lookup.ROOM, room_id)

    def list_rooms(self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise") -> Page[Room]:
        """Rooms that were not removed, by id. See :meth:`list_room_messages` for the arguments and errors."""
        return self._list_by_id(Rooms(), page, on_corrupt)

    def reconcile_room(self, room: Room) -> Room:
        """Replace a room's name, members, visibility and write policy.

        :returns: the room as it is then.
        :raises ValidationError: a field breaks a rule.
        :raises RoomNotFoundError: it does not exist or was removed.
        """
        room = prepare_room(room)
        with self._writing():
            return self._driver.reconcile_room(room)

    def update_room_members(self, room_id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Room:
        """Add members to a room, then remove members.

        :param add: member ids, at most 256.
        :param remove: member ids, at most 256; unknown ones are no error.
        :returns: the room as it is then.
        :raises RoomNotFoundError: it does not exist or was removed.
        """
        added, removed = prepare_members(add, "add"), prepare_members(remove, "remove")
        room_id = _named_room(room_id)
        with self._writing():
            return self._driver.update_members(room_id, added, removed)

    def remove_room(self, room_id: str) -> None:
        """Remove a room.

        It leaves :meth:`get_room` and :meth:`list_rooms`, its members go, and nothing can be appended to it any more.
        Its history stays readable and its id stays taken.

        :raises RoomNotFoundError: it does not exist or was removed.
        """
        room_id = _named_room(room_id)
        with self._writing():
            self._driver.remove_room(room_id, now())

    def remove_agent_from_rooms(self, agent_id: str) -> None:
        """Drop one member, as its id is written, from every room. An unknown one is no error."""
        member_id = _text_argument(agent_id, "agent_id")
        with self._writing():
            if is_storable(member_id):
                self._driver.remove_member(member_id)

    # -- messages ------------------------------------------------------------------------------------

    def append_message(self, message: Message, *, retry: bool = False) -> AppendResult:
        """Append one message. Its thread or DM is created if it is the first; its artifacts are stored with it.

        :param retry: count an identical message that is stored already as success (``replayed``), so that after an
            error with ``committed`` ``None`` the same message can be offered again.
        :raises ValidationError: a field breaks a rule.
        :raises RoomNotFoundError: the target's room does not exist or was removed.
        :raises ThreadRoomMismatchError: the thread belongs to another room.
        :raises DuplicateMessageError: the id is taken.
        """
        new = derive(prepare_message(message))
        with self._writing():
            (appended,) = self._driver.append((new,), retry=retry)
        result = _append_result(new, appended)
        self._tell([result])
        return result

    def append_messages(self, batch: Iterable[Message], *, retry: bool = False) -> list[AppendResult]:
        """Append several messages in order, all or none.

        :returns: one result for each.
        :raises: as :meth:`append_message`; a ``DuplicateMessageError`` lists every duplicate of the batch.
        """
        if not isinstance(batch, Iterable):
            raise ValidationError("batch", f"expected a list of messages, not {type(batch).__name__}")
        news = [derive(prepare_message(message)) for message in batch]
        with self._writing():
            appended = self._driver.append(news, retry=retry) if news else ()
        results = [_append_result(new, each) for new, each in zip(news, appended, strict=True)]
        self._tell(results)
        return results

    def _tell(self, results: Sequence[AppendResult]) -> None:
        if not self._plugins.observes_messages:
            return
        batch = tuple(results)  # the caller may change the list before the commit

        def tell() -> None:
            for result in batch:
                self._plugins.message_appended(store=self, result=result, batch=batch)

        self._driver.after_commit(tell)

    def get_message(self, message_id: str) -> Message | None:
        """A message, or ``None``.

        :raises CorruptRecordError: it cannot be decoded.
        """
        return self._get(Message, Lookup.MESSAGE, message_id)

    def list_room_messages(
        self, room_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """Messages of a room's main line by (``created_at``, ``id``), oldest first; of a removed room too.

        :param page: which ones; without it the newest 100.
        :param on_corrupt: what to do with a record that cannot be decoded: ``"raise"``, or ``"skip"`` it, which
            is counted in ``Page.skipped`` and logged.
        :returns: an empty page for an unknown room.
        :raises ValidationError: the limit is not from 1 to 1000.
        :raises InvalidCursorError: both cursors, or one that is not a message of this room.
        :raises CorruptRecordError: a record cannot be decoded, and ``on_corrupt`` is ``"raise"``.
        """
        return self._list(RoomMessages(_text_argument(room_id, "room_id")), page, on_corrupt)

    def list_thread_messages(
        self, thread_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """Messages of a thread. See :meth:`list_room_messages`."""
        return self._list(ThreadMessages(_text_argument(thread_id, "thread_id")), page, on_corrupt)

    def list_dm_messages(
        self, dm_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """Messages of a direct conversation. See :meth:`list_room_messages`."""
        return self._list(DMMessages(_text_argument(dm_id, "dm_id")), page, on_corrupt)

    # -- new messages --------------------------------------------------------------------------------

    def watch(
        self,
        *,
        room_id: str | None = None,
        thread_id: str | None = None,
        dm_id: str | None = None,
        after: str | Start | None = None,
        timeout: float | None = None,
        patience: float | None = PATIENCE,
        page_size: int = PAGE_SIZE,
        on_corrupt: OnCorrupt = "raise",
    ) -> Watch:
        """New messages as they are committed, by whomever: ``for message in store.watch(): …``.

        They come in the order of their commits, whatever their ``created_at`` says: none is missing and none comes
        twice, also when a watch is ended and another one made after its token. Observers of plugins hear of what their
        own process appends; a watch, of everything.

        :param room_id: only the main line of this room, which need not exist yet.
        :param thread_id: only this thread.
        :param dm_id: only this direct conversation.
        :param after: the id of the message to go on after, of whatever conversation; ``START``: from the first that is
            stored; ``None``: only those that are committed once this call has returned.
        :param timeout: seconds to wait for a message before iterating ends, for now: iterate again to go on. 0 takes
            what is there. ``None`` waits for ever.
        :param patience: for how many seconds to try again, with pauses from 0.05 to 2 seconds, while the store cannot
            be reached or is busy, before raising its error; 0: not at all; ``None``: for ever. The beginning and the
            end of such a time are logged.
        :param page_size: how many are read at once, 1 to 1000.
        :param on_corrupt: what to do with a message that cannot be decoded: ``"raise"``, and go on behind it when
            iterated again, or ``"skip"`` it, which is logged.
        :returns: an iterator; its errors are those of :meth:`Watch.__next__ <moltnet_core.watch.Watch.__next__>`.
        :raises InvalidCursorError: there is no message ``after``.
        :raises ValidationError: an argument is out of range, or more than one conversation is named.
        :raises UnsupportedCapabilityError: the backend does not have the power ``watch``.
        """
        options = WatchOptions.checked(room_id, thread_id, dm_id, after, timeout, patience, page_size, on_corrupt)
        return Watch(self._follower(options), self._bell)

    def _follower(self, options: WatchOptions) -> Follower:
        after = options.after
        with self._reading():
            can_exist = not isinstance(after, str) or is_storable(after)
            position = self._bell.feed().locate(after) if can_exist else None
        if position is None:
            raise Follower.lost(str(after))
        return Follower(self._read_feed, position, options)

    def _open_feed(self) -> Feed:
        if Power.WATCH not in self.capabilities or not isinstance(self._driver, SupportsWatch):
            raise UnsupportedCapabilityError(Power.WATCH, self._backend.name)
        return self._driver.feed()

    def _read_feed(self, position: Position, conversation: Conversation | None, limit: int) -> FeedPage:
        with self._reading():
            return self._bell.feed().read(position, conversation, limit)

    # -- conversations and artifacts -----------------------------------------------------------------

    def get_thread(self, thread_id: str) -> Thread | None:
        """A thread, or ``None``."""
        return self._get(Thread, Lookup.THREAD, thread_id)

    def list_threads(
        self, room_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Thread]:
        """Threads of a room, by id. See :meth:`list_room_messages` for the arguments and errors."""
        return self._list_by_id(Threads(_text_argument(room_id, "room_id")), page, on_corrupt)

    def get_dm(self, dm_id: str) -> DirectConversation | None:
        """A direct conversation, or ``None``."""
        return self._get(DirectConversation, Lookup.DM, dm_id)

    def list_dms(self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise") -> Page[DirectConversation]:
        """Direct conversations, by id. See :meth:`list_room_messages` for the arguments and errors."""
        return self._list_by_id(DirectConversations(), page, on_corrupt)

    def list_artifacts(
        self,
        filter: ArtifactFilter | None = None,
        page: PageRequest | None = None,
        *,
        on_corrupt: OnCorrupt = "raise",
    ) -> Page[Artifact]:
        """Artifacts by (``created_at``, ``message_id``, ``part_index``).

        :param filter: of which conversation; without it all. A room's include its threads'.
        :raises ValidationError: the filter names more than one conversation, or the limit is not from 1 to 1000.
        :raises InvalidCursorError: both cursors, or one that is not an artifact of this listing.
        """
        chosen = ArtifactFilter() if filter is None else filter
        if not isinstance(chosen, ArtifactFilter):
            raise ValidationError("filter", f"expected an ArtifactFilter, not {type(chosen).__name__}")
        ids = [value for value in attrs.astuple(chosen) if value is not None]
        if len(ids) > 1:
            raise ValidationError("filter", "names more than one of room_id, thread_id and dm_id")
        for value in ids:
            _text_argument(value, "filter")
        return self._list(Artifacts(chosen), page, on_corrupt)

    # -- agents --------------------------------------------------------------------------------------

    def register_agent(self, registration: AgentRegistration) -> AgentRegistration:
        """Register an agent, or update its registration with the same credential key. The first writer keeps the id.

        :returns: what is stored. An update keeps the first ``network_id``, ``actor_uid``, ``actor_uri`` and
            ``created_at``, and the old ``display_name`` where the new one is empty.
        :raises AgentCredentialError: it is registered with another credential key.
        """
        registration = prepare_registration(registration)
        with self._writing():
            return self._driver.save_agent(registration, rebind=False)

    def reconcile_agent(self, registration: AgentRegistration) -> AgentRegistration:
        """As :meth:`register_agent`, but an agent registered with another credential key is bound to this one."""
        registration = prepare_registration(registration)
        with self._writing():
            return self._driver.save_agent(registration, rebind=True)

    def get_agent(self, agent_id: str) -> AgentRegistration | None:
        """A registration, or ``None``."""
        return self._get(AgentRegistration, Lookup.AGENT, agent_id)

    def get_agent_by_credential(self, credential_key: str) -> AgentRegistration | None:
        """The registration with a credential key, or ``None``. Of several with one key, the lowest id."""
        return self._get(AgentRegistration, Lookup.CREDENTIAL, credential_key)

    def list_agents(
        self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[AgentRegistration]:
        """Registrations, by id. See :meth:`list_room_messages` for the arguments and errors."""
        return self._list_by_id(Agents(), page, on_corrupt)

    def remove_agent(self, agent_id: str) -> None:
        """Drop a registration; memberships stay. An unknown one is no error."""
        agent_id = _text_argument(agent_id, "agent_id")
        with self._writing():
            if is_storable(agent_id):
                self._driver.remove_agent(agent_id)

    def get_member(self, member_id: str) -> AgentSummary | None:
        """A member of at least one room, or ``None``."""
        return self._get(AgentSummary, Lookup.MEMBER, member_id)

    def list_members(self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise") -> Page[AgentSummary]:
        """Members of rooms, registered or not, by id. See :meth:`list_room_messages` for the arguments and errors."""
        return self._list_by_id(Members(), page, on_corrupt)

    # -- records -------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Everything stored, as of one moment: ``with store.snapshot() as s: s.scan("room")``."""
        with self._reading():
            view = self._driver.snapshot()
            inner = view.__enter__()
        try:
            yield Snapshot(self._gate, inner)
        finally:
            view.__exit__(None, None, None)

    def load(self, records: Iterable[Record]) -> LoadResult:
        """Store records as they are, all or none: rooms, agents, threads and DMs before what names them.

        A record that is stored already, identical, is no change. Artifacts, counts and last times are rebuilt.
        The rules for new messages do not apply, only what the backend cannot hold is refused. Observers are not told.

        :raises RecordConflictError: a different record of the same kind and id is stored.
        :raises ValidationError: the backend cannot hold a value, or a message's conversation is missing.
        """
        prepared, truncated = prepare_load(records, self._backend.time_digits)
        with self._writing():
            result = self._driver.load(prepared) if prepared else LoadResult()
        return attrs.evolve(result, truncated=truncated)

    # -- reading -------------------------------------------------------------------------------------

    def _get(self, _: type[T], lookup: Lookup, key: str) -> T | None:
        key = _text_argument(key, f"{lookup} id")
        with self._reading():
            found: T | None = self._driver.get(lookup, key) if is_storable(key) else None
        return found

    def _list(self, listing: Listing, page: PageRequest | None, on_corrupt: OnCorrupt) -> Page[Any]:
        """A listing whose cursors are items of it."""
        check_on_corrupt(on_corrupt)
        before, after, limit = prepare_page(page)
        with self._reading():
            if not _can_exist(listing):
                if before is not None or isinstance(after, str):
                    raise InvalidCursorError(before or str(after))
                return Page(())
            entries = self._driver.read(listing, before, after, limit + 1)
        behind = before is not None or isinstance(after, str)
        return make_page(entries, after, limit, on_corrupt, behind=behind)

    def _list_by_id(self, listing: Listing, page: PageRequest | None, on_corrupt: OnCorrupt) -> Page[Any]:
        """A listing whose cursors are positions: whether anything is behind the page has to be looked up."""
        check_on_corrupt(on_corrupt)
        before, after, limit = prepare_page(page)
        behind = False
        with self._reading():
            if not _can_exist(listing):
                return Page(())
            entries = self._driver.read(listing, before, after, limit + 1)
            if entries and before is not None:
                behind = bool(self._driver.read(listing, None, entry_id(entries[-1]), 1))
            elif entries and after is not None and not isinstance(after, Start):
                behind = bool(self._driver.read(listing, entry_id(entries[0]), None, 1))
        return make_page(entries, after, limit, on_corrupt, behind=behind)


def _append_result(new: NewMessage, appended: Appended) -> AppendResult:
    if appended.created:
        return AppendResult(new.message, new.thread, new.dm)
    return AppendResult(new.message, replayed=appended.replayed)


def _text_argument(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValidationError(name, f"expected a text, not {type(value).__name__}")
    return value


def _named_room(room_id: object) -> str:
    """A room id that a write names: one that cannot exist is not found."""
    text = _text_argument(room_id, "room_id")
    if not is_storable(text):
        raise RoomNotFoundError(ascii(text))
    return text


def _can_exist(listing: Listing) -> bool:
    """Whether the ids that a listing names can be stored at all."""
    named = attrs.astuple(listing.filter if isinstance(listing, Artifacts) else listing)
    return all(is_storable(value) for value in named if value is not None)
