"""Walking along keys: a page is where a cursor is put, and as many steps as it has items.

``tails`` is for keys whose order is the listing's. ``groups`` is for those that begin with an id, which may be a long
one: keys of long ids that begin alike are read together and put into order.
"""

from collections.abc import Callable, Iterator
from itertools import groupby, islice
from typing import TypeAlias

import lmdb

from moltnet_lmdb.keys import LONG, order_part, part

__all__ = ["Row", "Txn", "groups", "tails"]

Txn: TypeAlias = "lmdb.Transaction[bytes]"  # generic for type checkers only
Cursor: TypeAlias = "lmdb.Cursor[bytes]"
Row: TypeAlias = tuple[bytes, bytes]  # what follows the prefix, and the value


def tails(txn: Txn, prefix: bytes, before: bytes | None, after: bytes | None, limit: int) -> list[bytes]:
    """The ends of at most ``limit`` keys: the last ones, or those just before or after an end; in order."""
    if after is not None:
        rows = (row for row in _forwards(txn.cursor(), prefix, prefix + after) if row[0] != after)
        return [tail for tail, _ in islice(rows, limit)]
    bound = prefix + (LONG if before is None else before)
    return [tail for tail, _ in islice(_backwards(txn.cursor(), prefix, bound), limit)][::-1]


def groups(
    txn: Txn,
    prefix: bytes,
    before: str | None,
    after: str | None,
    limit: int,
    id_of: Callable[[bytes], str],
) -> list[tuple[str, list[Row]]]:
    """At most ``limit`` ids with the rows whose keys begin with them; chosen as by ``tails``, by code point.

    :param after: an id, or ``""`` for the first ones.
    :param id_of: the id that a key's end begins with.
    """
    if after is not None:
        rows = _forwards(txn.cursor(), prefix, prefix + order_part(part(after)))
        ids = ((each, found) for each, found in _by_id(rows, id_of, backwards=False) if each > after)
        return list(islice(ids, limit))
    if before is None:
        rows = _backwards(txn.cursor(), prefix, prefix + LONG)
    else:
        start = order_part(part(before))
        rows = _backwards(txn.cursor(), prefix, prefix + start + (LONG if start.endswith(LONG) else b""))
    ids = ((each, found) for each, found in _by_id(rows, id_of, backwards=True) if before is None or each < before)
    return list(islice(ids, limit))[::-1]


def _by_id(rows: Iterator[Row], id_of: Callable[[bytes], str], *, backwards: bool) -> Iterator[tuple[str, list[Row]]]:
    for _, alike in groupby(rows, lambda row: order_part(row[0])):
        found: dict[str, list[Row]] = {}
        for row in alike:
            found.setdefault(id_of(row[0]), []).append(row)
        for each in sorted(found, reverse=backwards):
            yield each, found[each][::-1] if backwards else found[each]


def _forwards(cursor: Cursor, prefix: bytes, start: bytes) -> Iterator[Row]:
    if cursor.set_range(start):
        yield from _within(cursor.iternext(), prefix)


def _backwards(cursor: Cursor, prefix: bytes, bound: bytes) -> Iterator[Row]:
    if cursor.prev() if cursor.set_range(bound) else cursor.last():
        yield from _within(cursor.iterprev(), prefix)


def _within(items: Iterator[Row], prefix: bytes) -> Iterator[Row]:
    for key, value in items:
        if not key.startswith(prefix):
            return
        yield key[len(prefix) :], value
