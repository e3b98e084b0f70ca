"""Domain objects to rows and back.

Rows are tuples in the order of :data:`moltnet_sql.schema.TABLES`. What is read is taken as tolerantly as the contract
says; a row that cannot be decoded comes back as a ``CorruptRecordError`` value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen

from moltnet_core.errors import CorruptRecordError
from moltnet_core.records import Record, RecordKind
from moltnet_core.serialization import (
    message_columns,
    read_actor,
    read_mentions,
    read_origin,
    read_parts,
    read_target,
)
from moltnet_core.types import (
    VISIBILITIES,
    WRITE_POLICIES,
    AgentRegistration,
    Artifact,
    DirectConversation,
    Message,
    Room,
    Thread,
)
from moltnet_sql.dialect import Dialect

__all__ = ["Rows"]

_NOT_DECODABLE = (ValueError, TypeError, LookupError, OverflowError)


def _text(value: Any, column: str) -> str:
    if type(value) is str:
        return value
    raise ValueError(f"{column} is not a text")


def _optional(value: Any, column: str) -> str | None:
    return None if value is None else _text(value, column)


def _integer(value: Any, column: str) -> int:
    if type(value) is int:
        return value
    raise ValueError(f"{column} is not an integer")


def _shown(key: Any) -> str:
    return key if isinstance(key, str) else repr(key)


def _corrupt(table: str, row: Sequence[Any], error: Exception) -> CorruptRecordError:
    problem = str(error) if isinstance(error, ValueError) else "a column has the wrong type"
    return CorruptRecordError(table, _shown(row[0]), problem)


@frozen
class Rows:
    """Reads and writes rows in one engine's way.

    :param dialect: the engine's.
    """

    dialect: Dialect

    # -- reading -------------------------------------------------------------------------------------

    def decoded(self, table: str, read: Any, row: Sequence[Any], *more: Any) -> Any:
        """What ``read`` makes of a row, or a ``CorruptRecordError`` value with the row's id."""
        try:
            return read(row, *more)
        except _NOT_DECODABLE as error:
            return _corrupt(table, row, error)

    def decoded_page(
        self, table: str, read: Callable[[Sequence[Any]], Any], rows: Iterable[Sequence[Any]]
    ) -> list[Any]:
        """The same of many rows, without a call more for each."""
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except _NOT_DECODABLE as error:
                found.append(_corrupt(table, row, error))
        return found

    def message(self, row: Sequence[Any]) -> Message:
        """A message of its row."""
        key, network_id, _, _, _, _, _, target, sender, parts, mentions, created_at, origin = row
        return Message(
            _text(network_id, "network_id"),
            read_target(target),
            read_actor(sender),
            read_parts(parts),
            read_mentions(mentions),
            _text(key, "id"),
            self.dialect.read_time(created_at),
            read_origin(origin),
        )

    def artifact(self, row: Sequence[Any]) -> Artifact:
        """An artifact of its row."""
        return Artifact(
            _text(row[0], "id"),
            _text(row[1], "network_id"),
            _text(row[2], "fqid"),
            _text(row[3], "message_id"),
            read_target(row[8]),
            _integer(row[9], "part_index"),
            _text(row[10], "kind"),
            _optional(row[11], "media_type"),
            _optional(row[12], "filename"),
            _optional(row[13], "url"),
            created_at=self.dialect.read_time(row[14]),
        )

    def room(self, row: Sequence[Any], members: Iterable[str]) -> Room:
        """A room of its row and the ids of its members. Unknown access settings read as the defaults."""
        visibility, write_policy = row[6], row[7]
        return Room(
            _text(row[0], "id"),
            _text(row[1], "network_id"),
            _text(row[3], "name"),
            tuple(sorted(_text(member, "a member id") for member in members)),
            visibility if visibility in VISIBILITIES else VISIBILITIES[0],
            write_policy if write_policy in WRITE_POLICIES else WRITE_POLICIES[0],
            self.dialect.read_time(row[4]),
            _text(row[2], "fqid"),
        )

    def thread(self, row: Sequence[Any]) -> Thread:
        """A thread of its row."""
        return Thread(
            _text(row[0], "id"),
            _text(row[1], "network_id"),
            _text(row[2], "fqid"),
            _text(row[3], "room_id"),
            _optional(row[4], "parent_message_id"),
            message_count=_integer(row[5], "message_count"),
            last_message_at=self.dialect.read_time(row[6]),
        )

    def dm(self, row: Sequence[Any], participants: Iterable[str]) -> DirectConversation:
        """A direct conversation of its row and the ids of its participants."""
        return DirectConversation(
            _text(row[0], "dm_id"),
            _text(row[1], "network_id"),
            _text(row[2], "fqid"),
            tuple(sorted(_text(participant, "a participant id") for participant in participants)),
            message_count=_integer(row[3], "message_count"),
            last_message_at=self.dialect.read_time(row[4]),
        )

    def agent(self, row: Sequence[Any]) -> AgentRegistration:
        """A registration of its row."""
        return AgentRegistration(
            _text(row[0], "agent_id"),
            _text(row[1], "network_id"),
            _text(row[5], "credential_key"),
            _optional(row[4], "display_name"),
            _text(row[2], "actor_uid"),
            _text(row[3], "actor_uri"),
            self.dialect.read_time(row[6]),
            self.dialect.read_time(row[7]),
        )

    # -- records -------------------------------------------------------------------------------------

    def room_record(self, row: Sequence[Any], members: Iterable[str]) -> Record:
        """A room with its exact times and its removal."""
        times = {"created_at": self.dialect.time_text(row[4])}
        if row[5] is not None:
            times["removed_at"] = self.dialect.time_text(row[5])
            members = ()  # they went when it was removed, whatever another program left
        return Record(RecordKind.ROOM, self.room(row, members), times)

    def agent_record(self, row: Sequence[Any]) -> Record:
        """A registration with its exact times."""
        time = self.dialect.time_text
        return Record(RecordKind.AGENT, self.agent(row), {"created_at": time(row[6]), "updated_at": time(row[7])})

    def thread_record(self, row: Sequence[Any]) -> Record:
        """A thread with its exact time."""
        return Record(RecordKind.THREAD, self.thread(row), {"last_message_at": self.dialect.time_text(row[6])})

    def dm_record(self, row: Sequence[Any], participants: Iterable[str]) -> Record:
        """A direct conversation with its exact time."""
        times = {"last_message_at": self.dialect.time_text(row[4])}
        return Record(RecordKind.DM, self.dm(row, participants), times)

    def message_record(self, row: Sequence[Any]) -> Record:
        """A message with its exact time."""
        return Record(RecordKind.MESSAGE, self.message(row), {"created_at": self.dialect.time_text(row[11])})

    # -- writing -------------------------------------------------------------------------------------

    def message_row(self, message: Message, created_at: str) -> dict[str, Any]:
        """The columns of a message.

        :param created_at: its time as normalised text, which may have digits that ``message.created_at`` has not.
        """
        target = message.target
        kind = target.kind
        return {
            "id": message.id,
            "network_id": message.network_id,
            "target_kind": kind,
            # The columns hold what the kind means, as the listings go by it; the JSON holds the target whole.
            "room_id": None if kind == "dm" else target.room_id,
            "thread_id": target.thread_id if kind == "thread" else None,
            "parent_message_id": target.parent_message_id if kind == "thread" else None,
            "dm_id": target.dm_id if kind == "dm" else None,
            "created_at": self.dialect.bind_time(created_at),
            **message_columns(message),
        }

    def artifact_row(self, artifact: Artifact, of_message: dict[str, Any]) -> dict[str, Any]:
        """The columns of an artifact.

        :param of_message: the columns of its message.
        """
        shared = ("network_id", "target_kind", "room_id", "thread_id", "dm_id", "target_json", "created_at")
        return {name: of_message[name] for name in shared} | {
            "id": artifact.id,
            "fqid": artifact.fqid,
            "message_id": artifact.message_id,
            "part_index": artifact.part_index,
            "kind": artifact.kind,
            "media_type": artifact.media_type or "",
            "filename": artifact.filename or "",
            "url": artifact.url or "",
        }

    def thread_row(self, thread: Thread, count: int, last_message_at: str) -> dict[str, Any]:
        """The columns of a thread that counts so many messages."""
        return {
            "id": thread.id,
            "network_id": thread.network_id,
            "fqid": thread.fqid,
            "room_id": thread.room_id,
            "parent_message_id": thread.parent_message_id or "",
            "message_count": count,
            "last_message_at": self.dialect.bind_time(last_message_at),
        }

    def dm_row(self, dm: DirectConversation, count: int, last_message_at: str) -> dict[str, Any]:
        """The columns of a direct conversation that counts so many messages."""
        return {
            "dm_id": dm.id,
            "network_id": dm.network_id,
            "fqid": dm.fqid,
            "message_count": count,
            "last_message_at": self.dialect.bind_time(last_message_at),
        }
