"""The tables: names and columns as every Moltnet server has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

__all__ = [
    "EXTENSION_TABLE",
    "FIRST_TABLES",
    "FOREIGN_KEYS",
    "LATER_COLUMNS",
    "LATER_TABLES",
    "TABLES",
    "VERSION_TABLE",
    "column_type",
    "missing_from",
]

VERSION_TABLE: Final = "schema_migrations"
"""The Go server's own versions. Nothing else is ever recorded in it: the server skips any version it finds there."""

EXTENSION_TABLE: Final = "moltnet_ext_migrations"
"""Every other series, with checksums."""

TABLES: Final[dict[str, tuple[str, ...]]] = {
    "rooms": (
        "id",
        "network_id",
        "fqid",
        "name",
        "created_at",
        "deleted_at",
        "visibility",
        "write_policy",
    ),
    "room_members": ("room_id", "member_id"),
    "threads": (
        "id",
        "network_id",
        "fqid",
        "room_id",
        "parent_message_id",
        "message_count",
        "last_message_at",
    ),
    "dm_conversations": ("dm_id", "network_id", "fqid", "message_count", "last_message_at"),
    "dm_participants": ("dm_id", "participant_id"),
    "messages": (
        "id",
        "network_id",
        "target_kind",
        "room_id",
        "thread_id",
        "parent_message_id",
        "dm_id",
        "target_json",
        "from_json",
        "parts_json",
        "mentions_json",
        "created_at",
        "origin_json",
    ),
    "artifacts": (
        "id",
        "network_id",
        "fqid",
        "message_id",
        "target_kind",
        "room_id",
        "thread_id",
        "dm_id",
        "target_json",
        "part_index",
        "kind",
        "media_type",
        "filename",
        "url",
        "created_at",
    ),
    "agents": (
        "agent_id",
        "network_id",
        "actor_uid",
        "actor_uri",
        "display_name",
        "credential_key",
        "created_at",
        "updated_at",
    ),
}
"""The tables that are read and written, with their columns, key first."""

_INTEGERS: Final = frozenset({"message_count", "part_index"})

FOREIGN_KEYS: Final[dict[tuple[str, str], str]] = {
    ("room_members", "room_id"): "rooms",
    ("threads", "room_id"): "rooms",
    ("dm_participants", "dm_id"): "dm_conversations",
    ("messages", "room_id"): "rooms",
    ("messages", "thread_id"): "threads",
    ("messages", "dm_id"): "dm_conversations",
    ("artifacts", "message_id"): "messages",
    ("artifacts", "room_id"): "rooms",
    ("artifacts", "thread_id"): "threads",
    ("artifacts", "dm_id"): "dm_conversations",
}
"""The table that a column names a row of by its key, as the first version declares it."""

LATER_COLUMNS: Final[dict[tuple[str, str], tuple[int, str]]] = {
    ("messages", "origin_json"): (2, "'{}'"),
    ("rooms", "deleted_at"): (7, "NULL"),
    ("rooms", "visibility"): (8, "'private'"),
    ("rooms", "write_policy"): (8, "'members'"),
}
"""Columns that old versions lack: the version that brought each, and what it reads as before, as SQL."""

LATER_TABLES: Final = {"agents": 5}
"""Tables that old versions lack, with the version that brought each."""

FIRST_TABLES: Final = {
    table: frozenset(column for column in columns if (table, column) not in LATER_COLUMNS)
    for table, columns in TABLES.items()
    if table not in LATER_TABLES
}
"""The tables and columns that every version has."""


def column_type(time_type: str, column: str) -> str:
    """The type that a column of a table is made with.

    :param time_type: the engine's for times.
    """
    if column.endswith("_at"):
        return time_type
    return "INTEGER" if column in _INTEGERS else "TEXT"


def missing_from(found: Mapping[str, Collection[str]]) -> str | None:
    """What tables lack to be a Moltnet server's of any version, in words; ``None`` if they lack nothing.

    :param found: the names of the columns by table.
    """
    for table, columns in FIRST_TABLES.items():
        missing = sorted(columns - set(found.get(table, ())))
        if missing:
            return f"its table {table!r} " + (f"has no column {missing[0]!r}" if table in found else "is missing")
    return None
