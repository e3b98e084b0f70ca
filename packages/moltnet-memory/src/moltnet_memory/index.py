"""A sorted list of keys: the order of one listing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from typing import Any

from moltnet_core.types import START, Start

__all__ = ["Index"]


class Index:
    """Keys in order: texts, or tuples of them. Adding at the end, the common case, costs the same at any size."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[Any] = ()) -> None:
        self._keys = sorted(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Any) -> None:
        """Add a key that is not there."""
        if not self._keys or self._keys[-1] < key:
            self._keys.append(key)
        else:
            insort(self._keys, key)

    def discard(self, key: Any) -> None:
        """Remove a key if it is there."""
        place = bisect_left(self._keys, key)
        if place < len(self._keys) and self._keys[place] == key:
            del self._keys[place]

    def window(self, before: Any, after: Any | Start, limit: int) -> list[Any]:
        """At most ``limit`` keys: the last; the last below ``before``; the first above ``after``; the first."""
        keys = self._keys
        if before is not None:
            end = bisect_left(keys, before)
            return keys[max(0, end - limit) : end]
        if after is START:
            return keys[:limit]
        if after is not None:
            start = bisect_right(keys, after)
            return keys[start : start + limit]
        return keys[-limit:]

    def copy(self) -> Index:
        """A copy that later changes do not reach."""
        copied = Index()
        copied._keys = self._keys.copy()
        return copied
