"""The parts of a snapshot, each of which keeps the text of what it holds.

A change is staged first: :meth:`render` has it, the part has not. Once the file is durable, :meth:`settle` puts it in
place; if it never came to be, :meth:`discard` drops it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Set
from typing import Any, Generic, TypeVar

from moltnet_core.serialization import dumps
from moltnet_json.scanning import Scanner

__all__ = ["Group", "Lists", "Records", "WrongShapeError", "encoded"]


class WrongShapeError(ValueError):
    """A part of the snapshot is JSON, and not what it has to be."""


def encoded(value: object) -> bytes:
    """A value's JSON text."""
    try:
        return dumps(value).encode()
    except UnicodeEncodeError:  # a lone surrogate, read from a file, that only an escape can spell
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


T = TypeVar("T")
S = TypeVar("S")


def _is_null(scanner: Scanner) -> bool:
    if scanner.peek() != "n":
        return False
    scanner.skip()
    return True


def _check_opening(scanner: Scanner, bracket: str, expected: str) -> None:
    if scanner.peek() != bracket:
        scanner.skip()  # of what is no JSON at all that is said instead
        raise WrongShapeError(f"expected {expected}")


class _Texts(Generic[T, S]):
    """Texts by id, and what is staged for them."""

    def __init__(self) -> None:
        self._texts: dict[str, T] = {}
        self._staged: dict[str, S] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def keys(self) -> Set[str]:
        """The ids, without what is staged."""
        return self._texts.keys()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it, what is staged included."""
        return not self._texts and not self._staged

    @property
    def is_staged(self) -> bool:
        """Whether there is anything to settle."""
        return bool(self._staged)

    def discard(self) -> None:
        """Drop what is staged."""
        self._staged = {}


class Records(_Texts[bytes, bytes | None]):
    """An object whose members are records: each one's text, with its key, by id, in the order of the file.

    Staged is a record's new text, or ``None`` for one that goes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._joined: bytes | None = b"{}"

    def read(self, scanner: Scanner) -> dict[str, Any]:
        """Take what the file holds; its values by id.

        :raises WrongShapeError: it is no object, or an id stands twice.
        """
        values: dict[str, Any] = {}
        if _is_null(scanner):
            return values
        _check_opening(scanner, "{", "an object")
        for key in scanner.members():
            if key in values:
                raise WrongShapeError(f"{key!a} stands there twice")
            start = scanner.key_start
            values[key], _ = scanner.value()
            self._texts[key] = scanner.text[start : scanner.position].encode()
        self._joined = None
        return values

    def text(self, key: str) -> str | None:
        """A record's own text."""
        found = self._texts.get(key)
        if found is None:
            return None
        scanner = Scanner(found.decode())
        scanner.string()
        scanner.peek()
        return scanner.text[scanner.position + 1 :].strip()

    def put(self, key: str, text: bytes) -> None:
        """Stage a record's new text."""
        self._staged[key] = encoded(key) + b":" + text

    def drop(self, key: str) -> None:
        """Stage that a record goes."""
        if key in self._texts:
            self._staged[key] = None

    def render(self) -> Iterator[bytes]:
        """The text, with what is staged."""
        if self._staged:
            texts = {**self._texts, **self._staged}
            yield b"{" + b",".join(text for text in texts.values() if text is not None) + b"}"
            return
        if self._joined is None:
            self._joined = b"{" + b",".join(self._texts.values()) + b"}"
        yield self._joined

    def settle(self) -> None:
        """Put in place what is staged."""
        if self._staged:
            self._joined = None
        for key, text in self._staged.items():
            if text is None:
                self._texts.pop(key, None)
            else:
                self._texts[key] = text
        self._staged = {}


