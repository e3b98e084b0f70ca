"""The stored state, and what each operation changes in it.

Every write is in two steps. A ``plan_…`` method checks everything, changes nothing, and returns the rows that will be
new, by table and id (``None`` for one that goes). :meth:`Tables.apply` then puts them in place, which cannot fail. What
must be durable first (a backend that keeps a file) is done between the two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

import attrs

from moltnet_core.derivation import count_message, member_summary, merge_registration, resolve_duplicates
from moltnet_core.driver import Appended, LoadRecord, NewMessage
from moltnet_core.errors import (
    RecordConflictError,
    RoomExistsError,
    RoomNotFoundError,
    ThreadRoomMismatchError,
)
from moltnet_core.records import Counts, LoadResult, Record, RecordKind, missing_error, same_record
from moltnet_core.timestamps import format_time
from moltnet_core.types import (
    AgentRegistration,
    AgentSummary,
    Artifact,
    Message,
    Room,
)
from moltnet_memory.index import Index
from moltnet_memory.rows import (
    AgentRow,
    CorruptRow,
    DMRow,
    MessageRow,
    RoomRow,
    Row,
    StoredRow,
    ThreadRow,
    fresh,
    row_of,
)

__all__ = ["Changes", "Tables"]

Changes = dict[tuple[RecordKind, str], StoredRow | None]
R = TypeVar("R", bound=StoredRow)


class Tables:
    """Rooms, agents, threads, DMs and messages by id, with the indexes that the listings need."""

    def __init__(self) -> None:
        self.rows: dict[RecordKind, dict[str, Any]] = {kind: {} for kind in RecordKind}
        self.ids: dict[RecordKind, Index] = {kind: Index() for kind in RecordKind}
        self.live_rooms = Index()
        self.members: dict[str, set[str]] = defaultdict(set)
        self.member_ids = Index()
        self.threads_of: dict[str, Index] = defaultdict(Index)
        # By (kind, conversation id); the keys are (time's key, id), and of artifacts (time's key, message id, part).
        self.messages_of: dict[tuple[str, str | None], Index] = defaultdict(Index)
        self.artifacts_of: dict[tuple[str, str | None], Index] = defaultdict(Index)
        self.artifacts: dict[str, tuple[tuple[str, str, int], Artifact]] = {}
        self.artifact_at: dict[tuple[str, str, int], Artifact] = {}
        self._arrivals: list[str] = []
        self._find_arrivals: Callable[[], list[str]] | None = None

    @property
    def arrivals(self) -> list[str]:
        """The ids of messages, in the order in which they were put in place."""
        if self._find_arrivals is not None:
            find, self._find_arrivals = self._find_arrivals, None
            self._arrivals = find()
        return self._arrivals

    def find_arrivals(self, find: Callable[[], list[str]]) -> None:
        """Let the messages that are there have arrived in another order, which is asked for when it is needed."""
        self._find_arrivals = find

    # -- looking -------------------------------------------------------------------------------------

    def live_room(self, room_id: str, changes: Changes | None = None) -> RoomRow | None:
        """A room that was not removed.

        :raises CorruptRecordError: it cannot be decoded.
        """
        row = self._row(RoomRow, RecordKind.ROOM, room_id, changes)
        return row if row is not None and row.removed_at is None else None

    def _row(self, _: type[R], kind: RecordKind, key: str, changes: Changes | None = None) -> R | None:
        if changes is not None and (kind, key) in changes:
            return cast("R | None", changes[kind, key])
        row = self.rows[kind].get(key)
        if isinstance(row, CorruptRow):
            raise row.value
        return cast("R | None", row)

    def _takes_messages(self, room_id: str, changes: Changes) -> bool:
        """Whether a room is there and was not removed. One that cannot be decoded is there all the same."""
        return isinstance(self.rows[RecordKind.ROOM].get(room_id), CorruptRow) or (
            self.live_room(room_id, changes) is not None
        )

    def member(self, member_id: str) -> AgentSummary | None:
        """The summary of a member, or ``None``."""
        rooms = self.members.get(member_id)
        if not rooms:
            return None
        networks = self.rows[RecordKind.ROOM]
        return member_summary(member_id, [(room_id, networks[room_id].room.network_id) for room_id in rooms])

    def by_credential(self, credential_key: str) -> AgentRegistration | None:
        """The registration with this key: of several the one with the lowest id."""
        found = [
            row.registration
            for row in self.rows[RecordKind.AGENT].values()
            if isinstance(row, AgentRow) and row.registration.credential_key == credential_key
        ]
        return min(found, key=lambda registration: registration.agent_id, default=None) if credential_key else None

    def counts(self) -> Counts:
        """How much there is."""
        rows = self.rows
        live = len(self.live_rooms)
        return Counts(
            rooms=live,
            removed_rooms=len(rows[RecordKind.ROOM]) - live,
            members=sum(len(rooms) for rooms in self.members.values()),
            agents=len(rows[RecordKind.AGENT]),
            threads=len(rows[RecordKind.THREAD]),
            dms=len(rows[RecordKind.DM]),
            messages=len(rows[RecordKind.MESSAGE]),
            artifacts=len(self.artifacts),
        )

    def frozen_rows(self) -> tuple[Mapping[RecordKind, Mapping[str, Row]], Mapping[RecordKind, Index]]:
        """Copies of the rows and of their order, which later changes do not reach."""
        return (
            {kind: rows.copy() for kind, rows in self.rows.items()},
            {kind: index.copy() for kind, index in self.ids.items()},
        )

    # -- messages ------------------------------------------------------------------------------------

    def plan_append(
        self, batch: Sequence[NewMessage], *, retry: bool, after: Changes | None = None
    ) -> tuple[Changes, list[Appended]]:
        """See :meth:`moltnet_core.driver.Driver.append`.

        :param after: what is planned already; the changes have it in them.
        """
        changes: Changes = dict(after or {})
        messages = self.rows[RecordKind.MESSAGE]
        taken = {
            key: changes.get((RecordKind.MESSAGE, key)) or messages[key]
            for key in (new.message.id for new in batch)
            if (RecordKind.MESSAGE, key) in changes or key in messages
        }
        stored = {key: row.message if isinstance(row, MessageRow) else None for key, row in taken.items()}
        replayed = resolve_duplicates(batch, stored, retry=retry)
        appended = []
        for index, new in enumerate(batch):
            if index in replayed:
                appended.append(Appended(replayed=True))
                continue
            appended.append(Appended(created=self._plan_message(changes, new)))
        return changes, appended

    def _plan_message(self, changes: Changes, new: NewMessage) -> bool:
        target = new.message.target
        moment = format_time(new.message.created_at)
        created = False
        if target.kind != "dm" and (target.room_id is None or not self._takes_messages(target.room_id, changes)):
            raise RoomNotFoundError(target.room_id or "")
        if new.thread is not None:
            row = self._row(ThreadRow, RecordKind.THREAD, new.thread.id, changes)
            created = row is None
            if row is not None and row.thread.room_id != new.thread.room_id:
                raise ThreadRoomMismatchError(new.thread.id, new.thread.room_id, row.thread.room_id)
            changes[RecordKind.THREAD, new.thread.id] = (
                ThreadRow(new.thread, moment) if row is None else row_of(count_message(row.record(), moment))
            )
        if new.dm is not None:
            dm_row = self._row(DMRow, RecordKind.DM, new.dm.id, changes)
            created = dm_row is None
            changes[RecordKind.DM, new.dm.id] = (
                DMRow(new.dm, moment)
                if dm_row is None
                else row_of(count_message(dm_row.record(), moment, joined=new.dm))
            )
        changes[RecordKind.MESSAGE, new.message.id] = MessageRow(fresh(new.message), moment, new.artifacts)
        return created

    # -- rooms ---------------------------------------------------------------------------------------

    def plan_create_room(self, room: Room) -> Changes:
        """See :meth:`moltnet_core.driver.Driver.create_room`."""
        row = self.rows[RecordKind.ROOM].get(room.id)
        if row is not None:
            raise RoomExistsError(room.id, removed=isinstance(row, RoomRow) and row.removed_at is not None)
        return {(RecordKind.ROOM, room.id): RoomRow(room, format_time(room.created_at))}

    def plan_change_room(self, room_id: str, **fields: Any) -> tuple[Changes, Room]:
        """New values for some fields of a room.

        :raises RoomNotFoundError: it is not there or was removed.
        """
        row = self.live_room(room_id)
        if row is None:
            raise RoomNotFoundError(room_id)
        room = attrs.evolve(row.room, **fields)
        return {(RecordKind.ROOM, room_id): attrs.evolve(row, room=room)}, room

    def plan_reconcile_room(self, room: Room) -> tuple[Changes, Room]:
        """See :meth:`moltnet_core.driver.Driver.reconcile_room`."""
        return self.plan_change_room(
            room.id,
            name=room.name,
            members=room.members,
            visibility=room.visibility,
            write_policy=room.write_policy,
        )

    def plan_update_members(self, room_id: str, add: Iterable[str], remove: Iterable[str]) -> tuple[Changes, Room]:
        """See :meth:`moltnet_core.driver.Driver.update_members`."""
        row = self.live_room(room_id)
        members = {*(row.room.members if row else ()), *add} - {*remove}
        return self.plan_change_room(room_id, members=tuple(sorted(members)))

    def plan_remove_room(self, room_id: str, removed_at: datetime) -> Changes:
        """See :meth:`moltnet_core.driver.Driver.remove_room`."""
        changes, room = self.plan_change_room(room_id, members=())
        row = self.rows[RecordKind.ROOM][room_id]
        changes[RecordKind.ROOM, room_id] = RoomRow(room, row.created_at, format_time(removed_at))
        return changes

    def plan_remove_member(self, member_id: str) -> Changes:
        """See :meth:`moltnet_core.driver.Driver.remove_member`."""
        changes: Changes = {}
        for room_id in self.members.get(member_id, ()):
            changes |= self.plan_update_members(room_id, (), (member_id,))[0]
        return changes

    # -- agents --------------------------------------------------------------------------------------

    def plan_save_agent(self, registration: AgentRegistration, *, rebind: bool) -> tuple[Changes, AgentRegistration]:
        """See :meth:`moltnet_core.driver.Driver.save_agent`."""
        row = self._row(AgentRow, RecordKind.AGENT, registration.agent_id)
        merged = merge_registration(row.registration if row else None, registration, rebind=rebind)
        created_at = row.created_at if row else format_time(merged.created_at)
        saved = AgentRow(merged, created_at, format_time(merged.updated_at))
        return {(RecordKind.AGENT, merged.agent_id): saved}, merged

    def plan_remove_agent(self, agent_id: str) -> Changes:
        """See :meth:`moltnet_core.driver.Driver.remove_agent`."""
        return {(RecordKind.AGENT, agent_id): None} if agent_id in self.rows[RecordKind.AGENT] else {}

    # -- records -------------------------------------------------------------------------------------

    def plan_load(self, records: Sequence[LoadRecord]) -> tuple[Changes, LoadResult]:
        """See :meth:`moltnet_core.driver.Driver.load`."""
        changes: Changes = {}
        unchanged = 0
        for item in records:
            record = item.record
            row: Row | None = changes.get((record.kind, record.id)) or self.rows[record.kind].get(record.id)
            if row is not None:
                stored = row.record()
                if not isinstance(stored, Record) or not same_record(stored, record):
                    raise RecordConflictError(record.kind, record.id)
                unchanged += 1
            else:
                self._plan_loaded(changes, item)
        return changes, LoadResult(len(records) - unchanged, unchanged)

    def _plan_loaded(self, changes: Changes, item: LoadRecord) -> None:
        record = item.record
        for kind, key in item.needs:
            if (kind, key) not in changes and key not in self.rows[kind]:
                raise missing_error(record, kind, key)
        if item.new is None:
            changes[record.kind, record.id] = row_of(record)
            return
        moment = record.times["created_at"]
        kind, key = item.needs[-1]  # its conversation
        if kind is not RecordKind.ROOM:
            row = self._row(ThreadRow if kind is RecordKind.THREAD else DMRow, kind, key, changes)
            if row is not None:
                changes[kind, key] = row_of(count_message(row.record(), moment))
        changes[record.kind, record.id] = MessageRow(fresh(item.new.message), moment, item.new.artifacts)

    # -- applying ------------------------------------------------------------------------------------

    def apply(self, changes: Mapping[tuple[RecordKind, str], Row | None]) -> None:
        """Put planned rows in place, and keep the indexes in step.

        A backend that reads what it stored puts all of it in place at once so, rows that cannot be decoded included;
        messages in the order of their ``place`` are put in fastest.
        """
        for (kind, key), row in changes.items():
            table = self.rows[kind]
            old = table.get(key)
            if row is None:
                table.pop(key, None)
                self.ids[kind].discard(key)
            else:
                table[key] = row
            if isinstance(row, CorruptRow):
                self._index_corrupt(kind, row)
            elif isinstance(row, RoomRow):
                self._index_room(key, old, row)
            elif isinstance(row, MessageRow):
                self._index_message(row)
            elif old is None and row is not None:
                self.ids[kind].add(key)
                if isinstance(row, ThreadRow):
                    self.threads_of[row.thread.room_id].add(key)

    def _index_corrupt(self, kind: RecordKind, row: CorruptRow) -> None:
        self.ids[kind].add(row.place if kind is RecordKind.MESSAGE else row.record_id)
        if kind is RecordKind.MESSAGE:
            self.arrivals.append(row.record_id)
        if kind is RecordKind.ROOM:
            self.live_rooms.add(row.record_id)
        elif row.conversation is not None and kind is RecordKind.MESSAGE:
            self.messages_of[row.conversation].add(row.place)
        elif row.conversation is not None and row.conversation[1] is not None:
            self.threads_of[row.conversation[1]].add(row.record_id)

    def _index_room(self, room_id: str, old: RoomRow | None, row: RoomRow) -> None:
        if old is None:
            self.ids[RecordKind.ROOM].add(room_id)
            self.live_rooms.add(room_id)
        if row.removed_at is not None:
            self.live_rooms.discard(room_id)
        before = set(old.room.members) if old else set()
        after = set(row.room.members) if row.removed_at is None else set()
        for member_id in after - before:
            if not self.members[member_id]:
                self.member_ids.add(member_id)
            self.members[member_id].add(room_id)
        for member_id in before - after:
            self.members[member_id].discard(room_id)
            if not self.members[member_id]:
                del self.members[member_id]
                self.member_ids.discard(member_id)

    def _index_message(self, row: MessageRow) -> None:
        message: Message = row.message
        target = message.target
        key = row.place
        self.ids[RecordKind.MESSAGE].add(key)
        self.arrivals.append(message.id)
        self.messages_of[row.conversation].add(key)
        for artifact in row.artifacts:
            place = (*key, artifact.part_index)
            self.artifacts[artifact.id] = (place, artifact)
            self.artifact_at[place] = artifact
            self.artifacts_of["all", None].add(place)
            if target.kind == "dm":
                self.artifacts_of["dm", target.dm_id].add(place)
            else:
                self.artifacts_of["room", target.room_id].add(place)
                if target.kind == "thread":
                    self.artifacts_of["thread", target.thread_id].add(place)
