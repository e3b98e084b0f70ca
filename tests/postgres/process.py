"""A server process and its keeper, which ends it when we do."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.postgres.keeper import Kept, family, send

__all__ = ["LOOPBACK", "KeptProcess", "free_ports"]

LOOPBACK = "127.0.0.1"
# Below the ports that systems give to clients: a client of a server that is down could otherwise connect to itself.
PORTS = range(20000, 32000)
PATIENCE = 60.0  # seconds
KEEPER = Path(__file__).with_name("keeper.py")


def free_ports() -> Iterator[int]:
    """Ports on which nobody listens, some for a next try: another may take one before its server does."""
    for port in random.sample(PORTS, 20):
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) != 0:
                yield port


class KeptProcess:
    """A server that runs until told, and no longer than this process.

    :param folder: its own; it is deleted with the server unless :meth:`stop` was asked to end it.
    :param account: the user and group that it runs as.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, account: tuple[int, int] | None, environ: dict[str, str]
    ) -> None:
        kept = Kept(
            command=list(command),
            environ=environ,
            account=account,
            folder=str(folder),
            log=str(folder / "log"),
            parent=os.getpid(),
        )
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), json.dumps(kept)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # so that an interrupt from the terminal is ours alone
        )
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline() or 0)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._keeper.poll() is None

    def stop(self) -> None:
        """End it gently; its folder stays."""
        assert self._keeper.stdin is not None
        with suppress(BrokenPipeError):  # it has ended by itself
            self._keeper.stdin.write(b"\n")
        self.wait()

    def end(self) -> None:
        """End it at once; its folder goes."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self.wait()

    def pause(self) -> None:
        """Suspend it and its children. (Linux: elsewhere they are not found.)"""
        assert Path("/proc/self/stat").exists()
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it and its children go on."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it and its children; its folder stays."""
        self._send(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait until it has ended, and return its status."""
        with self._keeper as keeper:
            return keeper.wait(PATIENCE)

    def _send(self, number: signal.Signals) -> None:
        if self.running:  # otherwise the id may be another's by now
            if number != signal.SIGCONT:
                send(signal.SIGSTOP, self.pid)  # so that there are no new children
            send(number, *reversed(family(self.pid)))
