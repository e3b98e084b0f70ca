"""``AsyncStore``: a store for an event loop.

It mirrors :class:`~moltnet_core.store.Store`, which does the work in threads. A test holds the two in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Concatenate, Final, ParamSpec, TypeVar

from moltnet_core._follower import WatchOptions
from moltnet_core._workers import Workers, result, settled
from moltnet_core.async_snapshot import AsyncSnapshot, open_snapshot
from moltnet_core.async_walks import AsyncWalks
from moltnet_core.async_watch import AsyncWatch
from moltnet_core.backend import Backend
from moltnet_core.errors import ValidationError
from moltnet_core.migrations import Migration, MigrationStatus
from moltnet_core.paging import OnCorrupt
from moltnet_core.records import Counts, LoadResult, Record
from moltnet_core.store import Store
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
from moltnet_core.walks import PAGE_SIZE
from moltnet_core.watch import PATIENCE

__all__ = ["AsyncStore", "check_threads"]

_MAX_THREADS: Final = 1000

P = ParamSpec("P")
T = TypeVar("T")


def check_threads(threads: object) -> None:
    """:raises ValidationError: neither ``None`` nor a number from 1 to 1000."""
    if threads is not None and (type(threads) is not int or not 1 <= threads <= _MAX_THREADS):
        raise ValidationError("threads", f"expected an integer from 1 to {_MAX_THREADS}")


class AsyncStore(AsyncWalks):
    """A :class:`~moltnet_core.store.Store` for an event loop: name for name the same, and no call blocks the loop.

    :func:`open_async_store` makes one. The calls are made by threads of the store's own, which end with it; they begin
    in the order in which they come. An ``AsyncStore`` belongs to no loop: several may use it, also in turn.

    A call that is cancelled before it has begun is not made. A read that has begun is left at once, and ends by
    itself. A write that has begun is settled before ``CancelledError`` reaches the caller: it is done wholly or not at
    all. A note on the error says which; it can be looked up, or offered again with ``retry=True``. So a time-out
    around a write takes hold no sooner than the backend answers, or gives up by its own limits.

    Observers of plugins run in the store's threads, and so do iterables that are passed in. They see the context
    variables of whoever made the call. After a ``fork`` the same holds as for ``Store``.

    :param store: which is closed with this one.
    :param threads: how many calls are made at a time; without it as many as the backend has a use for.
    :raises ValidationError: it is not a number from 1 to 1000.
    """

    def __init__(self, store: Store, *, threads: int | None = None) -> None:
        check_threads(threads)
        super().__init__(store, Workers(f"moltnet-{store.backend.name}", threads or store.driver.concurrency))

    # -- the store -----------------------------------------------------------------------------------

    @property
    def backend(self) -> Backend:
        """See :attr:`Store.backend <moltnet_core.store.Store.backend>`."""
        return self._store.backend

    @property
    def capabilities(self) -> frozenset[str]:
        """See :attr:`Store.capabilities <moltnet_core.store.Store.capabilities>`."""
        return self._store.capabilities

    @property
    def read_only(self) -> bool:
        """See :attr:`Store.read_only <moltnet_core.store.Store.read_only>`."""
        return self._store.read_only

    async def __aenter__(self) -> AsyncStore:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._store).replace("Store", "AsyncStore", 1)

    async def close(self) -> None:
        """See :meth:`Store.close <moltnet_core.store.Store.close>`.

        Calls that were made before are waited for, also those that have not begun; later ones raise
        ``StoreClosedError``. Then the store's threads have ended.
        """
        future, join = self._workers.close(self._store.close)
        await settled(future)
        join()

    async def run_sync(self, call: Callable[Concatenate[Store, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Call a function with the synchronous store, in one of the threads: for what takes a ``Store``.

        .. code-block:: python

            await store.run_sync(read_marks, "alpha")  # read_marks(Store, "alpha")

        Cancelling is as for a write. The function must not wait for other calls of this ``AsyncStore``, which may be
        waiting for its thread.

        :returns: what it returns.
        """
        return await self._write(call, self._store, *args, **options)

    async def ping(self) -> None:
        """See :meth:`Store.ping <moltnet_core.store.Store.ping>`."""
        await self._read(self._store.ping)

    async def counts(self) -> Counts:
        """See :meth:`Store.counts <moltnet_core.store.Store.counts>`."""
        return await self._read(self._store.counts)

    async def migration_status(self) -> MigrationStatus:
        """See :meth:`Store.migration_status <moltnet_core.store.Store.migration_status>`."""
        return await self._read(self._store.migration_status)

    async def migrate(self) -> tuple[Migration, ...]:
        """See :meth:`Store.migrate <moltnet_core.store.Store.migrate>`."""
        return await self._write(self._store.migrate)

    async def backup(self, destination: str | Path) -> None:
        """See :meth:`Store.backup <moltnet_core.store.Store.backup>`."""
        await self._write(self._store.backup, destination)

    @property
    def migrations(self) -> tuple[Migration, ...]:
        """See :attr:`Store.migrations <moltnet_core.store.Store.migrations>`."""
        return self._store.migrations

    @property
    def needs_migration(self) -> bool:
        """See :attr:`Store.needs_migration <moltnet_core.store.Store.needs_migration>`."""
        return self._store.needs_migration

    async def describe(self) -> Mapping[str, str]:
        """See :meth:`Store.describe <moltnet_core.store.Store.describe>`."""
        return await self._read(self._store.describe)

    # -- rooms -----------------------------------------------------------------------------------------

    async def create_room(self, room: Room) -> Room:
        """See :meth:`Store.create_room <moltnet_core.store.Store.create_room>`."""
        return await self._write(self._store.create_room, room)

    async def get_room(self, room_id: str) -> Room | None:
        """See :meth:`Store.get_room <moltnet_core.store.Store.get_room>`."""
        return await self._read(self._store.get_room, room_id)

    async def list_rooms(self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise") -> Page[Room]:
        """See :meth:`Store.list_rooms <moltnet_core.store.Store.list_rooms>`."""
        return await self._read(self._store.list_rooms, page, on_corrupt=on_corrupt)

    async def reconcile_room(self, room: Room) -> Room:
        """See :meth:`Store.reconcile_room <moltnet_core.store.Store.reconcile_room>`."""
        return await self._write(self._store.reconcile_room, room)

    async def update_room_members(self, room_id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Room:
        """See :meth:`Store.update_room_members <moltnet_core.store.Store.update_room_members>`."""
        return await self._write(self._store.update_room_members, room_id, add, remove)

    async def remove_room(self, room_id: str) -> None:
        """See :meth:`Store.remove_room <moltnet_core.store.Store.remove_room>`."""
        await self._write(self._store.remove_room, room_id)

    async def remove_agent_from_rooms(self, agent_id: str) -> None:
        """See :meth:`Store.remove_agent_from_rooms <moltnet_core.store.Store.remove_agent_from_rooms>`."""
        await self._write(self._store.remove_agent_from_rooms, agent_id)

    # -- messages --------------------------------------------------------------------------------------

    async def append_message(self, message: Message, *, retry: bool = False) -> AppendResult:
        """See :meth:`Store.append_message <moltnet_core.store.Store.append_message>`."""
        return await self._write(self._store.append_message, message, retry=retry)

    async def append_messages(self, batch: Iterable[Message], *, retry: bool = False) -> list[AppendResult]:
        """See :meth:`Store.append_messages <moltnet_core.store.Store.append_messages>`."""
        return await self._write(self._store.append_messages, batch, retry=retry)

    async def get_message(self, message_id: str) -> Message | None:
        """See :meth:`Store.get_message <moltnet_core.store.Store.get_message>`."""
        return await self._read(self._store.get_message, message_id)

    async def list_room_messages(
        self, room_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """See :meth:`Store.list_room_messages <moltnet_core.store.Store.list_room_messages>`."""
        return await self._read(self._store.list_room_messages, room_id, page, on_corrupt=on_corrupt)

    async def list_thread_messages(
        self, thread_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """See :meth:`Store.list_thread_messages <moltnet_core.store.Store.list_thread_messages>`."""
        return await self._read(self._store.list_thread_messages, thread_id, page, on_corrupt=on_corrupt)

    async def list_dm_messages(
        self, dm_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Message]:
        """See :meth:`Store.list_dm_messages <moltnet_core.store.Store.list_dm_messages>`."""
        return await self._read(self._store.list_dm_messages, dm_id, page, on_corrupt=on_corrupt)

    # -- new messages ----------------------------------------------------------------------------------

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
    ) -> AsyncWatch:
        """See :meth:`Store.watch <moltnet_core.store.Store.watch>`.

        "From now on" is from when ``async with`` is entered. Without ``async with`` it is soon after this call, and so
        are the errors of a wrong ``after`` or of a backend that cannot watch: the first message's.
        """
        options = WatchOptions.checked(room_id, thread_id, dm_id, after, timeout, patience, page_size, on_corrupt)
        store = self._store
        return AsyncWatch(self._workers, store._bell, partial(store._follower, options), after)

    # -- conversations and artifacts -------------------------------------------------------------------

    async def get_thread(self, thread_id: str) -> Thread | None:
        """See :meth:`Store.get_thread <moltnet_core.store.Store.get_thread>`."""
        return await self._read(self._store.get_thread, thread_id)

    async def list_threads(
        self, room_id: str, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Thread]:
        """See :meth:`Store.list_threads <moltnet_core.store.Store.list_threads>`."""
        return await self._read(self._store.list_threads, room_id, page, on_corrupt=on_corrupt)

    async def get_dm(self, dm_id: str) -> DirectConversation | None:
        """See :meth:`Store.get_dm <moltnet_core.store.Store.get_dm>`."""
        return await self._read(self._store.get_dm, dm_id)

    async def list_dms(
        self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[DirectConversation]:
        """See :meth:`Store.list_dms <moltnet_core.store.Store.list_dms>`."""
        return await self._read(self._store.list_dms, page, on_corrupt=on_corrupt)

    async def list_artifacts(
        self, filter: ArtifactFilter | None = None, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[Artifact]:
        """See :meth:`Store.list_artifacts <moltnet_core.store.Store.list_artifacts>`."""
        return await self._read(self._store.list_artifacts, filter, page, on_corrupt=on_corrupt)

    # -- agents ----------------------------------------------------------------------------------------

    async def register_agent(self, registration: AgentRegistration) -> AgentRegistration:
        """See :meth:`Store.register_agent <moltnet_core.store.Store.register_agent>`."""
        return await self._write(self._store.register_agent, registration)

    async def reconcile_agent(self, registration: AgentRegistration) -> AgentRegistration:
        """See :meth:`Store.reconcile_agent <moltnet_core.store.Store.reconcile_agent>`."""
        return await self._write(self._store.reconcile_agent, registration)

    async def get_agent(self, agent_id: str) -> AgentRegistration | None:
        """See :meth:`Store.get_agent <moltnet_core.store.Store.get_agent>`."""
        return await self._read(self._store.get_agent, agent_id)

    async def get_agent_by_credential(self, credential_key: str) -> AgentRegistration | None:
        """See :meth:`Store.get_agent_by_credential <moltnet_core.store.Store.get_agent_by_credential>`."""
        return await self._read(self._store.get_agent_by_credential, credential_key)

    async def list_agents(
        self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[AgentRegistration]:
        """See :meth:`Store.list_agents <moltnet_core.store.Store.list_agents>`."""
        return await self._read(self._store.list_agents, page, on_corrupt=on_corrupt)

    async def remove_agent(self, agent_id: str) -> None:
        """See :meth:`Store.remove_agent <moltnet_core.store.Store.remove_agent>`."""
        await self._write(self._store.remove_agent, agent_id)

    async def get_member(self, member_id: str) -> AgentSummary | None:
        """See :meth:`Store.get_member <moltnet_core.store.Store.get_member>`."""
        return await self._read(self._store.get_member, member_id)

    async def list_members(
        self, page: PageRequest | None = None, *, on_corrupt: OnCorrupt = "raise"
    ) -> Page[AgentSummary]:
        """See :meth:`Store.list_members <moltnet_core.store.Store.list_members>`."""
        return await self._read(self._store.list_members, page, on_corrupt=on_corrupt)

    # -- records ---------------------------------------------------------------------------------------

    def snapshot(self) -> AbstractAsyncContextManager[AsyncSnapshot]:
        """See :meth:`Store.snapshot <moltnet_core.store.Store.snapshot>`."""
        return open_snapshot(self._store, self._workers)

    async def load(self, records: Iterable[Record]) -> LoadResult:
        """See :meth:`Store.load <moltnet_core.store.Store.load>`."""
        return await self._write(self._store.load, records)

    # -- threads -------------------------------------------------------------------------------------

    async def _read(self, call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        return await result(self._submit(partial(call, *args, **options)))

    async def _write(self, call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        return await settled(self._submit(partial(call, *args, **options)))

    def _submit(self, call: Callable[[], T]) -> Future[T]:
        import asyncio

        asyncio.get_running_loop()  # else nothing is to be begun: nobody could wait for it
        return self._workers.submit(call)
