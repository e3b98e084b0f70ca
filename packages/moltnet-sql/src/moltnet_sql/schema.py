"""The tables: names and columns as every Moltnet server has them (schema, "SQL tables")."""

from __future__ import annotations

from typing import Final

__all__ = ["ABSENT_COLUMNS", "EXTENSION_TABLE", "FIRST_TABLES", "LATER_TABLES", "TABLES", "VERSION_TABLE"]

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

ABSENT_COLUMNS: Final[dict[tuple[str, str], str]] = {
    ("messages", "origin_json"): "'{}'",
    ("rooms", "deleted_at"): "NULL",
    ("rooms", "visibility"): "'private'",
    ("rooms", "write_policy"): "'members'",
}
"""What a column reads as in a database of a version that lacks it, as SQL."""

LATER_TABLES: Final = frozenset({"agents"})
"""Tables that old versions lack."""

FIRST_TABLES: Final = {
    table: frozenset(column for column in columns if (table, column) not in ABSENT_COLUMNS)
    for table, columns in TABLES.items()
    if table not in LATER_TABLES
}
"""The tables and columns that every version has."""
