"""Fixtures: the command in this process and in its own, a store to look at, and a file changed from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from moltnet_cli.app import cli
from moltnet_core import Actor, AgentRegistration, Message, Part, Room, Store, Target, open_store

# Where the tests run in the background of a shell, SIGINT is ignored, and so it would be in the command.
COMMAND = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from moltnet_cli.app import main; main()",
]

Invoke = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and nothing of the machine's configuration."""
    for name in [name for name in os.environ if name.startswith(("MOLTNET_", "_MOLTNET_"))]:
        if not name.startswith("MOLTNET_TEST_"):  # which say what the tests run on
            monkeypatch.delenv(name)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it would hide what is not flushed
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture
def invoke() -> Invoke:
    """Runs the command in this process."""

    def run(*args: str, input: str | bytes | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, args, input=input)
        assert result.exit_code == code, (args, result.exit_code, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        if code and code != 130:
            assert result.stderr.splitlines()[-1].startswith("error: ")
        return result

    return run


@pytest.fixture
def objects(invoke: Invoke) -> Callable[..., list[dict[str, Any]]]:
    """The objects that the command prints with ``--json``."""

    def run(*args: str, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in invoke(*args, "--json", code=code).stdout_bytes.decode().splitlines()]

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command as a process of its own; what still runs at the end is ended."""
    running: list[subprocess.Popen[bytes]] = []

    def popen(*args: str, **options: Any) -> subprocess.Popen[bytes]:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process = cast("subprocess.Popen[bytes]", subprocess.Popen([*COMMAND, *args], **options))
        running.append(process)
        return process

    yield popen
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def terminal() -> Callable[..., tuple[int, str]]:
    """Runs the command at a terminal of so many columns; gives its code and all it shows. Each answer is typed when
    one more ``": "`` was shown.
    """
    pytest.importorskip("pty")
    import fcntl
    import pty
    import struct
    import termios

    def run(*args: str, columns: int = 80, answers: Sequence[str] = ()) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES", "NO_COLOR"}}
        process = subprocess.Popen(
            [*COMMAND, *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"TERM": "xterm"},
            start_new_session=True,
        )
        os.close(theirs)
        shown, given = b"", 0
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # how Linux says that nobody has the other end open any more
                break
            if not chunk:
                break
            shown += chunk
            if given < min(len(answers), shown.count(b": ")):
                os.write(ours, f"{answers[given]}\n".encode())
                given += 1
        code = process.wait(timeout=30)
        os.close(ours)
        return code, shown.decode().replace("\r\n", "\n")

    return run


@pytest.fixture
def sql() -> Callable[[Path, str], None]:
    """Changes a database as another program would; in another process, for its copy of SQLite may be another."""

    def run(path: Path, *statements: str) -> None:
        script = (
            "import sqlite3, sys\n"
            "with sqlite3.connect(sys.argv[1]) as db:\n"
            "    for statement in sys.argv[2:]: db.execute(statement)\n"
            "db.close()"
        )
        subprocess.run([sys.executable, "-c", script, str(path), *statements], check=True)

    return run


@pytest.fixture
def path() -> Path:
    """Where the default store is, or will be."""
    return Path.cwd() / ".moltnet" / "moltnet.db"


def message(target: Target, own_id: str, second: int, **changes: Any) -> Message:
    """A message at so many seconds of a fixed day."""
    return Message(
        "local",
        target,
        changes.pop("sender", Actor("agent", "alice")),
        changes.pop("parts", [Part("text", f"text of {own_id}")]),
        id=own_id,
        created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second),
        **changes,
    )


def fill(store: Store) -> None:
    """Rooms ``general`` (five messages) and ``ops``, two threads, two DMs, two agents, two artifacts."""
    store.create_room(Room("general", "local", "General", ("alice", "bob")))
    store.create_room(Room("ops", "local"))
    for number in range(1, 6):
        store.append_message(message(Target.room("general"), f"m{number}", number))
    link = Part("file", url="https://example.org/a.pdf", filename="a.pdf", media_type="application/pdf")
    store.append_message(message(Target.thread("general", "t1", "m1"), "r1", 10, parts=[Part("text", "re"), link]))
    store.append_message(message(Target.thread("general", "t2"), "r2", 11))
    store.append_message(message(Target.dm("d1", ["alice", "bob"]), "p1", 12, parts=[Part("data", data={"n": 2**70})]))
    store.append_message(message(Target.dm("d2", ["alice", "carol"]), "p2", 13))
    store.register_agent(AgentRegistration("alice", "local", "token:hush-alice", "Alice"))
    store.register_agent(AgentRegistration("bob", "local", "token:hush-bob"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with :func:`fill` in it."""
    found = tmp_path_factory.mktemp("template") / "moltnet.db"
    with open_store(f"sqlite:///{found}") as store:
        fill(store)
    return found


@pytest.fixture
def filled(path: Path, template: Path) -> Path:
    """The default store with :func:`fill` in it."""
    path.parent.mkdir()
    shutil.copy(template, path)
    return path
