"""A PostgreSQL server of our own, which tests may suspend, kill and start again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex

import psycopg2
from tests.postgres.installation import Installation
from tests.postgres.keeper import Kept, family, send
from tests.postgres.server import Host, Server, ServerError

__all__ = ["Cluster"]

LOOPBACK = "127.0.0.1"
# Below the ports that systems give to clients: a client of a server that is down could otherwise connect to itself.
PORTS = range(20000, 32000)
PATIENCE = 60.0  # seconds
LONGEST_SOCKET = 100  # bytes; systems cut at 104 or 108
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_permissions": "0700",  # since the administrator needs no password there
    "max_connections": "100",
    "shared_buffers": "64MB",
    "scram_iterations": "1",  # a test logs in often, with a password that is random anyhow
    "timezone": "Pacific/Chatham",  # 12:45 or 13:45 ahead: whoever forgets an offset shall notice
    "log_line_prefix": "%m [%p] %a ",
}
LOGINS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
REPLICATION = "local replication all trust\nhost replication all 127.0.0.1/32 scram-sha-256\n"


class Cluster(Server):
    """A new server, running. It ends with :meth:`close`, and with this process at the latest.

    On the Unix socket all roles are trusted; on TCP all need a password, which ``postgres``, the administrator, lacks.

    :param version: PostgreSQL's major version.
    :param fsync: whether what is committed survives the machine. It takes a tenth of the speed, or less.
    :param settings: of ``postgresql.conf``.
    :param initdb: options that are put after ``--locale=C``.
    :param environ: what the server sees in its environment, such as ``LOCPATH``.
    """

    def __init__(
        self,
        *,
        version: int = 18,
        fsync: bool = False,
        settings: Mapping[str, str] | None = None,
        initdb: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.version = version
        self.folder = make_folder()
        self._owner = os.getpid()
        self._keeper: subprocess.Popen[bytes] | None = None
        self.postmaster = 0
        try:
            self._installation = Installation(version, self.folder, environ)
            self._installation.hand_over(self.folder)
            on = {"fsync": "on" if fsync else "off", "full_page_writes": "on" if fsync else "off"}
            self.settings = {**SETTINGS, "unix_socket_directories": str(self.folder), **on, **(settings or {})}
            self._make_files(initdb)
            self._start_anywhere()
            user = {**self._host("tcp"), "user": "moltnet", "password": token_hex(8)}
            super().__init__({**self._host("socket"), "user": "postgres", "dbname": "postgres"}, user)
        except BaseException:
            self.close()
            raise

    @property
    def data(self) -> Path:
        """The folder that the server keeps everything in."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What the server has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- running -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server where it was, with the settings as they are now, and wait until it answers.

        :raises ServerError: it ended, or does not answer.
        """
        assert self._keeper is None, "it runs"
        lines = "".join(f"{key} = '{value}'\n" for key, value in {**self.settings, "port": str(self.port)}.items())
        (self.data / "moltnet.conf").write_text(lines)
        account = self._installation.account
        kept = Kept(
            command=[str(self._installation.bin / "postgres"), "-D", str(self.data)],
            environ=self._installation.environ,
            account=None if account is None else (account.uid, account.gid),
            folder=str(self.folder),
            log=str(self.folder / "log"),
            parent=os.getpid(),
        )
        script = Path(__file__).with_name("keeper.py")
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), json.dumps(kept)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that an interrupt from the terminal is ours alone
        )
        assert self._keeper.stdout is not None
        self.postmaster = int(self._keeper.stdout.readline() or 0)
        self._wait()

    def stop(self) -> None:
        """Stop the server as an administrator would: sessions are cut off, what is committed is on disk."""
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.write(b"\n")
            self._keeper.stdin.flush()
            self._reap()

    def restart(self) -> None:
        """Stop the server, however it is, and start it where it was."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the server for good and delete its files."""
        if os.getpid() != self._owner:
            return  # a forked child's copy of us
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._reap()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- mishaps -------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Suspend the server: connections stay, the system accepts new ones, nothing is answered."""
        send(signal.SIGSTOP, self.postmaster)  # first, so that there are no new children
        send(signal.SIGSTOP, *family(self.postmaster))

    def resume(self) -> None:
        """Let a suspended server go on."""
        send(signal.SIGCONT, *family(self.postmaster))

    def kill(self) -> None:
        """Kill all of the server's processes, with no chance to clean up; :meth:`start` recovers."""
        send(signal.SIGSTOP, self.postmaster)
        send(signal.SIGKILL, *reversed(family(self.postmaster)))
        self._reap()

    # ------------------------------------------------------------------------------------------------

    def _host(self, host: Host) -> dict[str, str]:
        return {"host": LOOPBACK if host == "tcp" else str(self.folder), "port": str(self.port)}

    def _make_files(self, initdb: Sequence[str]) -> None:
        options = ["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", *initdb]
        self._installation.run("initdb", f"--pgdata={self.data}", "--username=postgres", "--auth=trust", *options)
        (self.data / "pg_hba.conf").write_text(LOGINS + REPLICATION)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("include 'moltnet.conf'\n")

    def _start_anywhere(self) -> None:
        for port in random.sample(PORTS, 20):
            with socket.socket() as probe:
                if probe.connect_ex((LOOPBACK, port)) == 0:
                    continue
            self.port = port
            try:
                return self.start()
            except ServerError:
                if "Address already in use" not in self.log:
                    raise
                (self.folder / "log").unlink()
        raise ServerError(f"20 ports of {PORTS} are all taken.")

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            assert self._keeper is not None
            try:
                return psycopg2.connect(host=str(self.folder), port=self.port, user="postgres").close()
            except psycopg2.OperationalError as error:
                if self._keeper.poll() is not None:
                    status = self._reap()
                    raise ServerError(f"PostgreSQL {self.version} ended ({status}):\n{self.log}") from error
                if time.monotonic() > until:
                    self.kill()
                    raise ServerError(f"PostgreSQL {self.version} does not answer: {error}\n{self.log}") from error
            time.sleep(0.01)

    def _reap(self) -> int:
        assert self._keeper is not None
        keeper, self._keeper = self._keeper, None
        with keeper:
            return keeper.wait(PATIENCE)


def make_folder() -> Path:
    """A folder with a name short enough for a socket, where the server's account can reach it."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if len(parent) + 40 < LONGEST_SOCKET and Path(parent).stat().st_mode & 0o001:
            return Path(tempfile.mkdtemp(prefix="moltnet-pg-", dir=parent))
    raise ServerError("no folder for temporary files has a short name and lets others in.")
