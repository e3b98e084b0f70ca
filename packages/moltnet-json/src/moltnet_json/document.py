"""A snapshot: one JSON object, in the form of the Go server's, with one further key of ours."""

from __future__ import annotations

from typing import Any

from moltnet_json.ordering import ArrivalOrder
from moltnet_json.scanning import NotJsonError, Scanner
from moltnet_json.sections import Group, Lists, Records, WrongShapeError

__all__ = ["NEW", "Document"]

EXTENSION = "moltnet_ext"
"""Holds what the server's format cannot. The server drops it at its next write, so nothing may depend on it."""

NEW = (
    b'{"rooms":{},"removed_rooms":{},"room_messages":{},"threads":{},"thread_messages":{},"direct_messages":{},'
    b'"direct_members":{},"agents":{}}'
)
"""A snapshot that holds nothing, as the server writes one."""

_BYTE_ORDER_MARK = "\ufeff"


class Document:
    """The texts of everything that a snapshot holds.

    :ivar rooms: by id.
    :ivar removed_rooms: the times of their removal, by id.
    :ivar room_messages: by room, in the order in which they were appended.
    :ivar threads: by id.
    :ivar thread_messages: by thread.
    :ivar direct_messages: by direct conversation; one without an entry does not exist.
    :ivar direct_members: the participants, by direct conversation.
    :ivar agents: by id.
    :ivar removed: of ours: what removed rooms were, by id.
    :ivar dms: of ours: networks of direct conversations that do not follow from their messages, by id.
    :ivar order: in which order messages came; of ours are its notes on those of which their times do not tell it.
    """

    def __init__(self) -> None:
        self.rooms, self.removed_rooms, self.threads, self.agents = Records(), Records(), Records(), Records()
        self.room_messages, self.thread_messages, self.direct_messages = Lists(), Lists(), Lists()
        self.direct_members = Records()
        self.removed, self.dms, arrivals = Records(), Records(), Records()
        self.order = ArrivalOrder(arrivals)
        self._extension = Group(removed_rooms=self.removed, dms=self.dms, arrivals=arrivals)
        self._whole = Group(
            rooms=self.rooms,
            removed_rooms=self.removed_rooms,
            room_messages=self.room_messages,
            threads=self.threads,
            thread_messages=self.thread_messages,
            direct_messages=self.direct_messages,
            direct_members=self.direct_members,
            agents=self.agents,
            **{EXTENSION: self._extension},
        )

    @classmethod
    def read(cls, content: bytes) -> tuple[Document, dict[str, Any]]:
        """A file's content taken apart, and the decoded values of each key that it has.

        :raises ValueError: it is no snapshot; says why, without its text.
        """
        document = cls()
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"it is not UTF-8 text (byte {error.start})") from None
        if text.startswith(_BYTE_ORDER_MARK):
            raise ValueError("it begins with a byte-order mark, which no JSON may; take that off")
        scanner = Scanner(text)
        if scanner.at_end():
            raise ValueError("it is empty; remove it to begin a new one")
        try:
            if scanner.peek() != "{":
                scanner.skip()
                raise ValueError("it is JSON and not an object")
            values = document._whole.read(scanner)
            if not scanner.at_end():
                raise scanner.error("nothing more")
        except NotJsonError as error:
            raise ValueError(f"it is not JSON: {error}") from None
        except WrongShapeError as error:
            raise ValueError(f"it is not in the form of a snapshot: {error}") from None
        if not values and text.strip()[1:-1].strip():
            raise ValueError("it is not in the form of a snapshot: it has none of its keys")
        return document, values

    @property
    def is_staged(self) -> bool:
        """Whether something is staged."""
        return self._whole.is_staged

    def content(self) -> bytes:
        """What the file is to hold, with what is staged."""
        return b"".join(self._whole.render())

    def settle(self) -> None:
        """Put in place what is staged."""
        self._whole.settle()
        self.order.settle()

    def discard(self) -> None:
        """Drop what is staged."""
        self._whole.discard()
        self.order.discard()
