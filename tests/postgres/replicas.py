"""A server with a copy that has everything before a commit is acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres.cluster import Cluster
from tests.postgres.server import Server, ServerError

__all__ = ["Standby", "both", "replicated"]

NAME = "standby"
PATIENCE = 60.0  # seconds


@contextmanager
def replicated(version: int = 18) -> Iterator[tuple[Cluster, Standby]]:
    """A primary whose commits wait until its standby has them on disk, and that standby."""
    with Cluster(version=version, fsync=True) as primary, Standby(primary) as standby:
        primary.configure(synchronous_standby_names=NAME, synchronous_commit="on")
        until = time.monotonic() + PATIENCE
        while primary.execute("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            if time.monotonic() > until:
                raise ServerError(f"the standby does not follow:\n{standby.log}")
            time.sleep(0.01)
        yield primary, standby


def both(primary: Cluster, standby: Cluster) -> dict[str, str]:
    """What changes in a login to find whichever of the two can be written to: ``primary.url(**both(…))``."""
    addresses = [primary.address, standby.address]
    hosts, ports = ",".join(host for host, _ in addresses), ",".join(str(port) for _, port in addresses)
    return {"host": hosts, "port": ports, "target_session_attrs": "read-write"}


class Standby(Cluster):
    """A copy of a primary, with its roles and databases, that follows it and can be read until it is promoted."""

    def __init__(self, primary: Cluster) -> None:
        self._primary = primary
        source = f"host={primary.folder} port={primary.port} user=postgres application_name={NAME}"
        super().__init__(version=primary.version, fsync=True, settings={"primary_conninfo": source})

    def promote(self) -> None:
        """Become a primary, with all that was received."""
        assert self.execute("SELECT pg_promote(true, 60)") == [(True,)], self.log

    def _make_files(self) -> None:
        source = f"host={self._primary.folder} port={self._primary.port} user=postgres"
        options = ["--checkpoint=fast", "--no-sync", "--wal-method=stream"]
        self.installation.run("pg_basebackup", f"--pgdata={self.data}", f"--dbname={source}", *options)
        (self.data / "standby.signal").touch()
        self.installation.hand_over(self.data / "standby.signal")

    def _join(self) -> None:
        Server.__init__(
            self,
            {**self._primary.administrator, **self._host("socket")},
            {**self._primary.user, **self._host("tcp")},
            self._primary.database,
        )
