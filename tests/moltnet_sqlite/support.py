"""What the tests of the SQLite backend share: messages, URLs, looks at files, and child processes."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.children import WAIT, listen, tell

from moltnet_core import Actor, Message, Part, Room, Store, Target, open_store
from moltnet_core.timestamps import format_time, now
from moltnet_sql import server_migrations
from moltnet_sqlite.engine import sqlite3

NETWORK = "net"
SENDER = Actor(type="agent", id="alice")


# -- what is stored ----------------------------------------------------------------------------------


def url_of(path: Path, **query: object) -> str:
    """The URL of a database file, whatever characters its name has."""
    options = "&".join(f"{key}={value}" for key, value in query.items())
    return f"sqlite:///{quote(str(path))}" + (f"?{options}" if options else "")


def a_room(room_id: str = "hall", **fields: Any) -> Room:
    return Room(room_id, NETWORK, **fields)


def a_message(message_id: str, text: str = "hello", *, room_id: str = "hall", parts: Sequence[Part] = ()) -> Message:
    return Message(NETWORK, Target.room(room_id), SENDER, (Part("text", text=text), *parts), id=message_id)


def thread_message(message_id: str, thread_id: str = "topic", *, room_id: str = "hall") -> Message:
    parts = (Part("text", text="in a thread"), Part("url", url=f"https://example.org/{message_id}"))
    return Message(NETWORK, Target.thread(room_id, thread_id), SENDER, parts, id=message_id)


def dm_message(message_id: str, dm_id: str = "pair") -> Message:
    parts = (Part("text", text="between us"), Part("file", filename="a.txt"), Part("data", data={"n": 1}))
    return Message(NETWORK, Target.dm(dm_id, ("alice", "bob")), SENDER, parts, id=message_id)


def make_store(path: Path, messages: int = 0, **query: object) -> None:
    """Create a store with a room, close it."""
    with open_store(url_of(path, **query)) as store:
        store.create_room(a_room())
        store.append_messages(a_message(f"m{number}") for number in range(messages))


def all_messages(store: Store) -> list[str]:
    """Ids of all messages, in the order of a scan."""
    with store.snapshot() as snapshot:
        return [record.id for record in snapshot.records("message")]


# -- looks at the database beside the store ------------------------------------------------------------


def raw_connection(path: Path, **options: Any) -> Any:
    """A connection of the engine that the store uses. (Two engines must not open one file in one process.)"""
    options = {"isolation_level": None, "timeout": 1.0, "check_same_thread": False} | options
    return closing(sqlite3.connect(str(path), **options))


def query(path: Path, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
    """All rows of a query, or what a statement gives, through a connection of its own."""
    with raw_connection(path, timeout=WAIT) as connection:
        return list(connection.execute(sql, tuple(parameters)).fetchall())


def dump(path: Path) -> list[str]:
    """Everything that a database holds, as SQL."""
    with raw_connection(path, timeout=WAIT) as connection:
        return [
            *(
                str(row)
                for row in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2")
            ),
            *(
                f"{table}: {row}"
                for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
                for row in connection.execute(f'SELECT rowid, * FROM "{table}" ORDER BY rowid')
            ),
        ]


def integrity(path: Path) -> list[str]:
    """What ``integrity_check`` and ``foreign_key_check`` find; nothing when all is well."""
    found = [row[0] for row in query(path, "PRAGMA integrity_check") if row[0] != "ok"]
    return found + [str(row) for row in query(path, "PRAGMA foreign_key_check")]


def make_version(path: Path, version: int) -> None:
    """A database as a server of a schema version leaves it: its migrations up to there, recorded, and some rows."""
    with raw_connection(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # it need not survive a power cut
        connection.execute("PRAGMA journal_mode = WAL")
        if not version:
            return
        connection.execute(
            "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)"
        )
        for migration in server_migrations("TEXT")[:version]:
            migration.up(connection)
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?)",
                (migration.version, migration.name, format_time(now())),
            )
        for sql in OLD_ROWS:
            connection.execute(sql)


_TIME = "2024-05-06T07:08:09.1234567Z"
OLD_ROWS = (
    f"INSERT INTO rooms (id, network_id, fqid, name, created_at) VALUES ('old', 'net', 'molt://old', 'Old', '{_TIME}')",
    "INSERT INTO room_members VALUES ('old', 'alice')",
    f"""INSERT INTO messages
        (id, network_id, target_kind, room_id, target_json, from_json, parts_json, mentions_json, created_at)
        VALUES ('was', 'net', 'room', 'old', '{{"kind":"room","room_id":"old"}}', '{{"type":"agent","id":"alice"}}',
        '[{{"kind":"text","text":"written long ago"}}]', 'null', '{_TIME}')""",
)


def schema(path: Path) -> list[tuple[str, ...]]:
    """Everything in ``sqlite_master``, white space aside."""
    rows = query(
        path, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
    )
    return [(kind, name, table, re.sub(r"\s+", "", sql or "").lower()) for kind, name, table, sql in rows]


# -- killing itself -----------------------------------------------------------------------------------


def be_killed_at(limit: int) -> None:
    """From here on the process kills itself at the beginning of its so-manieth statement."""
    connect, executed = sqlite3.connect, []

    def trace(sql: str) -> None:
        executed.append(sql)
        if len(executed) >= limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def connecting(*args: Any, **options: Any) -> Any:
        connection = connect(*args, **options)
        connection.set_trace_callback(trace)
        return connection

    sqlite3.connect = connecting


def be_killed_at_each_statement(path: str) -> None:
    """Fork processes that migrate the database, each of which kills itself one statement later than the one before.

    Between them the test looks at what is there, and makes it anew.
    """
    for limit in count(1):
        pid = os.fork()
        if not pid:
            be_killed_at(limit)
            status = 1
            try:
                open_store(url_of(Path(path), synchronous="normal")).close()
                status = 0
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        tell(status)
        if status != -signal.SIGKILL:
            return
        listen()
