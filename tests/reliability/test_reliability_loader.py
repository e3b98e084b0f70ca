"""The loader of snapshots, fed with 100,000 files: a typed error, or everything that is in it, to the letter."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.moltnet_json.snapshots import opened, stored_message, stored_room

from moltnet_core import CorruptStoreError, RecordKind, Room
from moltnet_core.driver import DriverSnapshot
from moltnet_json.document import Document
from moltnet_json.tabling import tables_of
from moltnet_memory import TablesReader

INPUTS = 100_000
OPENED = 50
"""Of so many inputs one is put into a file, opened, written to, and opened again."""

LISTS = ("room_messages", "thread_messages", "direct_messages")
SPACING = " \n,{}nul"
"""What may be less afterwards: white space, and ``null`` where nothing is."""
OBJECTS = ("rooms", "removed_rooms", "threads", "direct_members", "agents")
VALID = (
    *("null", "{}", "[]", "0", "-0", "1.50", "1e5", "true", '""', '"x"', '"2026-01-01T00:00:05.5Z"'),
    *("1e999", "-1e999", "1" * 5000, "0." + "1" * 5000, "[" * 301 + "]" * 301, '[[],{"a":[null]}]', '{"r1":[]}'),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\ufeff"', '"\u2028"', '{"a":1,"a":2}', '{"id":"r1","id":"r2"}'),
)
INVALID = (
    *("NaN", "-Infinity", "01", "1.", "+1", "nul", "'x'", '"\\x"', '"\n"', "\ufeff", '"', "\\", "\ud800"),
    *("{", "}", "[", "]", ",", ":", " ", "", "{}{}", "[" * 1000),
)
DEEP = ("[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 100_000)


def odd(chance: random.Random) -> str:
    share = chance.random()
    return chance.choice(DEEP if share < 0.002 else INVALID if share < 0.15 else VALID)


def a_snapshot(chance: random.Random) -> dict[str, Any]:
    """A small valid one, that grows in any direction."""
    rooms, threads, dms = ("r1", "r2", "r1\u00e9"), ("t1", "t2"), ("d1", "d2")
    found: dict[str, Any] = {}
    own_ids = (f"m{number}" for number in range(1000))
    if chance.random() < 0.9:
        found["rooms"] = {key: stored_room(key) for key in chance.sample(rooms, chance.randint(0, 3))}
    if chance.random() < 0.5:
        found["removed_rooms"] = {"r2": "0001-01-01T00:00:00Z"}
    targets: dict[str, list[dict[str, Any]]] = {
        "room_messages": [{"kind": "room", "room_id": key} for key in rooms],
        "thread_messages": [{"kind": "thread", "room_id": "r1", "thread_id": key} for key in threads],
        "direct_messages": [{"kind": "dm", "dm_id": key, "participant_ids": ["ann", "bob"]} for key in dms],
    }
    for name, each in targets.items():
        lines = found.setdefault(name, {}) if chance.random() < 0.8 else {}
        for target in chance.sample(each, chance.randint(0, 2)):
            key = target[f"{target['kind']}_id"]
            lines[key] = [stored_message(next(own_ids), target) for _ in range(chance.randint(0, 3))]
    if chance.random() < 0.7:
        thread = {"id": "t1", "network_id": "net", "fqid": "f", "room_id": "r1", "message_count": 2}
        found["threads"] = {"t1": thread | {"last_message_at": "2026-01-01T00:00:05.5Z"}}
    if chance.random() < 0.7:
        found["direct_members"] = {"d1": {"ann": {}, "bob": {}}}
    if chance.random() < 0.7:
        found["agents"] = {key: {"agent_id": key, "credential_key": "k"} for key in ("ann", "Bob")}
    if chance.random() < 0.3:
        found["other"] = {"x": [1.10, None]}
        found["moltnet_ext"] = {"removed_rooms": {"r2": stored_room("r2", members=[])}, "x": 1}
    return found


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON value."""
    found = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*at, key))
    return found


def put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    copied: Any = dict(value) if isinstance(value, dict) else list(value)
    copied[at[0]] = put(value[at[0]], at[1:], new)
    return copied


def an_input(chance: random.Random) -> bytes:
    snapshot: Any = a_snapshot(chance)
    style = chance.random()
    if style < 0.02:
        return odd(chance).encode("utf-8", "surrogatepass")
    if style < 0.7:
        # Some value is another, or stands twice.
        for number in range(chance.randint(1, 2)):
            snapshot = put(snapshot, chance.choice(places(snapshot)), f"<{number}>")
        text = json.dumps(snapshot, indent=chance.choice([None, 1]), ensure_ascii=chance.random() < 0.5)
        for number in range(2):
            text = text.replace(f'"<{number}>"', odd(chance))
        if chance.random() < 0.1:
            key, value = chance.choice([*OBJECTS, *LISTS, "r1", "id", "other"]), odd(chance)
            where = text.find("{", chance.randrange(len(text) or 1)) + 1
            text = f'{text[:where]}"{key}":{value},{text[where:]}'
        return text.encode("utf-8", "surrogatepass")
    content = bytearray(json.dumps(snapshot, ensure_ascii=False).encode())
    if style < 0.85:
        # Bytes are others, too many or missing.
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(content) + 1)
            match chance.randrange(3):
                case 0:
                    content[place : place + 1] = bytes([chance.randrange(256)])
                case 1:
                    content[place:place] = chance.choice([b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b",", b'"', b"]"])
                case _:
                    del content[place : place + chance.randint(1, 9)]
    elif style < 0.95:
        del content[chance.randrange(len(content) + 1) :]
    return bytes(content)


