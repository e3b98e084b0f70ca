"""The floor: the least work that does the same, on the same engine, schema and indexes.

Bare DB-API calls with the SQL that the store uses, the same durability, the same look-up of the room before an append.
Rows are decoded into plain dicts by the fastest JSON reader that is exact: orjson, but Python's own for the parts,
where integers beyond 64 bits may stand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from moltnet_core.timestamps import format_time, now
from moltnet_sql.schema import TABLES
from moltnet_sqlite.engine import sqlite3

__all__ = ["Floor", "decode", "message_row"]

COLUMNS = ", ".join(TABLES["messages"])
PLACES = ", ".join("?" for _ in TABLES["messages"])
INSERT = f"INSERT INTO messages ({COLUMNS}) VALUES ({PLACES})"
LIVE = "SELECT 1 FROM rooms WHERE id = ? AND deleted_at IS NULL"
KEY = "rtrim(created_at, 'Z0.')"
ROOM = "target_kind = 'room' AND room_id = ?"
PLACE = f"SELECT {KEY} FROM messages WHERE id = ?"
# Not "LIMIT ?", for which SQLite plans the statement anew at every call.
NEWEST = f"SELECT {COLUMNS} FROM messages WHERE {ROOM} ORDER BY {KEY} DESC, id DESC LIMIT ? + 0"
SAME = f"SELECT {COLUMNS} FROM messages WHERE {ROOM} AND {KEY} = ? AND id < ? ORDER BY id DESC LIMIT ? + 0"
BEYOND = f"SELECT {COLUMNS} FROM messages WHERE {ROOM} AND {KEY} < ? ORDER BY {KEY} DESC, id DESC LIMIT ? + 0"


def decode(row: Sequence[Any]) -> dict[str, Any]:
    """A message's row as a plain dict."""
    return {
        "id": row[0],
        "network_id": row[1],
        "target": orjson.loads(row[7]),
        "from": orjson.loads(row[8]),
        "parts": json.loads(row[9]),
        "mentions": orjson.loads(row[10]),
        "created_at": row[11],
        "origin": orjson.loads(row[12]),
    }


def message_row(room: str, text: str) -> tuple[Any, ...]:
    """The columns of a room's message."""
    key = f"msg_{uuid4()}"
    return (
        key,
        "local",
        "room",
        room,
        None,
        None,
        None,
        f'{{"kind":"room","room_id":"{room}"}}',
        '{"type":"agent","id":"alpha","network_id":"local","fqid":"molt://local/agents/alpha"}',
        f'[{{"kind":"text","text":{json.dumps(text)}}}]',
        "null",
        format_time(now()),
        f'{{"network_id":"local","message_id":"{key}"}}',
    )


class Floor:
    """One bare connection to a database that the store has made."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute("PRAGMA synchronous = FULL")

    def append(self, room: str, text: str) -> None:
        """One message, durable."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        execute(LIVE, (room,)).fetchone()
        execute(INSERT, message_row(room, text))
        execute("COMMIT")

    def append_batch(self, room: str, texts: Sequence[str]) -> None:
        """Many messages in one transaction."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(LIVE, (room,)).fetchone()
        self.connection.executemany(INSERT, [message_row(room, text) for text in texts])
        self.connection.execute("COMMIT")

    def newest(self, room: str, limit: int) -> list[dict[str, Any]]:
        """The newest page."""
        rows = self.connection.execute(NEWEST, (room, limit)).fetchall()
        return [decode(row) for row in reversed(rows)]

    def before(self, room: str, cursor: str, limit: int) -> list[dict[str, Any]]:
        """The page before a message."""
        execute = self.connection.execute
        execute("BEGIN")
        (key,) = execute(PLACE, (cursor,)).fetchone()
        rows = execute(SAME, (room, key, cursor, limit)).fetchall()
        rows += execute(BEYOND, (room, key, limit - len(rows))).fetchall()
        execute("COMMIT")
        return [decode(row) for row in reversed(rows)]
