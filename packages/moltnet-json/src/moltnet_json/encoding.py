"""Rows of the memory tables to the JSON of a snapshot, with every digit of their times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moltnet_core.serialization import message_columns, to_json
from moltnet_json.scanning import Scanner
from moltnet_json.sections import encoded
from moltnet_memory import AgentRow, MessageRow, RoomRow, ThreadRow

__all__ = ["agent_fields", "message_text", "revised", "room_fields", "thread_fields"]


def room_fields(row: RoomRow) -> dict[str, Any]:
    """A room as JSON."""
    return {**to_json(row.room), "created_at": row.created_at}


def agent_fields(row: AgentRow) -> dict[str, Any]:
    """A registration as JSON, its credential included."""
    return {
        **to_json(row.registration),
        "credential_key": row.registration.credential_key,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def thread_fields(row: ThreadRow) -> dict[str, Any]:
    """A thread as JSON."""
    return {**to_json(row.thread), "last_message_at": row.last_message_at}


def message_text(row: MessageRow) -> bytes:
    """A message's JSON text."""
    message, columns = row.message, message_columns(row.message)
    mentions = b',"mentions":' + columns["mentions_json"].encode() if message.mentions else b""
    return b"".join(
        (
            b'{"id":',
            encoded(message.id),
            b',"network_id":',
            encoded(message.network_id),
            b',"origin":',
            columns["origin_json"].encode(),
            b',"target":',
            columns["target_json"].encode(),
            b',"from":',
            columns["from_json"].encode(),
            b',"parts":',
            columns["parts_json"].encode(),
            mentions,
            b',"created_at":',
            encoded(row.created_at),
            b"}",
        )
    )


def revised(text: str | None, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bytes:
    """A record's new text: where it has one, only the fields that differ are written anew, and all others stay.

    :param text: its own text; ``None`` where there is none yet.
    :param old: its fields as they are read of that text.
    :param new: its fields as they are to be.
    """
    if text is None or old is None or not text.startswith("{"):
        return encoded(new)
    changed = {
        name: encoded(name) + b":" + encoded(value)
        for name, value in new.items()
        if name not in old or old[name] != value
    }
    differing = changed.keys() | (old.keys() - new.keys())
    scanner, members = Scanner(text), []
    for name in scanner.members():
        start = scanner.key_start
        scanner.skip()
        if name not in differing:
            members.append(scanner.text[start : scanner.position].encode())
        elif name in changed:
            members.append(changed.pop(name))  # where it stands twice, only once from here on
    return b"{" + b",".join([*members, *changed.values()]) + b"}"
