"""The forms that the server's reader takes, and this project promises for what it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from .raw import Dump
from .server import COLUMNS

__all__ = ["problems"]

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
_NULLABLE = {
    "rooms": {"deleted_at"},
    "messages": {"room_id", "thread_id", "parent_message_id", "dm_id"},
    "artifacts": {"room_id", "thread_id", "dm_id"},
}
_INTEGERS = {"message_count", "part_index", "version"}
_OF_KIND = {"room": {"room_id"}, "thread": {"room_id", "thread_id"}, "dm": {"dm_id"}}
_PART = {"kind", "text", "media_type", "url", "filename", "data"}
_TARGET = {"kind", "room_id", "thread_id", "parent_message_id", "dm_id", "participant_ids"}

Row = dict[str, Any]


def problems(dump: Dump) -> list[str]:
    """Everything about some rows, all written by this project, that is not in its form."""
    found = []
    for table, rows in dump.items():
        for key, row in rows.items():
            where = f"{table} {b'/'.join(key).decode()}"
            found += [f"{where}: {problem}" for problem in _problems(table, row)]
    return found


def _problems(table: str, row: Row) -> Iterator[str]:
    if table in COLUMNS and set(row) != set(COLUMNS[table]):
        yield f"its columns are {sorted(row)}"
    for name, (kind, value) in row.items():
        if kind == "null" and name in _NULLABLE.get(table, ()):
            continue
        if kind != ("integer" if name in _INTEGERS else "text"):
            yield f"{name} is {kind}"
        elif name.endswith("_at") and not _TIME.fullmatch(value):
            yield f"{name} is {value!r}"
    if "target_json" in row:
        yield from _target_problems(table, row)
    if table == "messages":
        yield from _message_problems(row)


def _target_problems(table: str, row: Row) -> Iterator[str]:
    target, kind = json.loads(row["target_json"][1]), row["target_kind"][1].decode()
    if type(target) is not dict or target["kind"] != kind or set(target) - _TARGET:
        yield f"target_json is {target}"
    used = _OF_KIND[kind] | ({"parent_message_id"} if kind == "thread" and target.get("parent_message_id") else set())
    for name in ("room_id", "thread_id", "dm_id", "parent_message_id"):
        if name == "parent_message_id" and table == "artifacts":
            continue
        expected = ("text", target[name].encode()) if name in used else ("null", None)
        if row[name] != expected:
            yield f"{name} is {row[name]}, expected {expected}"
    if any(value in ("", None, [], {}) for value in target.values()):
        yield "target_json holds an absent value"


def _message_problems(row: Row) -> Iterator[str]:
    sender, parts, mentions, origin = (
        json.loads(row[f"{name}_json"][1]) for name in ("from", "parts", "mentions", "origin")
    )
    if not (type(sender) is dict and {"type", "id"} <= set(sender) <= {"type", "id", "name", "network_id", "fqid"}):
        yield f"from_json is {sender}"
    if not (type(parts) is list and parts and all(type(part) is dict and "kind" in part for part in parts)):
        yield f"parts_json is {parts}"
    elif any(set(part) - _PART for part in parts):
        yield "a part has keys of its own"
    elif any(type(part.get("data", {})) is not dict for part in parts):
        yield "a part's data is no object"
    if mentions is not None and not (type(mentions) is list and mentions and all(type(m) is str for m in mentions)):
        yield f"mentions_json is {mentions}"
    if not (type(origin) is dict and {type(value) for value in origin.values()} == {str} and len(origin) == 2):
        yield f"origin_json is {origin}"
