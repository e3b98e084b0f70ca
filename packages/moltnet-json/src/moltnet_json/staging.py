"""From the changed rows that the memory tables plan to what the snapshot will hold."""

from __future__ import annotations

from typing import Any

from moltnet_core.errors import ValidationError
from moltnet_core.identifiers import full_id
from moltnet_core.records import RecordKind
from moltnet_json.document import Document
from moltnet_json.encoding import agent_fields, message_text, revised, room_fields, thread_fields
from moltnet_json.sections import Records, encoded
from moltnet_memory import AgentRow, Changes, DMRow, MessageRow, RoomRow, Tables, ThreadRow

__all__ = ["stage"]


def stage(document: Document, tables: Tables, changes: Changes) -> None:
    """Stage planned changes in a document.

    :param tables: as they are before the changes.
    """
    latest: dict[str, MessageRow] = {}  # of each DM, the last message that is appended here
    for (kind, key), row in changes.items():
        old = tables.rows[kind].get(key)
        match row:
            case RoomRow():
                _stage_room(document, key, old, row)
            case AgentRow():
                before = agent_fields(old) if isinstance(old, AgentRow) else None
                _put(document.agents, key, before, agent_fields(row))
            case ThreadRow():
                before = thread_fields(old) if isinstance(old, ThreadRow) else None
                _put(document.threads, key, before, thread_fields(row))
            case MessageRow():
                _stage_message(document, row)
                if row.message.target.kind == "dm":
                    latest[row.message.target.dm_id or ""] = row
            case None:
                document.agents.drop(key)  # nothing else is ever dropped
    for (_, key), row in changes.items():
        if isinstance(row, DMRow):
            _stage_dm(document, key, tables.rows[RecordKind.DM].get(key), row, latest.get(key))


def _put(records: Records, key: str, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    text = records.text(key)
    if text is None or before != after:
        records.put(key, revised(text, before, after))


def _stage_room(document: Document, key: str, old: Any, row: RoomRow) -> None:
    if row.removed_at is None:
        before = room_fields(old) if isinstance(old, RoomRow) else None
        _put(document.rooms, key, before, room_fields(row))
        return
    # The format keeps of it only the id and the time.
    document.rooms.drop(key)
    document.removed_rooms.put(key, encoded(row.removed_at))
    document.removed.put(key, encoded(room_fields(row)))


def _stage_message(document: Document, row: MessageRow) -> None:
    target, text = row.message.target, message_text(row)
    if target.kind == "thread":
        document.thread_messages.append(target.thread_id or "", text)
    elif target.kind == "dm":
        document.direct_messages.append(target.dm_id or "", text)
    elif target.kind == "room":
        document.room_messages.append(target.room_id or "", text)
    else:
        raise ValidationError(f"message {row.message.id!a}: target.kind", "a snapshot has no list for it")
    document.order.stage(row)


def _stage_dm(document: Document, key: str, old: Any, row: DMRow, latest: MessageRow | None) -> None:
    if key not in document.direct_messages:
        document.direct_messages.append(key)  # without an entry there it would not exist
    before = _members(old) if isinstance(old, DMRow) else None
    _put(document.direct_members, key, before, _members(row))
    # The network follows from its latest message, but for one that was loaded with another.
    network_id = latest.message.network_id if latest else ""
    followed = (network_id, full_id(network_id, "dms", key) if latest else "")
    if (row.dm.network_id, row.dm.fqid) == followed:
        document.dms.drop(key)
    else:
        noted = {"network_id": row.dm.network_id, "fqid": row.dm.fqid, "message_count": row.dm.message_count}
        document.dms.put(key, encoded(noted))


def _members(row: DMRow) -> dict[str, Any]:
    return {participant: {} for participant in row.dm.participant_ids}
