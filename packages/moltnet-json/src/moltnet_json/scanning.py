"""Walking through a JSON text whose outer levels are taken apart and whose inner values keep their own text.

Values are decoded, and their ends found, by the standard library's decoder. Where that gives up on a value that is JSON
all the same (an integer of 5000 digits, a nesting of 100,000 levels), its end is found without decoding it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from json.decoder import scanstring  # type: ignore[attr-defined]  # the stubs leave it out
from typing import Any, Final

from attrs import frozen

from moltnet_core.serialization import loads_at

__all__ = ["NotJsonError", "Scanner", "Undecodable"]

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_PLAIN: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null", re.ASCII)


class NotJsonError(ValueError):
    """The text is not JSON.

    :ivar problem: what is wrong.
    :ivar position: where, in characters from the text's beginning.
    """

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(f"{problem} at character {position}")
        self.problem = problem
        self.position = position


@frozen
class Undecodable:
    """Stands for a value that is JSON and cannot be decoded.

    :param problem: why.
    :param known: of an object: those of its members that are neither objects nor lists, and can be decoded.
    """

    problem: str
    known: Mapping[str, Any]


class Scanner:
    """A place in a JSON text. Each method takes what stands there and moves on behind it.

    :raises NotJsonError: (every method) the text is not JSON there.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.key_start = 0

    def peek(self) -> str:
        """The next character that is no white space, ``""`` at the end; moves to it."""
        end = _SPACE.match(self.text, self.position)
        self.position = end.end() if end else self.position
        return self.text[self.position : self.position + 1]

    def at_end(self) -> bool:
        """Whether nothing follows."""
        return not self.peek()

    def error(self, expected: str) -> NotJsonError:
        """What to raise where something else is expected."""
        return NotJsonError(f"expected {expected}", self.position)

    def _take(self, character: str) -> bool:
        if self.peek() != character:
            return False
        self.position += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._take(character):
            raise self.error(repr(character))

    def string(self) -> str:
        """A string's value."""
        self._expect('"')
        try:
            value, self.position = scanstring(self.text, self.position, True)
        except json.JSONDecodeError as error:
            raise NotJsonError(error.msg, error.pos) from None
        return str(value)

    def members(self) -> Iterator[str]:
        """The keys of an object. Whoever takes one moves on behind its value before taking the next.

        ``key_start`` is where the key's text begins.
        """
        self._expect("{")
        if self._take("}"):
            return
        while True:
            self.peek()
            self.key_start = self.position
            key = self.string()
            self._expect(":")
            yield key
            if self._take("}"):
                return
            self._expect(",")

    def elements(self) -> Iterator[None]:
        """Stops at each element of an array, behind which the caller moves on."""
        self._expect("[")
        if self._take("]"):
            return
        while True:
            yield None
            if self._take("]"):
                return
            self._expect(",")

    def value(self) -> tuple[Any, str]:
        """A value, or an :class:`Undecodable` for it, and its text."""
        self.peek()
        start = self.position
        try:
            value, self.position = loads_at(self.text, start)
        except json.JSONDecodeError as error:
            raise NotJsonError(error.msg, error.pos) from None
        except (ValueError, RecursionError) as error:
            self.skip()
            value = Undecodable(_problem(error), _shallow(self.text[start : self.position]))
        return value, self.text[start : self.position]

    def skip(self) -> None:
        """A value of any size and depth, without decoding it."""
        closing: list[str] = []
        while True:
            opening = self.peek()
            if opening in ("{", "["):
                self.position += 1
                closing.append("}" if opening == "{" else "]")
                if not self._take(closing[-1]):
                    self._skip_key(closing)
                    continue
                closing.pop()
            elif opening == '"':
                self.string()
            else:
                plain = _PLAIN.match(self.text, self.position)
                if plain is None:
                    raise self.error("a value")
                self.position = plain.end()
            while closing and self._take(closing[-1]):
                closing.pop()
            if not closing:
                return
            self._expect(",")
            self._skip_key(closing)

    def _skip_key(self, closing: list[str]) -> None:
        if closing[-1] == "}":
            self.string()
            self._expect(":")


def _shallow(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    scanner = Scanner(text)
    for key in scanner.members() if text.startswith("{") else ():
        scanner.peek()
        start = scanner.position
        scanner.skip()
        if text[start] not in "{[":
            with suppress(ValueError):
                found[key], _ = loads_at(text, start)
    return found


def _problem(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested far too deep"
    text = str(error)
    return "an integer of more than 4300 digits" if "integer string conversion" in text else text
