"""Rows that name others which do not exist: an engine that enforces its foreign keys has none."""

from __future__ import annotations

from typing import Final

from moltnet_core.checking import Check
from moltnet_sql.checking.looking import Looking

__all__ = ["check_references"]

# Table, its key, the column that names another, the other's table and key, what is of what.
_REFERENCES: Final = (
    ("messages", "id", "room_id", "rooms", "id", "message", "room"),
    ("messages", "id", "thread_id", "threads", "id", "message", "thread"),
    ("messages", "id", "dm_id", "dm_conversations", "dm_id", "message", "dm"),
    ("threads", "id", "room_id", "rooms", "id", "thread", "room"),
    ("room_members", "member_id", "room_id", "rooms", "id", "member", "room"),
    ("dm_participants", "participant_id", "dm_id", "dm_conversations", "dm_id", "participant", "dm"),
)


def check_references(look: Looking, check: Check) -> None:
    """Note every row that names what is not there. Artifacts are checked with their messages."""
    for table, key, column, other, other_key, kind, named in _REFERENCES:
        sql = f"""SELECT {table}.{key}, {table}.{column} FROM {look.name(table)}
            WHERE {table}.{column} IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM {look.name(other)} WHERE {other}.{other_key} = {table}.{column})"""
        for own_id, missing in look.stream(sql):
            check.found.add("orphan", kind, str(own_id), f"its {named} {missing} does not exist")
