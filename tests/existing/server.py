"""The Go server's writes, made by another process: its column lists, its upserts, its times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["COLUMNS", "UPSERTS", "Server", "ServerError", "agent_row", "insert", "message_rows", "room_row"]

COLUMNS = {
    "rooms": ("id", "network_id", "fqid", "name", "created_at", "deleted_at", "visibility", "write_policy"),
    "room_members": ("room_id", "member_id"),
    "threads": ("id", "network_id", "fqid", "room_id", "parent_message_id", "message_count", "last_message_at"),
    "dm_conversations": ("dm_id", "network_id", "fqid", "message_count", "last_message_at"),
    "dm_participants": ("dm_id", "participant_id"),
    "messages": (
        *("id", "network_id", "target_kind", "room_id", "thread_id", "parent_message_id", "dm_id", "target_json"),
        *("from_json", "parts_json", "mentions_json", "created_at", "origin_json"),
    ),
    "artifacts": (
        *("id", "network_id", "fqid", "message_id", "target_kind", "room_id", "thread_id", "dm_id", "target_json"),
        *("part_index", "kind", "media_type", "filename", "url", "created_at"),
    ),
    "agents": (
        *("agent_id", "network_id", "actor_uid", "actor_uri", "display_name", "credential_key"),
        *("created_at", "updated_at"),
    ),
}
"""As the specification of the stored forms lists them."""

_COUNT = "message_count = {table}.message_count + 1, last_message_at = excluded.last_message_at"
UPSERTS = {
    "threads": f"ON CONFLICT (id) DO UPDATE SET {_COUNT.format(table='threads')}",
    "dm_conversations": f"ON CONFLICT (dm_id) DO UPDATE SET {_COUNT.format(table='dm_conversations')}",
    "room_members": "ON CONFLICT (room_id, member_id) DO NOTHING",
    "dm_participants": "ON CONFLICT (dm_id, participant_id) DO NOTHING",
}

Row = dict[str, Any]
Statement = tuple[str, list[Any]]


class ServerError(Exception):
    """What SQLite said to the other process."""


class Server:
    """Runs ``server_process.py`` on a database."""

    def __init__(self, path: Path) -> None:
        script = Path(__file__).with_name("server_process.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def kill(self) -> None:
        """End it in mid-work, so that what it wrote stays in the ``-wal``."""
        self._process.kill()

    def transaction(self, *statements: Statement) -> list[list[Any]]:
        """Execute statements in one transaction; returns the last one's rows.

        :raises ServerError: SQLite refused one of them.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("it has no pipes")
        print(json.dumps(statements), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise ServerError(answer["error"])
        rows: list[list[Any]] = answer["rows"]
        return rows

    def run(self, sql: str, *parameters: Any) -> list[list[Any]]:
        return self.transaction((sql, list(parameters)))

    def taken(self, table: str, *keys: str) -> str:
        """What it says of a key that is taken."""
        return f"UNIQUE constraint failed: {', '.join(f'{table}.{key}' for key in keys)}"

    def problems(self) -> list[Any]:
        """What the engine finds wrong with the database."""
        return [
            *self.run("PRAGMA foreign_key_check"),
            *(row for row in self.run("PRAGMA integrity_check") if row != ["ok"]),
        ]


def insert(table: str, row: Row, *, upsert: bool = False) -> Statement:
    """An insert with all of the server's columns. Those that ``row`` lacks are NULL."""
    columns = COLUMNS[table]
    if set(row) - set(columns):
        raise ValueError(f"{table} has no {sorted(set(row) - set(columns))}")
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    return (f"{sql} {UPSERTS[table]}" if upsert else sql), [row.get(column) for column in columns]


def room_row(own_id: str, created_at: str = "2026-05-01T00:00:00Z") -> Row:
    return {
        "id": own_id,
        "network_id": "harbor",
        "fqid": f"molt://harbor/rooms/{own_id}",
        "name": own_id,
        "created_at": created_at,
        "visibility": "private",
        "write_policy": "members",
    }


def agent_row(own_id: str, key: str = "anonymous") -> Row:
    uri = f"molt://harbor/agents/{own_id}"
    times = {"created_at": "2026-05-01T00:00:00Z", "updated_at": "2026-05-01T00:00:00.5Z"}
    named = {"agent_id": own_id, "network_id": "harbor", "display_name": "", "credential_key": key}
    return named | {"actor_uid": f"actor_{own_id}", "actor_uri": uri} | times


def message_rows(own_id: str, target: Row, created_at: str, **columns: Any) -> list[Statement]:
    """All statements of one append: the thread or DM, the message, and its one artifact.

    :param columns: what to write instead into the message's columns.
    """
    network, kind = "harbor", target["kind"]
    statements = []
    if kind != "room":
        table, key = ("threads", "id") if kind == "thread" else ("dm_conversations", "dm_id")
        own = target[f"{kind}_id"]
        row = {key: own, "network_id": network, "fqid": f"molt://{network}/{kind}s/{own}"}
        row |= {"message_count": 1, "last_message_at": created_at}
        if kind == "thread":
            row |= {"room_id": target["room_id"], "parent_message_id": target.get("parent_message_id", "")}
        statements.append(insert(table, row, upsert=True))
        for participant in target.get("participant_ids", ()):
            joined = {"dm_id": own, "participant_id": participant}
            statements.append(insert("dm_participants", joined, upsert=True))
    named = ("room_id", "thread_id", "parent_message_id", "dm_id")
    shared: Row = {name: target.get(name) for name in named} | {"network_id": network, "target_kind": kind}
    shared |= {"target_json": json.dumps(target, separators=(",", ":")), "created_at": created_at}
    url = "https://example.org/?a=1&b=<2>"
    message = {
        "id": own_id,
        "from_json": f'{{"type":"agent","id":"alpha","network_id":"{network}","fqid":"molt://{network}/agents/alpha"}}',
        "parts_json": '[{"kind":"url","url":"https://example.org/?a=1\\u0026b=\\u003c2\\u003e"}]',
        "mentions_json": "null",
        "origin_json": f'{{"network_id":"{network}","message_id":"{own_id}"}}',
    }
    statements.append(insert("messages", shared | message | columns))
    artifact = {name: value for name, value in shared.items() if name != "parent_message_id"}
    artifact |= {"id": f"art_{own_id}_0", "fqid": f"molt://{network}/artifacts/art_{own_id}_0", "message_id": own_id}
    artifact |= {"part_index": 0, "kind": "url", "media_type": "", "filename": "", "url": url}
    return [*statements, insert("artifacts", artifact)]