class Lists(_Texts[bytearray, list[bytes]]):
    """An object whose members are lists: their texts, by id, in the order of the file.

    A text has the key before it, and is without the bracket that closes it. Staged are elements to come, and whole
    lists without some of their elements.
    """

    def __init__(self) -> None:
        super().__init__()
        self._without: dict[str, bytearray] = {}

    def read(self, scanner: Scanner) -> dict[str, list[Any]]:
        """Take what the file holds; its values by id.

        :raises WrongShapeError: it is no object, holds what is no list, or an id stands twice.
        """
        values: dict[str, list[Any]] = {}
        if _is_null(scanner):
            return values
        _check_opening(scanner, "{", "an object")
        for key in scanner.members():
            if key in values:
                raise WrongShapeError(f"{key!a} stands there twice")
            found, texts = values.setdefault(key, []), []
            head = scanner.text[scanner.key_start : scanner.position]
            if not _is_null(scanner):
                _check_opening(scanner, "[", f"a list for {key!a}")
                for _ in scanner.elements():
                    value, text = scanner.value()
                    found.append(value)
                    texts.append(text)
            self._texts[key] = bytearray(f"{head}[{','.join(texts)}".encode())
        return values

    def append(self, key: str, *texts: bytes) -> None:
        """Stage elements for the end of a list, or without elements an empty list if there is none."""
        self._staged.setdefault(key, []).extend(texts)

    def elements(self, key: str) -> list[str]:
        """The texts of a list's elements."""
        scanner = Scanner(self._texts[key].decode() + "]")
        scanner.string()
        scanner.peek()
        scanner.position += 1  # the colon
        return [scanner.value()[1] for _ in scanner.elements()]

    def remove(self, key: str, positions: Collection[int]) -> None:
        """Stage that elements of a list go."""
        kept = [text for position, text in enumerate(self.elements(key)) if position not in positions]
        self._without[key] = bytearray(encoded(key) + b":[" + ",".join(kept).encode())

    @property
    def is_staged(self) -> bool:
        """Whether there is anything to settle."""
        return bool(self._staged or self._without)

    def discard(self) -> None:
        """Drop what is staged."""
        super().discard()
        self._without = {}

    def render(self) -> Iterator[bytes | bytearray]:
        """The text, in pieces, with what is staged."""
        yield b"{"
        between = b""
        for key, own in self._texts.items():
            text = self._without.get(key, own)
            yield between
            yield text
            more = self._staged.get(key)
            if more:
                yield b"" if text.endswith(b"[") else b","
                yield b",".join(more)
            yield b"]"
            between = b","
        for key, more in self._staged.items():
            if key not in self._texts:
                yield between
                yield encoded(key) + b":["
                yield b",".join(more)
                yield b"]"
                between = b","
        yield b"}"

    def settle(self) -> None:
        """Put in place what is staged."""
        self._texts.update(self._without)
        self._without = {}
        for key, more in self._staged.items():
            text = self._texts.setdefault(key, bytearray(encoded(key) + b":["))
            if more:
                text += b"" if text.endswith(b"[") else b","
                text += b",".join(more)
        self._staged = {}


class Group:
    """An object with parts of its own, and members that it knows nothing of, whose texts it keeps.

    :param parts: by their keys, in the order in which a new object has them.
    """

    def __init__(self, **parts: Records | Lists | Group) -> None:
        self._parts = parts
        self._present: set[str] = set()
        self._unknown: list[bytes] = []

    def read(self, scanner: Scanner) -> dict[str, Any]:
        """Take what the file holds; the values of each part, by its key.

        :raises WrongShapeError: it is no object, or a part has the wrong shape or stands twice.
        """
        if _is_null(scanner):
            return {}
        _check_opening(scanner, "{", "an object")
        values: dict[str, Any] = {}
        for key in scanner.members():
            start = scanner.key_start
            part = self._parts.get(key)
            if part is None:
                scanner.skip()
                self._unknown.append(scanner.text[start : scanner.position].encode())
                continue
            if key in values:
                raise WrongShapeError(f"its key {key!r} stands there twice")
            self._present.add(key)
            try:
                values[key] = part.read(scanner)
            except WrongShapeError as error:
                raise WrongShapeError(f"{key}: {error}") from None
        return values

    def render(self) -> Iterator[bytes | bytearray]:
        """The text, in pieces, with what is staged."""
        yield b"{"
        between = b""
        for key, part in self._parts.items():
            if key in self._present or not part.is_empty:  # nothing is added but what holds something
                yield between + encoded(key) + b":"
                yield from part.render()
                between = b","
        for member in self._unknown:
            yield between
            yield member
            between = b","
        yield b"}"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it, what is staged included."""
        return not self._unknown and all(part.is_empty for part in self._parts.values())

    @property
    def is_staged(self) -> bool:
        """Whether there is anything to settle."""
        return any(part.is_staged for part in self._parts.values())

    def settle(self) -> None:
        """Put in place what is staged."""
        for part in self._parts.values():
            part.settle()

    def discard(self) -> None:
        """Drop what is staged."""
        for part in self._parts.values():
            part.discard()
