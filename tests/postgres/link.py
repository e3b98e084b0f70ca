"""One client's connection through the proxy, and how it can fail."""

from __future__ import annotations

import re
import select
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from tests.postgres.protocol import COMMAND_COMPLETE, ENCRYPTION, READY, Message, Splitter

if TYPE_CHECKING:
    from tests.postgres.proxy import Proxy

__all__ = ["Cut", "How", "Link"]

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
