"""The lines of an export: one JSON object each, in UTF-8, decoded strictly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from moltnet_core.serialization import MAX_READ_DEPTH, depth_of, dumps

__all__ = ["MAX_LINE", "LineError", "decode_line", "encode_line", "lines_of"]

MAX_LINE: Final = 256 * 1024 * 1024
"""Bytes of the longest line that is written or read. A message of 16 MiB may take six times that in other spellings."""

_MAX_DEPTH: Final = (
    MAX_READ_DEPTH + 1
)  # a stored value may nest as deep as is read, and a record is one level around it
_BOM: Final = b"\xef\xbb\xbf"
# Valid in JSON as they are, but some readers of lines take them for the end of one; and lone surrogates have no UTF-8.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class LineError(ValueError):
    """A line cannot be used.

    :ivar number: which, from 1.
    :ivar problem: why.
    """

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number}: {problem}")
        self.number = number
        self.problem = problem


def encode_line(data: Mapping[str, Any]) -> bytes:
    """An object as a line, with its end.

    :raises ValueError: it takes more than :data:`MAX_LINE` bytes.
    """
    text = dumps(data)
    if not text.isascii():
        text = _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    line = text.encode()
    if len(line) >= MAX_LINE:
        raise ValueError(f"takes {len(line)} bytes, and a line of an export may have {MAX_LINE - 1}")
    return line + b"\n"


def lines_of(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers from 1; blank ones are left out.

    :raises LineError: one is too long.
    """
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise LineError(number, f"is longer than {MAX_LINE} bytes: this is no export")
        if number == 1:
            line = line.removeprefix(_BOM)
        if line.strip():
            yield number, line


def decode_line(line: bytes) -> dict[str, Any]:
    """The object that a line holds.

    :raises ValueError: it is no JSON object in UTF-8, has a key twice, or is beyond the limits of what is read anywhere
        (a nesting of 301 levels, integers of 4300 digits, fractions within a double's range).
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (at byte {error.start})") from None
    if text.count("[") + text.count("{") > _MAX_DEPTH < depth_of(text):
        raise ValueError(f"is nested more than {_MAX_DEPTH} levels deep")
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg} at character {error.pos})") from None
    except ValueError as error:
        problem = str(error)
        if "integer string conversion" in problem:
            problem = "holds an integer of more than 4300 digits"
        raise ValueError(problem) from None
    if type(value) is not dict:
        raise ValueError("is not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("has a key twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("holds a number beyond a double's range")
    return value


_decoder: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
