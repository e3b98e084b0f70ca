r"""The keys: everything is in LMDB's one ordered map, and a key begins with the name of what it is.

======================================================  ===================================================
key                                                     value
======================================================  ===================================================
``room, id``                                            the room's record; a removed one's too
``live, id``                                            nothing: the room was not removed
``member, member id, room``                             the room's network
``agent, id``                                           the registration's record
``credential, SHA-256, agent``                          nothing
``thread, id``, ``dm, id``                              the record
``roomthread, room, thread``                            nothing
``message, time, id``                                   the message's record: all of them, in order of time
``place, id``                                           the message's time
``line, kind, conversation, time, id``                  nothing: the messages of one conversation, in order
``artifact, time, message, index``                      the artifact
``artifactline, kind, conversation, time, message, …``  nothing
``long, short form``                                    an id that is too long for a key
``migration, series, version``                          a recorded migration
``counts``                                              how much is stored
======================================================  ===================================================

Parts are separated by a NUL, which no text may hold and which sorts before everything else: keys compare as their
parts do. UTF-8 compares as its code points do. Times have nine digits, so that they compare as text.
"""

from hashlib import sha256
from typing import Final

__all__ = [
    "COUNTS",
    "LONG",
    "MAX_PART",
    "SEPARATOR",
    "SPACES",
    "artifact_tail",
    "credential_part",
    "key",
    "order_part",
    "part",
    "prefix",
]

SEPARATOR: Final = b"\0"
LONG: Final = b"\xff"  # stands in no UTF-8 text, and sorts after all of it
MAX_PART: Final = 128  # the longest identifier; LMDB's keys have 511 bytes for all their parts
COUNTS: Final = b"counts"
SPACES: Final = (
    *("room", "live", "member", "agent", "credential", "thread", "dm", "roomthread"),
    *("message", "place", "line", "artifact", "artifactline", "long", "migration", "counts"),
)


def part(text: str) -> bytes:
    """An id as a part of a key.

    A member id can be of any length. A long one is its beginning, a mark and a hash: unique, and in order among all
    that begin differently. :mod:`moltnet_lmdb.pages` puts those into order that begin alike.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_PART:
        return encoded
    return encoded[:MAX_PART] + LONG + sha256(encoded).hexdigest().encode()


def order_part(tail: bytes) -> bytes:
    """That of a key's first part which is in order: all of it, or of a long id what stands before the hash."""
    first, _, _ = tail.partition(SEPARATOR)
    beginning, mark, _ = first.partition(LONG)
    return beginning + mark


def credential_part(credential_key: str) -> bytes:
    """A credential key as a part of a key: it may have 1 KiB, and is a secret."""
    return sha256(credential_key.encode("utf-8", "surrogatepass")).hexdigest().encode()


def artifact_tail(time: bytes, message: bytes, index: int) -> bytes:
    """What an artifact's keys end with."""
    return SEPARATOR.join((time, message, b"%08d" % index))


def key(space: str, *parts: bytes) -> bytes:
    """A key."""
    return SEPARATOR.join((space.encode(), *parts))


def prefix(space: str, *parts: bytes) -> bytes:
    """What all keys begin with that have further parts after these."""
    return key(space, *parts, b"")
