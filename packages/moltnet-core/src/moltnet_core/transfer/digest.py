r"""Digests: whether two stores hold the same records, without a link between them.

The definition, by its name ``moltnet-1``, is part of what this software promises (``docs/moving.md``):

- A record's *text* is the JSON object of :meth:`Record.to_json`, credential key included, without ``message_count``
  and ``last_message_at``. An absent origin is one of two empty texts. Times are UTC with nine fractional digits, of
  which those beyond the digest's ``time_digits`` are 0. Keys are sorted by code point and there are no spaces. In
  strings ``"``, ``\`` and the characters below U+0020 are escaped, in the shortest way that JSON has (``\n``, else
  ``\u001f`` in lower case), and nothing else. Integers have all their digits; other numbers are spelt as Python's
  ``repr`` spells a double.
- Its *fingerprint* is the SHA-256 of that text in UTF-8, read as a big-endian number.
- The digest of a kind is the sum of its records' fingerprints, modulo 2**256: it does not depend on the order. That
  of a store is the sum of all kinds.

So it tells of accidents, not of forgery: whoever can choose records can make two different stores with one digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from attrs import field, frozen

from moltnet_core.errors import ValidationError
from moltnet_core.records import LOAD_ORDER, Record, RecordKind
from moltnet_core.serialization import canonical, dumps, to_json
from moltnet_core.timestamps import normalise, truncate
from moltnet_core.types import Actor, Message, Part, Target

__all__ = ["DIGEST_NAME", "Digester", "KindDigest", "StoreDigest", "canonical_text", "fingerprint"]

DIGEST_NAME: Final = "moltnet-1"
"""Names the definition. Another definition will have another name."""

_MODULUS: Final = 2**256
_DERIVED: Final = ("message_count", "last_message_at")


# -- one record --------------------------------------------------------------------------------------


def canonical_text(record: Record, time_digits: int) -> str:
    """The text of a record that its fingerprint is made of: equal for records that count as the same.

    It holds an agent's credential key: it is not for showing.

    :param time_digits: fractional digits of a second that count, 9 or 6.
    :raises ValidationError: a time is missing, or is none.
    """
    value = record.value
    if isinstance(value, Message):
        return _message_text(value, _time(record, "created_at", time_digits))
    record, _ = record.prepared(time_digits)
    data = record.to_json(with_credentials=True)
    for name in _DERIVED:
        data.pop(name, None)
    return canonical(data)


def fingerprint(record: Record, time_digits: int) -> int:
    """The record's number, below 2**256, of which a digest is the sum.

    :param time_digits: fractional digits of a second that count, 9 or 6.
    :raises ValidationError: a time is missing, or is none.
    """
    # A row of another program may hold half of a surrogate pair, which UTF-8 has no form for.
    return int.from_bytes(sha256(canonical_text(record, time_digits).encode(errors="surrogatepass")).digest())


def _time(record: Record, name: str, digits: int) -> str:
    try:
        return truncate(normalise(record.times[name]), digits)
    except (KeyError, ValueError, TypeError):
        raise ValidationError(f"{record.kind} {record.id!r}: times.{name}", "expected an RFC 3339 time") from None


# Messages are nearly all of a store, so theirs is put together by hand; a test holds it to the general form.


def _message_text(message: Message, created_at: str) -> str:
    origin = message.origin
    mentions = f'"mentions":{dumps(message.mentions)},' if message.mentions else ""
    own_id, network_id = _quoted(message.id), _quoted(message.network_id)
    first_id = "" if origin is None else origin.message_id
    return (
        f'{{"created_at":"{created_at}","from":{_shared_text(message.sender)},"id":{own_id},'
        f'"kind":"message",{mentions}"network_id":{network_id},'
        f'"origin":{{"message_id":{own_id if first_id == message.id else _quoted(first_id)},'
        f'"network_id":{_quoted("" if origin is None else origin.network_id)}}},'
        f'"parts":[{",".join(map(_part_text, message.parts))}],"target":{_shared_text(message.target)}}}'
    )


_quoted = json.encoder.encode_basestring  # what dumps() makes of a text


@lru_cache(maxsize=4096)
def _shared_text(value: Actor | Target) -> str:
    return canonical(to_json(value))


def _part_text(part: Part) -> str:
    if part.data is None and part.filename is None and part.media_type is None and part.url is None:
        text = f',"text":{_quoted(part.text)}' if part.text is not None else ""
        return f'{{"kind":{_quoted(part.kind)}{text}}}'
    names = ("data", "filename", "kind", "media_type", "text", "url")
    return canonical({name: held for name in names if (held := getattr(part, name)) is not None})


# -- many records ------------------------------------------------------------------------------------


@frozen
class KindDigest:
    """The records of one kind.

    :param count: how many.
    :param sum: of their fingerprints, modulo 2**256.
    """

    count: int = 0
    sum: int = 0

    @property
    def text(self) -> str:
        """The sum as 64 hexadecimal digits."""
        return f"{self.sum:064x}"


@frozen
class StoreDigest:
    """What a store held: the same for all stores that hold the same records.

    Digests of different ``time_digits`` differ. A store that keeps nine compares with one that keeps six by digests of
    six.

    :param time_digits: fractional digits of a second that count.
    :param kinds: by kind, all of them.
    """

    time_digits: int
    kinds: Mapping[RecordKind, KindDigest] = field(hash=False)

    @property
    def count(self) -> int:
        """How many records."""
        return sum(each.count for each in self.kinds.values())

    @property
    def text(self) -> str:
        """The digest of everything, such as ``moltnet-1:9:2c26b4…``: definition, time digits and 64 digits."""
        total = sum(each.sum for each in self.kinds.values()) % _MODULUS
        return f"{DIGEST_NAME}:{self.time_digits}:{total:064x}"

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "digest": self.text,
            "time_digits": self.time_digits,
            "kinds": {str(kind): {"count": each.count, "digest": each.text} for kind, each in self.kinds.items()},
        }

    @classmethod
    def from_json(cls, data: object) -> StoreDigest:
        """What :meth:`to_json` gave.

        :raises ValidationError: it is something else, does not agree with itself, or is of another definition.
        """
        try:
            digits, kinds = data["time_digits"], data["kinds"]  # type: ignore[index]  # which raises what is caught
            digest = cls(
                digits,
                {kind: KindDigest(kinds[kind]["count"], int(kinds[kind]["digest"], 16)) for kind in LOAD_ORDER},
            )
            if digest.to_json() == data:
                return digest
        except (LookupError, TypeError, ValueError):
            pass
        raise ValidationError("digest", f"expected a digest of the definition {DIGEST_NAME}, whole and unaltered")


class Digester:
    """Adds up the digest of records as they pass.

    :param time_digits: fractional digits of a second that count, 9 or 6.
    """

    def __init__(self, time_digits: int) -> None:
        if time_digits not in (9, 6):
            raise ValidationError("time_digits", "expected 9 or 6")
        self.time_digits = time_digits
        self._counts = dict.fromkeys(LOAD_ORDER, 0)
        self._sums = dict.fromkeys(LOAD_ORDER, 0)

    def add(self, record: Record) -> int:
        """Add one record, and return its fingerprint.

        :raises ValidationError: a time is missing, or is none.
        """
        number = fingerprint(record, self.time_digits)
        self._counts[record.kind] += 1
        self._sums[record.kind] += number
        return number

    def digest(self) -> StoreDigest:
        """The digest of what was added so far."""
        kinds = {kind: KindDigest(self._counts[kind], self._sums[kind] % _MODULUS) for kind in LOAD_ORDER}
        return StoreDigest(self.time_digits, kinds)
