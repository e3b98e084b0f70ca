"""What the tests of the SQLite backend share: messages, URLs, looks at files, and child processes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from moltnet_core import Actor, Message, MoltnetError, Part, Room, Store, Target, open_store
from moltnet_core.timestamps import format_time, now
from moltnet_sql import server_migrations
from moltnet_sqlite.engine import sqlite3

ROOT = Path(__file__).parents[2]
LAUNCHER = Path(__file__).with_name("launcher.py")
ENGINE_VARIABLE = "MOLTNET_TEST_ENGINE"
WAIT = 60.0
"""Seconds that a condition may take on a slow machine. No test waits that long when all is well."""

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
        for sql in _OLD_ROWS:
            connection.execute(sql)


_TIME = "2024-05-06T07:08:09.1234567Z"
_OLD_ROWS = (
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


# -- files -------------------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder with a hash of its content, and its mode; links by where they lead."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = ""
        found[str(path.relative_to(folder))] = (content, mode)
    return found


def open_descriptors(part: str) -> list[str]:
    """What this process has open that has ``part`` in its path."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that the folder was read with is gone
            target = str(descriptor.readlink())
            if part in target:
                found.append(target)
    return sorted(found)


# -- errors ------------------------------------------------------------------------------------------


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its causes and its contexts."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__]


def foreign_in_chain(error: BaseException) -> list[str]:
    """The errors in an error's chain that are neither the library's own nor the operating system's."""
    return [repr(found) for found in chain(error) if not isinstance(found, MoltnetError | OSError)]


# -- waiting -----------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once a condition holds.

    :raises AssertionError: it does not for :data:`WAIT` seconds.
    """
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen: {what}")
        time.sleep(0.002)


# -- child processes ---------------------------------------------------------------------------------


class Child:
    """A function of a test file, running in an interpreter of its own.

    It tells with :func:`tell`, and goes on with :func:`listen` once told. Its arguments, and what it tells, are JSON.

    :param engine: ``sqlite3`` lets it run on Python's own SQLite, as where ``pysqlite3`` is not installed.
    :param wrapper: a command that runs it, such as ``strace``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *args: object,
        engine: str | None = None,
        wrapper: Sequence[str] = (),
        user: int | None = None,
        cwd: Path = ROOT,
    ) -> None:
        module = sys.modules[function.__module__]
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("MOLTNET_", "COV_CORE"))}
        engine = engine or os.environ.get(ENGINE_VARIABLE)
        if engine is not None:
            environ[ENGINE_VARIABLE] = engine
        self.function = function
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            [
                *wrapper,
                sys.executable,
                str(LAUNCHER),
                str(module.__file__),
                function.__name__,
                json.dumps(args, default=str),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=cwd,
            env=environ,
            user=user,
            group=user,
            extra_groups=() if user is not None else None,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self) -> Any:
        """What the child tells next.

        :raises AssertionError: it ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.function.__name__} ended ({self._process.wait()}): {self.errors()}")
        return json.loads(line)

    def say(self, value: object = None) -> None:
        """Let the child's :func:`listen` return."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value, default=str).encode() + b"\n")
        self._process.stdin.flush()

    def rest(self) -> list[Any]:
        """All that the child tells until it ends, which it has to without an error."""
        assert self._process.stdout is not None
        told = [json.loads(line) for line in self._process.stdout]
        self.end()
        return told

    def end(self, status: int = 0) -> None:
        """Wait for the child's end.

        :raises AssertionError: its status is another than expected.
        """
        found = self._process.wait(WAIT)
        assert found == status, f"{self.function.__name__} ended with {found}: {self.errors()}"

    def wait(self) -> int:
        """Wait for the child's end, whatever its status, and return that."""
        return self._process.wait(WAIT)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def lines(self) -> list[bytes]:
        """Whole lines that are still to be heard from a child that has ended."""
        assert self._process.stdout is not None
        return [line for line in self._process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]

    def errors(self) -> str:
        """What the child wrote on standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                with suppress(OSError):  # what was never read cannot be written either
                    stream.close()
        self._errors.close()


def tell(value: object = None) -> None:
    """In a child: tell the test something."""
    os.write(1, json.dumps(value, default=str).encode() + b"\n")


def listen() -> Any:
    """In a child: wait until the test says something. When the test is gone, so is the child."""
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(3)
    return json.loads(line)


def outcome(call: Callable[[], object]) -> dict[str, Any]:
    """In a child: what became of a call, as JSON."""
    try:
        call()
    except MoltnetError as error:
        return {
            "error": type(error).__name__,
            "text": str(error),
            "committed": error.committed,
            "foreign": foreign_in_chain(error),
        }
    return {"error": None}


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
