"""``LmdbDriver``: each call is one transaction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import attrs

from moltnet_core import (
    AgentRegistration,
    CorruptRecordError,
    Counts,
    LoadResult,
    Record,
    RecordKind,
    Room,
    StoreUnavailableError,
)
from moltnet_core.driver import Appended, Driver, DriverSnapshot, LoadRecord, Lookup, NewMessage
from moltnet_core.files import check_writable, creation_error, is_file, make_folder, publish, refuse_dangling
from moltnet_core.listings import Listing
from moltnet_core.types.paging import Start
from moltnet_lmdb.environment import Environment
from moltnet_lmdb.environments import ENVIRONMENTS
from moltnet_lmdb.loading import load
from moltnet_lmdb.migrations import LmdbMigrationLog
from moltnet_lmdb.pages import Txn
from moltnet_lmdb.reading import Reader
from moltnet_lmdb.settings import LmdbSettings
from moltnet_lmdb.views import View
from moltnet_lmdb.writing import Writer

__all__ = ["LmdbDriver"]

T = TypeVar("T")


class LmdbDriver(Driver):
    """Stores and fetches in one LMDB file."""

    def __init__(self, settings: LmdbSettings, *, read_only: bool = False) -> None:
        self._write = not read_only
        self._prepare(settings.path)
        # The file's own name: LMDB would keep another lock beside a link to it, and nobody may change the folder.
        self._settings = attrs.evolve(settings, path=settings.path.resolve())
        self._entered = ENVIRONMENTS.enter(self._settings, write=self._write)

    def _prepare(self, path: Path) -> None:
        try:
            exists = is_file(path, "lmdb", "moltnet.lmdb")
            if not exists and self._write:
                refuse_dangling(path, "lmdb")
                make_folder(path.parent)
        except OSError as error:
            raise creation_error(path, "lmdb", error) from None
        if exists and self._write:
            check_writable(path)
        elif not exists and not self._write:
            raise StoreUnavailableError(f"there is no {path}")

    def _environment(self) -> Environment:
        if self._entered.forgotten:  # by a fork
            with ENVIRONMENTS.lock:
                if self._entered.forgotten:
                    self._entered = ENVIRONMENTS.enter(self._settings, write=self._write)
        return self._entered

    @property
    def migration_log(self) -> LmdbMigrationLog:
        return LmdbMigrationLog(self._environment)

    # -- reading --

    def _reading(self, work: Callable[[Reader], T]) -> T:
        return self._environment().read(lambda txn: work(Reader(txn)))

    def get(self, lookup: Lookup, key: str) -> Any:
        return self._reading(lambda reader: reader.get(lookup, key))

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        return self._reading(lambda reader: reader.read(listing, before, after, limit))

    def counts(self) -> Counts:
        return self._reading(Reader.counts)

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        environment = self._environment()
        ENVIRONMENTS.hold(environment)  # the store may be closed meanwhile
        try:
            with environment.view() as view:
                yield LmdbSnapshot(view)
        finally:
            ENVIRONMENTS.leave(environment)

    # -- writing --

    def _writing(self, work: Callable[[Writer], T]) -> T:
        def whole(txn: Txn) -> T:
            writer = Writer(txn)
            result = work(writer)
            writer.finish()
            return result

        return self._environment().write(whole)

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        return self._writing(lambda writer: writer.append(batch, retry=retry))

    def create_room(self, room: Room) -> None:
        self._writing(lambda writer: writer.create_room(room))

    def reconcile_room(self, room: Room) -> Room:
        return self._writing(lambda writer: writer.reconcile_room(room))

    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        return self._writing(lambda writer: writer.update_members(room_id, add, remove))

    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        self._writing(lambda writer: writer.remove_room(room_id, removed_at))

    def remove_member(self, member_id: str) -> None:
        self._writing(lambda writer: writer.remove_member(member_id))

    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        return self._writing(lambda writer: writer.save_agent(registration, rebind=rebind))

    def remove_agent(self, agent_id: str) -> None:
        self._writing(lambda writer: writer.remove_agent(agent_id))

    def load(self, records: Sequence[LoadRecord]) -> LoadResult:
        return self._writing(lambda writer: load(writer, records))

    # -- the store --

    def backup(self, destination: Path) -> None:
        with self.snapshot(), publish(destination) as temporary, temporary.open("wb") as file:
            self._environment().copy(file.fileno())

    @property
    def identity(self) -> str:
        return str(self._settings.path.resolve())

    def describe(self) -> Mapping[str, str]:
        return {"engine": self._environment().engine, "path": str(self._settings.path), **self._environment().sizes()}

    def ping(self) -> None:
        self._environment().check()
        self._reading(Reader.counts)

    def close(self) -> None:
        ENVIRONMENTS.leave(self._entered)


class LmdbSnapshot:
    """Everything as of one moment."""

    def __init__(self, view: View) -> None:
        self._view = view

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> Sequence[Record | CorruptRecordError]:
        """See :meth:`moltnet_core.driver.DriverSnapshot.scan`."""
        return self._view.read(lambda txn: Reader(txn).scan(kind, after, limit))
