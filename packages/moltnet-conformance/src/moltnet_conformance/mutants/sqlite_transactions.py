"""Faults in transactions: none, two for one, and what is read before one begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import attrs

from moltnet_conformance.mutants.sqlite import Spelt, collection
from moltnet_core import AgentCredentialError, AgentRegistration, MoltnetError, Room, RoomNotFoundError
from moltnet_core.driver import Appended, Lookup, NewMessage
from moltnet_core.records import LoadResult
from moltnet_core.timestamps import format_time
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.driver import SQLiteDriver
from moltnet_sqlite.settings import SQLiteSettings

mutant = collection()

A_MOMENT = 0.003  # seconds between two transactions, so that others come between them every time


@mutant("every statement commits by itself", "DUP-004", "LOAD-003")
class NoTransactions(SQLiteDriver):
    def _writing(self) -> AbstractContextManager[Any]:
        return self._unit(None, write=True)


class _Deferred(SQLiteDialect):
    begin_write = "BEGIN"


@mutant("a transaction takes the lock when it writes, not when it begins", "PROC-001")
class BeginsDeferred(Spelt):
    dialect_class = _Deferred


@mutant("members are read in one transaction and written in the next", "RACE-005", "PROC-001")
class MembersInTwo(SQLiteDriver):
    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        room: Room | None = self.get(Lookup.ROOM, room_id)
        if room is None:
            raise RoomNotFoundError(room_id)
        time.sleep(A_MOMENT)
        members = tuple(sorted({*room.members, *add} - set(remove)))
        return self.reconcile_room(attrs.evolve(room, members=members))


@mutant("whether an agent is registered is asked before the transaction that registers it", "RACE-001", "PROC-001")
class RegistersInTwo(SQLiteDriver):
    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        stored: AgentRegistration | None = self.get(Lookup.AGENT, registration.agent_id)
        if stored is not None and not rebind and stored.credential_key != registration.credential_key:
            raise AgentCredentialError(registration.agent_id)
        time.sleep(A_MOMENT)
        return super().save_agent(registration, rebind=True)


@mutant("messages are counted in a transaction of their own", "RACE-004", "PROC-001")
class CountsInTwo(SQLiteDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        counted = {new.dm.id: self._count(new.dm.id) for new in batch if new.dm is not None}
        time.sleep(A_MOMENT)
        found = super().append(batch, retry=retry)
        for dm_id, before in counted.items():
            added = sum(
                new.dm is not None and new.dm.id == dm_id and not each.replayed
                for new, each in zip(batch, found, strict=True)
            )
            with self._writing() as connection:
                statement = "UPDATE dm_conversations SET message_count = ? WHERE dm_id = ?"
                connection.execute(statement, (before + added, dm_id))
        return found

    def _count(self, dm_id: str) -> int:
        found = self.get(Lookup.DM, dm_id)
        return found.message_count if found is not None else 0


@mutant("artifacts are written one by one, once the messages are committed", "RACE-007")
class ArtifactsAfterwards(SQLiteDriver):
    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        found = super().append([attrs.evolve(new, artifacts=()) for new in batch], retry=retry)
        self.write_artifacts(batch, found)
        return found

    def write_artifacts(self, batch: Sequence[NewMessage], found: Sequence[Appended]) -> None:
        rows = self._tools.rows
        for new, each in zip(batch, found, strict=True):
            row = rows.message_row(new.message, format_time(new.message.created_at))
            for artifact in () if each.replayed else new.artifacts:
                with self._writing() as connection:
                    session = self.session_class(connection)
                    session.execute(self._tools.statements.insert_artifact, rows.artifact_row(artifact, row))
                time.sleep(0.005)  # as a slow disk would let others look in between


@mutant("the artifacts of a batch are written with the next one", "KILL-001")
class ArtifactsWithTheNext(ArtifactsAfterwards):
    _waiting_artifacts: tuple[Sequence[NewMessage], Sequence[Appended]] = ((), ())

    def write_artifacts(self, batch: Sequence[NewMessage], found: Sequence[Appended]) -> None:
        super().write_artifacts(*self._waiting_artifacts)
        self._waiting_artifacts = batch, found


@mutant("a load commits record by record", "LOAD-003", "LOAD-005")
class LoadsOneByOne(SQLiteDriver):
    def load(self, records: Any) -> LoadResult:
        found = [super(LoadsOneByOne, self).load([each]) for each in records]
        return sum(found, LoadResult())


@mutant("counts are remembered in the process, and not read again", "OPEN-002")
class RemembersCounts(SQLiteDriver):
    def __init__(self, settings: SQLiteSettings, *, read_only: bool = False) -> None:
        super().__init__(settings, read_only=read_only)
        self._counted: dict[str, int] = {}

    def append(self, batch: Sequence[NewMessage], *, retry: bool = False) -> Sequence[Appended]:
        found = super().append(batch, retry=retry)
        for new, each in zip(batch, found, strict=True):
            if new.thread is not None and not each.replayed:
                count = self._counted[new.thread.id] = self._counted.get(new.thread.id, 0) + 1
                with self._writing() as connection:
                    connection.execute("UPDATE threads SET message_count = ? WHERE id = ?", (count, new.thread.id))
        return found


@mutant("appends that wait share a commit, and all are told what is wrong with one", "RACE-010")
class SharesErrors(SQLiteDriver):
    def _append_all(self, take: Callable[[], Sequence[Sequence[NewMessage]]]) -> Sequence[Any]:
        with self._writing() as connection:
            batches = take()
            try:
                appended = iter(self._writer(connection).append([new for batch in batches for new in batch]))
            except MoltnetError as error:
                error.committed = None
                raise
        return [list(islice(appended, len(batch))) for batch in batches]
