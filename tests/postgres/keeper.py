"""Keeps one server process, which ends when told, and at the latest with whoever started it, however that ended.

Run as a script with its configuration, :class:`Kept` as JSON, for an argument. It prints the server's process id. A
line on its standard input stops the server gently. When that input closes without a line, or the parent is gone, the
server is stopped at once and its folder deleted, since nobody else is left to do so.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

__all__ = ["Kept", "family", "send"]

GENTLY, AT_ONCE = signal.SIGINT, signal.SIGQUIT  # PostgreSQL's fast and immediate shutdown
PATIENCE = 10.0  # seconds until the server is killed instead
LOOK = 1.0  # seconds between looks for the parent: the input stays open while a forked child of it lives


class Kept(TypedDict):
    """What the keeper needs to know."""

    command: list[str]
    environ: dict[str, str]
    account: Sequence[int] | None
    folder: str
    log: str
    parent: int


def family(postmaster: int) -> list[int]:
    """The process and, on Linux, its children; of one that is suspended they stay the same."""
    found = [postmaster]
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may itself hold spaces and parentheses.
            state, parent, *_ = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended just now
        if int(parent) == postmaster and state != "Z":
            found.append(int(entry.parent.name))
    return found


def send(number: signal.Signals, *processes: int) -> None:
    """Send a signal to those of the processes that are still there."""
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


def keep(kept: Kept) -> int:
    """Run the server until it ends or is to end; returns its exit status."""
    ended, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup)
    uid, gid = kept["account"] or (None, None)
    with Path(kept["log"]).open("ab") as log:
        server = subprocess.Popen(
            kept["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=kept["environ"],
            cwd=kept["folder"],
            user=uid,
            group=gid,
            extra_groups=() if uid is not None else None,
        )
    try:
        print(server.pid, flush=True)
        orphaned = wait(server, ended, kept["parent"])
        stop(server, AT_ONCE if orphaned else GENTLY)
    finally:
        kill(server)
    if orphaned:
        shutil.rmtree(kept["folder"], ignore_errors=True)
    return server.returncode


def wait(server: subprocess.Popen[bytes], ended: int, parent: int) -> bool:
    """Wait until the server has ended or is to end; returns whether that is because nobody wants it any more."""
    while server.poll() is None:
        ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [], LOOK)
        if sys.stdin.fileno() in ready:
            return not os.read(sys.stdin.fileno(), 1)
        if os.getppid() != parent:
            return True
        if ended in ready:
            os.read(ended, 100)
    return False


def stop(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Stop the server, which a test may have left suspended; when that does not help, at once."""
    for number in (how, AT_ONCE):
        if server.poll() is None:
            send(signal.SIGCONT, *family(server.pid))
            send(number, server.pid)
            with suppress(subprocess.TimeoutExpired):
                server.wait(PATIENCE)


def kill(server: subprocess.Popen[bytes]) -> None:
    """Kill whatever of the server is left."""
    if server.poll() is None:
        send(signal.SIGSTOP, server.pid)  # first, so that there are no new children
        send(signal.SIGKILL, *reversed(family(server.pid)))
    server.wait()


if __name__ == "__main__":
    sys.exit(abs(keep(json.loads(sys.argv[1]))))
