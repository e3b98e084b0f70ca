"""Writes through a session that is in a writing transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import define

from moltnet_core.derivation import merge_registration, resolve_duplicates
from moltnet_core.driver import Appended, Lookup, NewMessage
from moltnet_core.errors import (
    CorruptRecordError,
    RoomExistsError,
    RoomNotFoundError,
    ThreadRoomMismatchError,
)
from moltnet_core.records import Record, RecordKind
from moltnet_core.timestamps import NO_TIME_TEXT, format_time
from moltnet_core.types import AgentRegistration, DirectConversation, Message, Room, Thread
from moltnet_sql.reading import Reader, Tools
from moltnet_sql.session import Session

__all__ = ["Writer"]

_CREATED, _COUNTED = Appended(created=True), Appended()


@define
class _Tally:
    """What a batch adds to one thread or DM."""

    conversation: Thread | DirectConversation
    count: int = 0
    last: str = NO_TIME_TEXT

    def add(self, moment: str) -> None:
        self.count += 1
        self.last = max(self.last, moment)


class Writer:
    """Writes through one session. An error leaves the transaction to be rolled back by whoever opened it."""

    def __init__(self, session: Session, tools: Tools) -> None:
        self._session = session
        self._tools = tools
        self._models = tools.models
        self._statements = tools.statements
        self._rows = tools.rows
        self._dialect = tools.rows.dialect

    @property
    def _reader(self) -> Reader:
        return Reader(self._session, self._tools)

    # -- messages ------------------------------------------------------------------------------------

    def append(self, batch: Sequence[NewMessage]) -> list[Appended]:
        """Append messages none of whose ids is taken; a unique violation says that one is."""
        seen_rooms: set[str] = set()
        thread_rooms: dict[str, str] = {}
        known_dms: set[str] = set()
        tallies: dict[tuple[RecordKind, str], _Tally] = {}
        appended, messages, artifacts = [], [], []
        for new in batch:
            created = self._check_target(new, seen_rooms, thread_rooms, known_dms)
            moment = format_time(new.message.created_at)
            row = self._rows.message_row(new.message, moment)
            messages.append(row)
            if new.artifacts:
                artifacts += [self._rows.artifact_row(artifact, row) for artifact in new.artifacts]
            conversation = new.thread or new.dm
            if conversation is not None:
                self._tally(tallies, conversation, moment)
            appended.append(_CREATED if created else _COUNTED)
        inserted = self._insert(messages, artifacts, tallies)
        if self._dialect.inserted is not None:
            appended = [Appended(created=_first_of(new.thread or new.dm, inserted)) for new in batch]
        if known_dms:
            for dm in {(new.dm.id, new.dm.participant_ids): new.dm for new in batch if new.dm is not None}.values():
                self._join_dm(dm)
        return appended

    def _check_target(
        self, new: NewMessage, seen_rooms: set[str], thread_rooms: dict[str, str], known_dms: set[str]
    ) -> bool:
        """Whether the message creates its thread or DM, as far as a look before can tell.

        :raises RoomNotFoundError: its room is not there.
        :raises ThreadRoomMismatchError: its thread belongs to another room.
        """
        room_id = new.message.target.room_id
        if new.dm is None and room_id not in seen_rooms:
            if room_id is None or not self._session.fetch(self._statements.live_room, {"id": room_id}):
                raise RoomNotFoundError(room_id or "")
            seen_rooms.add(room_id)
        if new.thread is not None:
            thread_id, created = new.thread.id, False
            if thread_id not in thread_rooms and self._dialect.inserted is not None:
                thread_rooms[thread_id] = new.thread.room_id  # the upsert looks
            elif thread_id not in thread_rooms:
                rows = self._session.fetch(self._statements.thread_room, {"id": thread_id})
                created = not rows
                thread_rooms[thread_id] = rows[0][0] if rows else new.thread.room_id
            if thread_rooms[thread_id] != new.thread.room_id:
                raise ThreadRoomMismatchError(thread_id, new.thread.room_id, thread_rooms[thread_id])
            return created
        if new.dm is not None and new.dm.id not in known_dms:
            known_dms.add(new.dm.id)
            if self._dialect.inserted is None:
                return not self._session.fetch(self._statements.dm_exists, {"id": new.dm.id})
        return False

    @staticmethod
    def _tally(
        tallies: dict[tuple[RecordKind, str], _Tally], conversation: Thread | DirectConversation, moment: str
    ) -> None:
        kind = RecordKind.THREAD if isinstance(conversation, Thread) else RecordKind.DM
        tally = tallies.setdefault((kind, conversation.id), _Tally(conversation))
        if kind is RecordKind.DM:
            tally.conversation = conversation  # the latest appended names the network; a thread keeps its first's
        tally.add(moment)

    def _insert(
        self,
        messages: Sequence[dict[str, Any]],
        artifacts: Sequence[dict[str, Any]],
        tallies: dict[tuple[RecordKind, str], _Tally],
    ) -> set[tuple[RecordKind, str]]:
        """Insert rows and count them; gives the conversations that were created, where the engine tells."""
        inserted = set()
        session, statements = self._session, self._statements
        # Always in one order, so that two batches never wait for each other's rows.
        for place, tally in sorted(tallies.items()):
            conversation = tally.conversation
            if isinstance(conversation, Thread):
                row = self._rows.thread_row(conversation, tally.count, tally.last)
                changed, created = self._count(statements.count_thread, row)
                if not changed:
                    rows = session.fetch(statements.thread_room, {"id": conversation.id})
                    raise ThreadRoomMismatchError(conversation.id, conversation.room_id, rows[0][0])
            else:
                row = self._rows.dm_row(conversation, tally.count, tally.last)
                changed, created = self._count(statements.count_dm, row)
            if created:
                inserted.add(place)
        if len(messages) == 1:
            session.execute(statements.insert_message, messages[0])
        else:
            session.execute_many(statements.insert_message, messages)
        if artifacts:
            session.execute_many(statements.insert_artifact, artifacts)
        return inserted

    def _count(self, statement: str, row: dict[str, Any]) -> tuple[bool, bool]:
        """Execute an upsert: whether it changed a row, and whether it created it, where the engine tells."""
        if self._dialect.inserted is None:
            return self._session.execute(statement, row) == 1, False
        rows = self._session.fetch(statement, row)
        return bool(rows), bool(rows and rows[0][0])

    def _join_dm(self, dm: DirectConversation) -> None:
        rows = [{"dm_id": dm.id, "participant_id": participant} for participant in dm.participant_ids]
        if rows:
            self._session.execute_many(self._statements.join_dm, rows)

    def append_resolving(self, batch: Sequence[NewMessage], *, retry: bool) -> list[Appended]:
        """Append messages some of whose ids may be taken: what is slower, and says exactly what is wrong."""
        found = self._reader.records(RecordKind.MESSAGE, [new.message.id for new in batch])
        stored = {key: _message_of(record) for key, record in found.items()}
        replayed = resolve_duplicates(batch, stored, retry=retry)
        fresh = iter(self.append([new for index, new in enumerate(batch) if index not in replayed]))
        return [Appended(replayed=True) if index in replayed else next(fresh) for index in range(len(batch))]

    # -- rooms ---------------------------------------------------------------------------------------

    def create_room(self, room: Room, created_at: str | None = None, removed_at: str | None = None) -> None:
        """Insert a room with its members.

        :raises RoomExistsError: the id is taken.
        """
        model = self._models.Room
        query = model.insert(
            id=room.id,
            network_id=room.network_id,
            fqid=room.fqid,
            name=room.name,
            created_at=created_at or format_time(room.created_at),
            deleted_at=removed_at,
            visibility=room.visibility,
            write_policy=room.write_policy,
        ).on_conflict_ignore()
        if self._session.execute_query(query) != 1:
            live = self._reader.get(Lookup.ROOM, room.id)
            raise RoomExistsError(room.id, removed=live is None)
        self._add_members(room.id, room.members)

    def _add_members(self, room_id: str, members: Sequence[str]) -> None:
        if members:
            rows = [{"room_id": room_id, "member_id": member} for member in members]
            self._session.execute_query(self._models.RoomMember.insert_many(rows).on_conflict_ignore())

    def _drop_members(self, *conditions: Any) -> None:
        self._session.execute_query(self._models.RoomMember.delete().where(*conditions))

    def change_room(self, room_id: str, values: dict[str, Any]) -> None:
        """Set columns of a room.

        :raises RoomNotFoundError: it is not there or was removed.
        """
        model = self._models.Room
        query = model.update(values).where(model.id == room_id, model.deleted_at.is_null())
        if self._session.execute_query(query) != 1:
            raise RoomNotFoundError(room_id)

    def reconcile_room(self, room: Room) -> Room:
        """See :meth:`moltnet_core.driver.Driver.reconcile_room`."""
        self.change_room(room.id, {"name": room.name, "visibility": room.visibility, "write_policy": room.write_policy})
        self._drop_members(self._models.RoomMember.room_id == room.id)
        self._add_members(room.id, room.members)
        return self._reader.room(room.id)

    def update_members(self, room_id: str, add: Sequence[str], remove: Sequence[str]) -> Room:
        """See :meth:`moltnet_core.driver.Driver.update_members`."""
        if not self._session.fetch(self._statements.room_to_change, {"id": room_id}):
            raise RoomNotFoundError(room_id)
        member = self._models.RoomMember
        self._add_members(room_id, add)
        if remove:
            self._drop_members(member.room_id == room_id, member.member_id.in_(list(remove)))
        return self._reader.room(room_id)

    def remove_room(self, room_id: str, removed_at: datetime) -> None:
        """See :meth:`moltnet_core.driver.Driver.remove_room`."""
        self.change_room(room_id, {"deleted_at": format_time(removed_at)})
        self._drop_members(self._models.RoomMember.room_id == room_id)

    def remove_member(self, member_id: str) -> None:
        """See :meth:`moltnet_core.driver.Driver.remove_member`."""
        self._drop_members(self._tools.by_code_point("member_id") == member_id)  # as it is indexed

    # -- agents --------------------------------------------------------------------------------------

    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        """See :meth:`moltnet_core.driver.Driver.save_agent`."""
        # Others may register it after the look, and remove it again before the next.
        while (stored := self._stored_agent(registration.agent_id)) is None:
            if self._insert_agent(registration):
                return registration
        merged = merge_registration(stored, registration, rebind=rebind)
        agent = self._models.Agent
        values = {
            "display_name": merged.display_name or "",
            "credential_key": merged.credential_key,
            "updated_at": format_time(merged.updated_at),
        }
        self._session.execute_query(agent.update(values).where(agent.agent_id == merged.agent_id))
        return merged

    def _stored_agent(self, agent_id: str) -> AgentRegistration | None:
        agent = self._models.Agent
        sql, parameters = agent.select(*self._tools.columns(agent)).where(agent.agent_id == agent_id).sql()
        rows = self._session.fetch(f"{sql}{self._rows.dialect.take_row}", parameters)
        if not rows:
            return None
        found = self._rows.decoded("agents", self._rows.agent, rows[0])
        if isinstance(found, CorruptRecordError):
            raise found
        registration: AgentRegistration = found
        return registration

    def _insert_agent(
        self, registration: AgentRegistration, created_at: str | None = None, updated_at: str | None = None
    ) -> bool:
        query = self._models.Agent.insert(
            agent_id=registration.agent_id,
            network_id=registration.network_id,
            actor_uid=registration.actor_uid,
            actor_uri=registration.actor_uri,
            display_name=registration.display_name or "",
            credential_key=registration.credential_key,
            created_at=created_at or format_time(registration.created_at),
            updated_at=updated_at or format_time(registration.updated_at),
        ).on_conflict_ignore()
        return self._session.execute_query(query) == 1

    def remove_agent(self, agent_id: str) -> None:
        """See :meth:`moltnet_core.driver.Driver.remove_agent`."""
        agent = self._models.Agent
        self._session.execute_query(agent.delete().where(agent.agent_id == agent_id))


def _first_of(conversation: Thread | DirectConversation | None, created: set[tuple[RecordKind, str]]) -> bool:
    """Whether a conversation was created and this is the first to ask."""
    if conversation is None:
        return False
    place = (RecordKind.THREAD if isinstance(conversation, Thread) else RecordKind.DM, conversation.id)
    if place not in created:
        return False
    created.discard(place)
    return True


def _message_of(record: Record | CorruptRecordError) -> Message | None:
    return record.value if isinstance(record, Record) and isinstance(record.value, Message) else None
