"""All messages by (time, id) in one stream, in memory that does not grow with them.

An engine whose times are its sort key does that by itself. Where times are texts, the key is an expression, and to sort
by it holds all of them in memory. But the server's index by ``created_at`` has texts of one length in the key's order,
and all others of the usual shape in the order of their seconds. So three strands are merged: along the index, along the
index with each second sorted, and the few that are left, sorted by the engine.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any, Final

from attrs import frozen

from moltnet_core.timestamps import time_key
from moltnet_sql.dialect import Dialect
from moltnet_sql.schema import TABLES
from moltnet_sql.session import Session
from moltnet_sql.statements import from_table, selected

__all__ = ["Scan", "make_scan"]

Row = Sequence[Any]

_TIME: Final = TABLES["messages"].index("created_at")
_SECOND: Final = len("2006-01-02T15:04:05")
_RANKS: Final[dict[type, int]] = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}


@frozen
class Scan:
    """The statements of a scan. Parameter by name: ``cursor``, the id of a message, where the scan goes on after it.

    :param along: rows in the order of the scan, or those of them that an index has in this order.
    :param by_second: rows in the order of their seconds.
    :param left: the key and the row of all others, in the order of the scan.
    """

    along: str
    by_second: str | None = None
    left: str | None = None

    def rows(self, session: Session, parameters: Any = ()) -> Iterator[Row]:
        """All messages in order. Nothing else may be streamed meanwhile, except where streams go side by side."""
        streams = [session.stream(sql, parameters) for sql in (self.along, self.by_second, self.left) if sql]
        try:
            if len(streams) == 1:
                yield from streams[0]
                return
            along, by_second, left = streams
            others = heapq.merge(_sorted(by_second), ((_place(key, row[0]), row) for key, *row in left), key=_of_pair)
            first = next(others, None)
            if first is None:
                yield from along
                return
            places = ((_place(time_key(row[_TIME]), row[0]), row) for row in along)
            for _, row in heapq.merge(places, chain([first], others), key=_of_pair):
                yield row
        finally:
            for stream in streams:
                stream.close()


def _of_pair(pair: tuple[Any, Row]) -> Any:
    return pair[0]


def _place(key: str | bytes | None, own_id: Any) -> tuple[bool, str, int, Any]:
    """Where a row stands; also a time that is missing and an id that is no text have their place."""
    return key is not None, _text(key or ""), _RANKS[type(own_id)], own_id


def _text(value: str | bytes) -> str:
    """A text that was read; one that is not UTF-8 comes as bytes, and has its place among the others."""
    return value if isinstance(value, str) else value.decode(errors="surrogateescape")


def _sorted(by_second: Iterable[Row]) -> Iterator[tuple[Any, Row]]:
    for _, rows in groupby(by_second, key=lambda row: _text(row[_TIME])[:_SECOND]):
        yield from sorted(((_place(time_key(_text(row[_TIME])), row[0]), row) for row in rows), key=_of_pair)


def make_scan(dialect: Dialect, *, after: bool) -> Scan:
    """A scan in one engine's spelling.

    :param after: of what comes after the message ``cursor``.
    """
    key, by_id = dialect.time_key("created_at"), dialect.by_code_point("id")
    table, columns = from_table(dialect, "messages"), selected(dialect, "messages")
    where = "1 = 1"
    if after:
        cursor = dialect.named.format("cursor")
        at = f"(SELECT {key} FROM {table} WHERE id = {cursor})"
        where = f"({key} > {at} OR ({key} = {at} AND {by_id} > {cursor}))"
    shapes = dialect.time_shapes("created_at")
    in_order = f"ORDER BY {key}, {by_id}"
    if shapes is None:
        return Scan(f"SELECT {columns} FROM {table} WHERE {where} {in_order}")
    full, usual = shapes
    rows, by_text = f"SELECT {columns} FROM {table} WHERE {where}", "ORDER BY created_at, id"
    return Scan(
        f"{rows} AND {full} {by_text}",
        f"{rows} AND {usual} AND ({full}) IS NOT TRUE {by_text}",
        f"SELECT {key}, {columns} FROM {table} WHERE {where} AND ({usual}) IS NOT TRUE {in_order}",
    )
