"""The command as a process: exit codes, broken pipes, full disks, closed outputs, encodings, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from moltnet_core import Actor, Message, Part, Room, Target, open_store

Invoke = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[bytes]"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell and signals")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["rooms", "list"], 0),
        (["rooms", "members", "nosuch"], 1),
        (["rooms", "nosuch"], 2),
        (["--store", "sqlite:///nosuch.db", "rooms", "list"], 3),
    ],
)
def test_exit_codes(start: Start, filled: Path, args: list[str], code: int) -> None:
    process = start(*args)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in err
    assert bool(out) is (code == 0)
    assert err.startswith(b"error: ") is (code != 0)


@pytest.fixture
def long(path: Path) -> Path:
    """A room of more than a pipe holds."""
    with open_store() as store:
        store.create_room(Room("general", "local"))
        store.append_messages(
            Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "x" * 200)])
            for _ in range(2000)
        )
    return path


@posix
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_has_enough(start: Start, long: Path, options: list[str]) -> None:
    process = start("read", "room:general", "--all", *options)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk(start: Start, filled: Path, options: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start("read", "room:general", *options, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == b"error: No space left on device\n"


@posix
@pytest.mark.parametrize("options", ["", "--json"])
def test_a_closed_output(filled: Path, options: str) -> None:
    script = f"'{sys.executable}' -c 'from moltnet_cli.app import main; main()' rooms list {options} >&-"
    done = subprocess.run(["sh", "-c", script], check=False, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    assert done.stderr == b"error: standard output is closed\n"


def test_an_output_that_is_not_utf8(start: Start, path: Path) -> None:
    with open_store() as store:
        store.create_room(Room("general", "local", "wörld 👋"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    out, err = start("rooms", "list", env=environment).communicate(timeout=60)
    assert b"w\\xf6rld" in out
    assert err == b""
    out, _ = start("rooms", "list", "--json", env=environment).communicate(timeout=60)
    assert json.loads(out.decode())["name"] == "wörld 👋"


def test_a_write_after_another_program_died_in_one(invoke: Invoke, filled: Path) -> None:
    script = (
        "import os, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for pragma in ('journal_mode = DELETE', 'cache_size = 2'): db.execute('PRAGMA ' + pragma)\n"
        "db.execute('BEGIN IMMEDIATE')\n"
        "db.executemany('INSERT INTO rooms (id, network_id, fqid, name, created_at) VALUES (?, ?, ?, ?, ?)',\n"
        "    [(f'r{number}', 'local', 'x' * 500, 'n', '2026-01-01T00:00:00Z') for number in range(3000)])\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(filled)], check=True)
    assert Path(f"{filled}-journal").stat().st_size
    invoke("send", "room:general", "hi", "--from", "alice", "--dry-run", code=3)
    invoke("send", "room:general", "hi", "--from", "alice", "--id", "x1")
    with open_store(read_only=True) as store:
        assert store.get_message("x1") is not None
        assert store.counts().rooms == 2


@posix
def test_an_interrupt_while_waiting_for_input(start: Start, filled: Path) -> None:
    process = start("send", "room:general", "-", "--from", "alice", stdin=subprocess.PIPE)
    assert process.stdin is not None
    # More than a pipe holds: when all of it is taken, the command is reading.
    process.stdin.write(b"x" * (1 << 20))
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    # The end of the input comes after the interrupt.
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b"error: interrupted\n"


@posix
def test_an_interrupted_tail_leaves_the_file_alone(start: Start, filled: Path) -> None:
    before = filled.read_bytes()
    process = start("tail", "room:general")
    assert process.stdout is not None
    for _ in range(6):
        assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b""
    assert filled.read_bytes() == before


def test_help_is_quick(start: Start) -> None:
    def took(*command: str) -> float:
        best = 60.0
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            best = min(best, time.perf_counter() - began)
        return best

    nothing = took(sys.executable, "-c", "pass")
    assert took(sys.executable, "-c", "from moltnet_cli.app import main; main()", "--help") < nothing + 0.2
