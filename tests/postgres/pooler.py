"""PgBouncer before a server: clients take turns on a few sessions, transaction by transaction."""

from __future__ import annotations

import os
import shutil
import socket
import time
from typing import Self

from tests.postgres.cluster import Cluster, make_folder
from tests.postgres.process import LOOPBACK, KeptProcess, free_ports
from tests.postgres.server import ServerError

__all__ = ["Pooler"]

PATIENCE = 30.0  # seconds
SEARCHED = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
CONFIGURATION = """
[databases]
* = host={host} port={server_port}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
"""


class Pooler:
    """A running PgBouncer, in transaction mode, that knows the stores' role.

    What a client leaves in its session (settings, temporary tables, locks) the next client finds, and not always the
    one that left it.

    :param sessions: how many there are to the server for each database.
    :raises ServerError: it is not installed, or does not start.
    """

    def __init__(self, cluster: Cluster, sessions: int = 3) -> None:
        program = shutil.which("pgbouncer", path=SEARCHED)
        if program is None:
            raise ServerError("pgbouncer is not installed (Debian: apt-get install pgbouncer).")
        self._cluster = cluster
        self._program = program
        self._sessions = sessions
        self.folder = make_folder()
        self._process: KeptProcess | None = None
        try:
            self._start_anywhere()
        except BaseException:
            self.close()
            raise

    @property
    def login(self) -> dict[str, str]:
        """What changes in a login to get here: ``cluster.url(**pooler.login)``."""
        return {"host": LOOPBACK, "port": str(self.port)}

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text(errors="replace")

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.end()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_anywhere(self) -> None:
        for self.port in free_ports():
            self._write("users", '"{user}" "{password}"\n'.format(**self._cluster.user))
            self._write("pgbouncer.ini", self._configuration())
            self._cluster.installation.hand_over(self.folder)
            account, environ = self._cluster.installation.account, {"PATH": os.defpath}
            command = [self._program, str(self.folder / "pgbouncer.ini")]
            self._process = KeptProcess(command, self.folder, account, environ)
            if self._is_up(self._process):
                return
            self._process.kill()
            self._process = None
            if "Address already in use" not in self.log:
                raise ServerError(f"PgBouncer ended:\n{self.log}")
        raise ServerError("every port that was tried is taken.")

    def _configuration(self) -> str:
        return CONFIGURATION.format(
            host=LOOPBACK, server_port=self._cluster.port, port=self.port, folder=self.folder, sessions=self._sessions
        )

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        self._cluster.installation.hand_over(path)

    def _is_up(self, process: KeptProcess) -> bool:
        until = time.monotonic() + PATIENCE
        while process.running and time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex((LOOPBACK, self.port)) == 0:
                    return True
            time.sleep(0.01)
        return False
