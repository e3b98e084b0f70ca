"""A TCP proxy before a PostgreSQL server, that counts round trips and fails where a test wants it to."""

from __future__ import annotations

import re
import select
import socket
import struct
import threading
from contextlib import suppress
from typing import Literal, Self

from tests.postgres.protocol import COMMAND_COMPLETE, ENCRYPTION, READY, Message, Splitter

__all__ = ["Cut", "Proxy"]

LOOPBACK = "127.0.0.1"
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection
PATIENCE, LOOK = 30.0, 0.05  # seconds
BLOCK = 1 << 16
How = Literal["close", "reset", "silence"]


class Cut:
    """One failure to come, at the first statement that matches.

    :param statement: a regular expression to be found in the SQL; letters match in either case.
    :param answered: the server gets the statement, and its whole answer is withheld from the client; otherwise the
        server does not get it.
    :param how: the connection is closed, reset, or left open without another byte.
    """

    def __init__(self, statement: str, *, answered: bool, how: How) -> None:
        self.statement = re.compile(statement, re.IGNORECASE)
        self.answered = answered
        self.how = how
        self.tags: list[str] = []  # what the server says that it did
        self.done = threading.Event()


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


class SeveredError(Exception):
    """A cut is due now."""


class Link:
    """One client's connection, and the thread that forwards it."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._requests, self._answers = Splitter(starting=True), Splitter()
        self._logged_in = False
        self._cut: Cut | None = None
        self._ended = False
        self.thread = threading.Thread(target=self._run, name="proxied connection", daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Close both sides and wait until that is done."""
        self._ended = True
        for side in (self._client, self._server):
            with suppress(OSError):  # closed already
                if side is not None:
                    side.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)

    def _run(self) -> None:
        # An error is a side that has gone, which is what the other is to notice.
        with self._client, suppress(OSError):
            self._wait_while_held()
            with socket.create_connection(self._proxy.target) as self._server:
                try:
                    self._forward(self._client, self._server)
                except SeveredError:
                    self._sever()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            for side in select.select([client, server], [], [])[0]:
                data = side.recv(BLOCK)
                self._wait_while_held()
                if not data:
                    return
                if side is server:
                    client.sendall(b"".join(self._answer(message) for message in self._answers.feed(data)))
                else:
                    server.sendall(b"".join(self._request(message) for message in self._requests.feed(data)))

    def _request(self, message: Message) -> bytes:
        """What the server gets of a client's message."""
        if message.code in ENCRYPTION:
            self._client.sendall(b"N")
            return b""
        if message.statement is not None:
            self._cut = self._proxy.asked(message.statement)
            if self._cut is not None and not self._cut.answered:
                raise SeveredError
        return message.data

    def _answer(self, message: Message) -> bytes:
        """What the client gets of the server's message."""
        if message.kind == READY:
            if self._logged_in:
                self._proxy.answered()
            self._logged_in = True
        if self._cut is None:
            return message.data
        if message.kind == COMMAND_COMPLETE:
            self._cut.tags.append(message.tag)
        elif message.kind == READY:
            raise SeveredError
        return b""

    def _sever(self) -> None:
        assert self._cut is not None
        if self._cut.how == "reset":
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self._cut.done.set()
        while self._cut.how == "silence" and self._client.recv(BLOCK):
            pass

    def _wait_while_held(self) -> None:
        while not self._proxy.flowing.wait(LOOK):
            if self._ended:
                raise ConnectionAbortedError
