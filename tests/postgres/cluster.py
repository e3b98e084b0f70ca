"""A PostgreSQL server of our own, which tests may suspend, kill and start again."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex

import psycopg2
from tests.postgres.installation import Installation
from tests.postgres.locales import make_locale
from tests.postgres.process import LOOPBACK, KeptProcess, free_ports
from tests.postgres.server import Host, Server, ServerError

__all__ = ["Cluster", "make_folder"]

PATIENCE = 60.0  # seconds
LONGEST_SOCKET = 100  # bytes; systems cut at 104 or 108
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_permissions": "0700",  # since nobody needs a password there
    "max_connections": "100",
    "shared_buffers": "64MB",
    "scram_iterations": "1",  # a test logs in often, with a password that is random anyhow
    "timezone": "Pacific/Chatham",  # 12:45 or 13:45 ahead: whoever forgets an offset shall notice
    "log_line_prefix": "%m [%p] %a ",
}
LOGINS = """
local all,replication all trust
host all,replication all 127.0.0.1/32 scram-sha-256
"""


class Cluster(Server):
    """A new server, running. It ends with :meth:`close`, and with this process at the latest.

    On the Unix socket all roles are trusted. On TCP all need a password, so that ``postgres``, which has none, is
    kept out.

    :param version: PostgreSQL's major version, 18 or 16.
    :param fsync: whether what is committed survives the machine, at the speed that this leaves.
    :param locale: one such as ``en_US.UTF-8`` sorts as people there do, and needs Debian's ``locales``.
    :param settings: of ``postgresql.conf``.
    """

    def __init__(
        self, *, version: int = 18, fsync: bool = False, locale: str = "C", settings: Mapping[str, str] | None = None
    ) -> None:
        self.version = version
        self.locale = locale
        self.folder = make_folder()
        self._process: KeptProcess | None = None
        self._owner = os.getpid()
        on = "on" if fsync else "off"
        fixed = {"unix_socket_directories": str(self.folder), "fsync": on, "full_page_writes": on}
        self.settings = {**SETTINGS, **fixed, **(settings or {})}
        try:
            environ = {} if locale == "C" else {"LOCPATH": str(make_locale(locale, self.folder))}
            self.installation = Installation(version, self.folder, environ)
            self.installation.hand_over(self.folder)
            self._make_files()
            self._start_anywhere()
            self._join()
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

    @property
    def postmaster(self) -> int:
        """The id of the server's first process."""
        return self._running.pid

    @property
    def address(self) -> tuple[str, int]:
        """Host and port on TCP."""
        return LOOPBACK, self.port

    # -- running -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server where it was, with the settings as they are now, and wait until it answers.

        :raises ServerError: it ended, or does not answer.
        """
        assert self._process is None, "it runs"
        self._write_settings()
        command = [str(self.installation.bin / "postgres"), "-D", str(self.data)]
        self._process = KeptProcess(command, self.folder, self.installation.account, self.installation.environ)
        self._wait()

    def stop(self) -> None:
        """Stop the server as an administrator would: sessions are cut off, what is committed is on disk."""
        self._running.stop()
        self._process = None

    def restart(self) -> None:
        """Stop the server, however it is, and start it where it was."""
        self.stop()
        self.start()

    def configure(self, **settings: str) -> None:
        """Change settings, also for later starts. Some want a restart to be heeded."""
        self.settings |= settings
        self._write_settings()
        self.execute("SELECT pg_reload_conf()")

    def close(self) -> None:
        """End the server for good and delete its files."""
        if os.getpid() == self._owner:  # a forked child has a copy
            if self._process is not None:
                self._process.end()
                self._process = None
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- mishaps -------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Suspend the server: connections stay, the system accepts new ones, nothing is answered."""
        self._running.pause()

    def resume(self) -> None:
        """Let a suspended server go on."""
        self._running.resume()

    def kill(self) -> None:
        """Kill all of the server's processes, with no chance to clean up; :meth:`start` recovers."""
        self._running.kill()
        self._process = None

    # ------------------------------------------------------------------------------------------------

    @property
    def _running(self) -> KeptProcess:
        assert self._process is not None, "it does not run"
        return self._process

    def _host(self, host: Host) -> dict[str, str]:
        return {"host": LOOPBACK if host == "tcp" else str(self.folder), "port": str(self.port)}

    def _make_files(self) -> None:
        options = ["--no-sync", "--no-instructions", "--encoding=UTF8", f"--locale={self.locale}"]
        self.installation.run("initdb", f"--pgdata={self.data}", "--username=postgres", "--auth=trust", *options)
        (self.data / "pg_hba.conf").write_text(LOGINS)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("include 'moltnet.conf'\n")

    def _write_settings(self) -> None:
        settings = {**self.settings, "port": str(self.port)}
        (self.data / "moltnet.conf").write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()))

    def _join(self) -> None:
        """Become a server for tests, with a role and a database."""
        user = {**self._host("tcp"), "user": "moltnet", "password": token_hex(8)}
        super().__init__({**self._host("socket"), "user": "postgres", "dbname": "postgres"}, user)

    def _start_anywhere(self) -> None:
        for self.port in free_ports():
            try:
                return self.start()
            except ServerError:
                if "Address already in use" not in self.log:
                    raise
                (self.folder / "log").unlink()
        raise ServerError("every port that was tried is taken.")

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return psycopg2.connect(host=str(self.folder), port=self.port, user="postgres").close()
            except psycopg2.OperationalError as error:
                if not self._running.running:
                    status, self._process = self._running.wait(), None
                    raise ServerError(f"PostgreSQL {self.version} ended ({status}):\n{self.log}") from error
                if time.monotonic() > until:
                    self.kill()
                    raise ServerError(f"PostgreSQL {self.version} does not answer: {error}\n{self.log}") from error
            time.sleep(0.01)


def make_folder() -> Path:
    """A folder with a name short enough for a socket, where the server's account can reach it."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if len(parent) + 40 < LONGEST_SOCKET and (os.geteuid() != 0 or Path(parent).stat().st_mode & 0o001):
            return Path(tempfile.mkdtemp(prefix="moltnet-pg-", dir=parent))
    raise ServerError("no folder for temporary files has a short name and lets others in.")
