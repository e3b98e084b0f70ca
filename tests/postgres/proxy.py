"""A TCP proxy before a PostgreSQL server, that counts round trips and fails where a test wants it to."""

from __future__ import annotations

import socket
import threading
from typing import Self

from tests.postgres.link import Cut, How, Link
from tests.postgres.process import LOOPBACK

__all__ = ["Proxy"]

PATIENCE = 30.0  # seconds


class Proxy:
    """Listens on a port of its own until closed, and forwards what is not in the way of a test.

    It understands clients that send a statement when the last was answered, without encryption, as libpq does.

    :param target: the server's host and port; it can be set anew, for connections to come.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.round_trips = 0  # answers ended by ReadyForQuery, without those that end logging in
        self.statements: list[str] = []
        self.lock = threading.Lock()
        self.flowing = threading.Event()
        self.flowing.set()
        self._cuts: list[Cut] = []
        self._links: list[Link] = []
        self._closing = False
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name=f"proxy {self.port}", daemon=True)
        self._thread.start()

    @property
    def login(self) -> dict[str, str]:
        """What changes in a login to get here: ``cluster.url(**proxy.login)``."""
        return {"host": LOOPBACK, "port": str(self.port), "sslmode": "disable", "gssencmode": "disable"}

    @property
    def connections(self) -> int:
        """How many are open."""
        with self.lock:
            return sum(link.thread.is_alive() for link in self._links)

    # -- failures ------------------------------------------------------------------------------------

    def cut(self, statement: str = r"^\s*COMMIT", *, answered: bool = True, how: How = "close") -> Cut:
        """Fail once, at the first statement to come that matches. See :class:`Cut`."""
        cut = Cut(statement, answered=answered, how=how)
        with self.lock:
            self._cuts.append(cut)
        return cut

    def cut_all(self) -> None:
        """Close all connections."""
        with self.lock:
            links, self._links = self._links, []
        for link in links:
            link.end()

    def hold(self) -> None:
        """Forward nothing more, on any connection, new ones too, and close none, like a net that is gone."""
        self.flowing.clear()

    def release(self) -> None:
        """Forward again, also what has come meanwhile."""
        self.flowing.set()

    def close(self) -> None:
        """End everything."""
        self._closing = True
        with socket.create_connection((LOOPBACK, self.port)):
            self._thread.join(PATIENCE)
        self._listener.close()
        self.cut_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------

    def asked(self, statement: str) -> Cut | None:
        """Note a statement, and take the cut that it is to meet."""
        with self.lock:
            self.statements.append(statement)
            for cut in self._cuts:
                if cut.statement.search(statement):
                    self._cuts.remove(cut)
                    return cut
        return None

    def answered(self) -> None:
        """Note a round trip, before the client knows of it."""
        with self.lock:
            self.round_trips += 1

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._closing:
                client.close()
                return
            with self.lock:
                self._links = [link for link in self._links if link.thread.is_alive()]
                self._links.append(Link(self, client))