def normal(content: bytes) -> Any:
    """What JSON says, its numbers as they are spelled, keys that stand twice included. ``None``: too deep for this."""

    def pairs(found: list[tuple[str, Any]]) -> Any:
        return ("object", sorted(found, key=lambda pair: (pair[0], repr(pair[1]))))

    def refused(name: str) -> Any:
        raise ValueError(name)

    try:
        return json.loads(
            content.decode(),
            object_pairs_hook=pairs,
            parse_int=lambda text: ("number", text),
            parse_float=lambda text: ("number", text),
            parse_constant=refused,
        )
    except RecursionError:
        return None


def without_empty(value: Any) -> Any:
    """Without keys of ours to know that hold nothing, which may be ``null`` as well as ``{}`` or ``[]``."""
    known = []
    for key, item in value[1]:
        if key in (*OBJECTS, *LISTS, "moltnet_ext") and item in (None, ("object", [])):
            continue
        if key in LISTS:
            item = ("object", sorted((name, line or []) for name, line in item[1]))  # noqa: PLW2901
        if key == "moltnet_ext":
            kept = [pair for pair in item[1] if pair[1] not in (None, ("object", []))]
            item = ("object", sorted(kept, key=lambda pair: (pair[0], repr(pair[1]))))  # noqa: PLW2901
            if not kept:
                continue
        known.append((key, item))
    return known


def records_in(value: Any) -> Counter[str]:
    """How many records of each kind a file holds, by what JSON says."""
    parts = {key: (item[1] if item is not None else []) for key, item in value[1] if key in (*OBJECTS, *LISTS)}
    found: Counter[str] = Counter()
    for key, kind in (("rooms", "room"), ("agents", "agent"), ("threads", "thread"), ("direct_messages", "dm")):
        found[kind] = len(parts.get(key, ()))
    found["message"] = sum(len(line or ()) for name in LISTS for _, line in parts.get(name, ()))
    return found


def scanned(snapshot: DriverSnapshot) -> Counter[str]:
    return Counter({str(kind): len(snapshot.scan(kind, None, 10_000)) for kind in RecordKind})


def scanned_file(path: Path, content: bytes) -> Counter[str] | None:
    """What a store opened on a file of this content holds; ``None`` where it is refused, and then left alone."""
    path.write_bytes(content)
    try:
        with opened(path) as store, store.driver.snapshot() as snapshot:
            return scanned(snapshot)
    except CorruptStoreError:
        assert path.read_bytes() == content
        return None


def check_loaded(content: bytes, again: bytes, found: Counter[str]) -> str:
    """What a file that was taken has to be.

    :param again: as it would be written.
    :param found: how many records of each kind were found in it.
    """
    whole = normal(content)
    if whole is None:
        # Too deep to compare: whatever spells a key or a value is there.
        count = Counter(again.decode())
        assert all(count[mark] >= number for mark, number in Counter(content.decode()).items() if mark not in SPACING)
        return "taken, too deep to decode"
    assert without_empty(normal(again)) == without_empty(whole)
    stored = records_in(whole)
    for kind in ("agent", "dm", "message"):
        assert found[kind] == stored[kind], (kind, found, stored)
    for kind in ("room", "thread"):  # more of them may follow from the messages
        assert found[kind] >= stored[kind], (kind, found, stored)
    return "taken" if stored.total() else "taken, without a record"


def check_written(path: Path, content: bytes) -> None:
    """That a write to it changes nothing else."""
    before = scanned_file(path, content)
    assert before is not None
    with opened(path) as store:
        store.create_room(Room("a-new-room", "net"))
    after, whole = normal(path.read_bytes()), normal(content)
    if whole is not None and after is not None:
        rooms = next(item for key, item in after[1] if key == "rooms")
        rooms[1][:] = [pair for pair in rooms[1] if pair[0] != "a-new-room"]
        assert without_empty(after) == without_empty(whole)
    assert scanned_file(path, path.read_bytes()) == before + Counter(room=1)


def test_whatever_the_file_holds(path: Path, figure: Callable[[str], None]) -> None:
    chance, outcomes = random.Random(20), Counter[str]()
    path = path.with_name("data.json")
    written = 0
    for number in range(INPUTS):
        content = an_input(chance)
        try:
            try:
                document, values = Document.read(content)
            except ValueError:
                outcomes["CorruptStoreError"] += 1
                if number % OPENED == 0:
                    assert scanned_file(path, content) is None
                continue
            found = scanned(TablesReader(tables_of(values, document.order)).snapshot())
            outcomes[check_loaded(content, document.content(), found)] += 1
            if number % OPENED == 0:
                check_written(path, content)
                written += 1
        except Exception as error:
            raise AssertionError(f"input {number}: {content[:2000]!r}") from error
    figure(
        f"JSON loader: {INPUTS} inputs: {dict(outcomes)}; {written} of those taken were opened, written to and opened "
        "again; none was an empty store that holds something, and nothing was lost or changed"
    )
    assert outcomes.total() == INPUTS
    assert min(outcomes["CorruptStoreError"], outcomes["taken"]) > INPUTS // 10
    assert outcomes["taken, too deep to decode"] > 50
