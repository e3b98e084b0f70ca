"""As much of PostgreSQL's protocol as a proxy has to read: where messages end, and what a few of them say."""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["COMMAND_COMPLETE", "ENCRYPTION", "READY", "Message", "Splitter"]

QUERY, PARSE = b"Q", b"P"  # from the client
COMMAND_COMPLETE, READY = b"C", b"Z"  # from the server
STARTUP = b""  # a client's first messages have no kind
ENCRYPTION = {80877103, 80877104}  # requests for TLS and for GSSAPI, answered by one byte


class Message(NamedTuple):
    """A whole message."""

    kind: bytes
    data: bytes

    @property
    def code(self) -> int | None:
        """What a client asks for to begin with: a version of the protocol, or encryption."""
        return int(struct.unpack_from("!I", self.data, 4)[0]) if self.kind == STARTUP else None

    @property
    def statement(self) -> str | None:
        """The SQL that a client's message holds, if it is of the kinds that do."""
        if self.kind == QUERY:
            return self.data[5:].partition(b"\0")[0].decode()
        if self.kind == PARSE:
            return self.data[5:].split(b"\0")[1].decode()
        return None

    @property
    def tag(self) -> str:
        """What a server says that it has done, such as ``COMMIT`` or ``INSERT 0 1``."""
        return self.data[5:].partition(b"\0")[0].decode()


class Splitter:
    """Cuts a stream into messages.

    :param starting: it is a client's, from its first byte on.
    """

    def __init__(self, *, starting: bool = False) -> None:
        self._starting = starting
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete."""
        data = self._rest + data
        messages: list[Message] = []
        at = 0
        while (end := at + self._size(data, at)) <= len(data):
            messages.append(Message(STARTUP if self._starting else data[at : at + 1], data[at:end]))
            self._starting = self._starting and messages[-1].code in ENCRYPTION
            at = end
        self._rest = data[at:]
        return messages

    def _size(self, data: bytes, at: int) -> int:
        """The size of the message that begins there; of one whose beginning is not there yet, more than there is."""
        begin = 0 if self._starting else 1
        if len(data) < at + begin + 4:
            return len(data) + 1
        return begin + int(struct.unpack_from("!I", data, at + begin)[0])
