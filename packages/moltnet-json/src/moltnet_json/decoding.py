"""JSON values of a snapshot to the rows of the memory tables, as tolerantly as the contract says.

What is missing or ``null`` reads as the Go server reads it: an empty text, no time, a count of 0. A value of the wrong
type is a ``ValueError``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moltnet_core.derivation import artifacts_of
from moltnet_core.identifiers import full_id
from moltnet_core.serialization import (
    actor_of,
    object_of,
    optional_text_of,
    origin_of,
    parts_of,
    target_of,
    text_of,
    texts_of,
)
from moltnet_core.timestamps import NO_TIME, NO_TIME_TEXT, normalise, parse_time
from moltnet_core.types import VISIBILITIES, WRITE_POLICIES, AgentRegistration, Message, Room, Thread
from moltnet_json.scanning import Undecodable
from moltnet_memory import AgentRow, MessageRow, RoomRow, ThreadRow

__all__ = ["agent_row", "message_row", "removal_time", "removed_room_row", "room_row", "thread_row", "unknown_room_row"]


def _record(value: Any, name: str, key: str) -> dict[str, Any]:
    """A record of an object whose keys are ids."""
    found = _object(value)
    if found.get(name, key) != key:
        raise ValueError(f"its {name} is another than the key it stands under")
    return found


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, Undecodable):
        raise ValueError(value.problem)
    if type(value) is not dict:
        raise ValueError("it is no object")
    return value


def _time(value: Any, name: str) -> tuple[datetime, str]:
    """A time, and its text as a record has it."""
    if value is None:
        return NO_TIME, NO_TIME_TEXT
    text = text_of(value, name)
    try:
        moment = parse_time(text)
    except ValueError as error:
        raise ValueError(f"{name} is {error}") from None
    return moment, text if text.endswith("Z") else normalise(text)


def _room(value: dict[str, Any], key: str) -> tuple[Room, str]:
    moment, text = _time(value.get("created_at"), "created_at")
    visibility, write_policy = value.get("visibility"), value.get("write_policy")
    room = Room(
        key,
        text_of(value.get("network_id"), "network_id"),
        text_of(value.get("name"), "name"),
        tuple(sorted(set(texts_of(value.get("members"), "members")))),
        visibility if visibility in VISIBILITIES else VISIBILITIES[0],
        write_policy if write_policy in WRITE_POLICIES else WRITE_POLICIES[0],
        moment,
        text_of(value.get("fqid"), "fqid"),
    )
    return room, text


def room_row(value: Any, key: str) -> RoomRow:
    """A room of ``rooms``."""
    return RoomRow(*_room(_record(value, "id", key), key))


def removed_room_row(value: Any, key: str, removed_at: str) -> RoomRow:
    """A removed room, of what we kept of it."""
    room, created_at = _room(_record(value, "id", key), key)
    if room.members:
        raise ValueError("a removed room has no members")
    return RoomRow(room, created_at, removed_at)


def unknown_room_row(key: str, network_id: str, removed_at: str) -> RoomRow:
    """A removed room of which only the id is known: named by it, created in year 1."""
    room = Room(key, network_id, key, created_at=NO_TIME, fqid=full_id(network_id, "rooms", key))
    return RoomRow(room, NO_TIME_TEXT, removed_at)


def removal_time(value: Any) -> str:
    """A value of ``removed_rooms``. That the room was removed is known whatever it is."""
    try:
        return _time(value, "removed_at")[1]
    except ValueError:
        return NO_TIME_TEXT


def agent_row(value: Any, key: str) -> AgentRow:
    """A registration of ``agents``."""
    found = _record(value, "agent_id", key)
    created_at, created_text = _time(found.get("created_at"), "created_at")
    updated_at, updated_text = _time(found.get("updated_at"), "updated_at")
    registration = AgentRegistration(
        key,
        text_of(found.get("network_id"), "network_id"),
        text_of(found.get("credential_key"), "credential_key"),
        optional_text_of(found.get("display_name"), "display_name"),
        text_of(found.get("actor_uid"), "actor_uid"),
        text_of(found.get("actor_uri"), "actor_uri"),
        created_at,
        updated_at,
    )
    return AgentRow(registration, created_text, updated_text)


def thread_row(value: Any, key: str) -> ThreadRow:
    """A thread of ``threads``."""
    found = _record(value, "id", key)
    moment, text = _time(found.get("last_message_at"), "last_message_at")
    count = found.get("message_count")
    if count is not None and type(count) is not int:
        raise ValueError("message_count is not an integer")
    thread = Thread(
        key,
        text_of(found.get("network_id"), "network_id"),
        text_of(found.get("fqid"), "fqid"),
        text_of(found.get("room_id"), "room_id"),
        optional_text_of(found.get("parent_message_id"), "parent_message_id"),
        message_count=count or 0,
        last_message_at=moment,
    )
    return ThreadRow(thread, text)


def message_row(value: Any, kind: str, conversation_id: str) -> MessageRow:
    """A message of one of the lists.

    :param kind: of the conversation whose list it is.
    """
    get = _object(value).get
    if get("id") is None:
        raise ValueError("it has no id")
    moment, text = _time(get("created_at"), "created_at")
    target = target_of(get("target"))
    if (target.kind, target.conversation_id or "") != (kind, conversation_id):
        raise ValueError(f"its target is another conversation than the {kind} in whose list it stands")
    message = Message(
        text_of(get("network_id"), "network_id"),
        target,
        actor_of(get("from")),
        parts_of(get("parts")),
        texts_of(get("mentions"), "mentions"),
        text_of(get("id"), "id"),
        moment,
        origin_of(object_of(get("origin"), "origin")),
    )
    return MessageRow(message, text, artifacts_of(message))
