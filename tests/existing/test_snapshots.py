"""A snapshot of the server that this project rewrote: what was not meant to change is as it was, to the digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import Record, open_store
from moltnet_core.types import Target

from .expected import Json
from .json_case import SNAPSHOTS, JSONCase
from .writing import NEW, message, write_everything

each_case = pytest.mark.parametrize("case", SNAPSHOTS, ids=lambda case: case.name)

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
_KEYS = {
    "rooms": {"id", "network_id", "fqid", "name", "visibility", "write_policy", "created_at", "members"},
    "threads": {"id", "network_id", "fqid", "room_id", "parent_message_id", "message_count", "last_message_at"},
    "agents": {"network_id", "agent_id", "actor_uid", "actor_uri", "display_name", "credential_key"}
    | {"created_at", "updated_at"},
    "messages": {"id", "network_id", "origin", "target", "from", "parts", "mentions", "created_at"},
}
_LISTS = ("room_messages", "thread_messages", "direct_messages")


def exact(path: Path) -> Json:
    """A file with its numbers as they are spelled."""
    found: Json = json.loads(path.read_bytes(), parse_int=lambda text: ["int", text], parse_float=lambda text: [text])
    return found


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its path; the elements of lists together."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{at}/{key}")
    else:
        yield at, value


def differences(before: Json, after: Json) -> set[str]:
    """The paths of what was there and is not as it was. A list of messages may have grown."""
    old, new = dict(leaves(before)), dict(leaves(after))
    changed = set()
    for path, value in old.items():
        found = new.get(path)
        if path.split("/")[1] in _LISTS and isinstance(found, list):
            found = found[: len(value)]
        if found != value:
            changed.add(path)
    return changed


@each_case
def test_opening_it_changes_no_byte(case: JSONCase, tmp_path: Path) -> None:
    for query in ("", "?mode=ro"):
        with open_store(case.place(tmp_path) + query) as store, store.snapshot() as snapshot:
            list(snapshot.records())
        assert (tmp_path / "data.json").read_bytes() == case.source.read_bytes()


@each_case
def test_one_message_more_is_the_only_difference(case: JSONCase, tmp_path: Path) -> None:
    path, room = case.snapshot(tmp_path), case.known.room
    before = exact(path)
    with open_store(f"json:///{path}") as store:
        store.append_message(message("one-more", Target.room(room)))
    after = exact(path)
    assert differences(before, after) == set()
    assert len(after["room_messages"][room]) == len(before["room_messages"][room]) + 1
    del after["room_messages"][room][-1]
    assert list(leaves(after)) == list(leaves(before))  # the order of keys too


@each_case
def test_everything_that_is_written_changes_what_it_should(case: JSONCase, tmp_path: Path) -> None:
    path, known = case.snapshot(tmp_path), case.known
    before = exact(path)
    with open_store(f"json:///{path}") as store:
        write_everything(store, known)
    after = exact(path)
    removed = {found for found, _ in leaves(before["rooms"][known.removable], f"/rooms/{known.removable}")}
    expected = removed | {
        f"/rooms/{known.room}/members",
        f"/threads/{known.thread}/message_count",
        f"/threads/{known.thread}/last_message_at",
        f"/agents/{known.agent}/display_name",
        f"/agents/{known.agent}/updated_at",
    }
    if "credential_key" in before["agents"][known.agent]:
        expected.add(f"/agents/{known.agent}/credential_key")
    assert differences(before, after) == expected
    assert set(after) - set(before) <= {"removed_rooms", "moltnet_ext"}
    assert problems(before, after) == []
    counts = len(before["thread_messages"][known.thread]), len(after["thread_messages"][known.thread])
    assert after["threads"][known.thread]["message_count"] == ["int", str(counts[1])]
    assert counts[1] - counts[0] == 2
    assert after["direct_members"][NEW.dm] == {"alpha": {}, "far:scout": {}, "own-agent": {}}


def problems(before: Json, after: Json) -> list[str]:
    """What in the records that are new is not in the server's form."""
    found = []
    for table, keys in _KEYS.items():
        for own_id, record in _records(after, table):
            if own_id in dict(_records(before, table)):
                continue
            if not set(record) <= keys or not {"id", "agent_id"} & set(record):
                found.append(f"{table} {own_id} has {sorted(record)}")
            found += [
                f"{table} {own_id}: {name} is {value!r}"
                for name, value in record.items()
                if name.endswith("_at") and not _TIME.fullmatch(value)
            ]
            if any(value in ("", [], {}, None) for value in record.values()):
                found.append(f"{table} {own_id} holds an absent value")
    found += [f"{key} was removed at {time!r}" for key, time in after["removed_rooms"].items() if type(time) is not str]
    return found


def _records(snapshot: Json, table: str) -> Iterator[tuple[str, Json]]:
    if table != "messages":
        yield from snapshot[table].items()
        return
    for name in _LISTS:
        for line in snapshot[name].values():
            yield from ((message["id"], message) for message in line)


@each_case
def test_what_the_server_would_keep_of_it_reads_the_same(case: JSONCase, tmp_path: Path) -> None:
    """It drops our key and the times of removals, writes ``null`` for empty lists, and sorts keys."""
    path = case.snapshot(tmp_path)
    with open_store(f"json:///{path}") as store:
        write_everything(store, case.known)
    with open_store(f"json:///{path}?mode=ro") as store, store.snapshot() as snapshot:
        before = list(snapshot.records())
    kept = json.loads(path.read_bytes())
    del kept["moltnet_ext"]
    kept["removed_rooms"] = dict.fromkeys(kept["removed_rooms"], "0001-01-01T00:00:00Z")
    for name in _LISTS:
        kept[name] = {key: line or None for key, line in kept[name].items()}
    path.write_text(json.dumps(kept, sort_keys=True), encoding="utf-8")
    with open_store(f"json:///{path}?mode=ro") as store, store.snapshot() as snapshot:
        after = list(snapshot.records())
    assert [record.id for record in after] == [record.id for record in before]
    differing = [one.id for one, other in zip(before, after, strict=True) if _shown(one) != _shown(other)]
    removed = [record.id for record in before if "removed_at" in record.times]
    assert differing == [key for key in removed if key not in exact(case.source).get("removed_rooms", {})]


def _shown(record: Record) -> Json:
    shown = record.to_json(with_credentials=True)
    shown.pop("removed_at", None)
    return shown
