"""A file that is no snapshot is refused and left alone; of one that is, every text survives a rewriting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.moltnet_json.snapshots import TIME, opened, read, stored_message, stored_room, with_messages, write

from moltnet_conformance.building import agent, at, dm, message, room, thread
from moltnet_core import CorruptStoreError, RoomExistsError

KEYS = ("rooms", "removed_rooms", "room_messages", "threads", "thread_messages", "direct_messages", "direct_members")
NOT_SNAPSHOTS: dict[str, bytes] = {
    "another program's": b'{"name":"something else","rooms_":{}}',
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"{}"',
    "a number": b"1",
    "words": b"hello",
    "cut off": b'{"rooms":{"a"',
    "two objects": b"{}{}",
    "a comma too many": b'{"rooms":{},}',
    "NaN": b'{"room_messages":{"r":[{"x":NaN}]}}',
    "a byte-order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"rooms":{}}'.encode("utf-16"),
    "not UTF-8": b'{"rooms":{"\xff":{}}}',
    "a surrogate's bytes": b'{"rooms":{"\xed\xa0\x80":{}}}',
    "a key twice": b'{"rooms":{},"rooms":{}}',
    "an id twice": b'{"rooms":{"r":{},"r":{}}}',
    "a list twice": b'{"room_messages":{"r":[],"r":[]}}',
    "messages in no list": b'{"room_messages":{"r":{}}}',
    "a number for a list": b'{"direct_messages":{"r":0}}',
    "our own key of a wrong type": b'{"moltnet_ext":[]}',
    "nested without an end": b'{"agents":' + b"[" * 100_000,
    **{f"{key} of a wrong type": json.dumps({key: [1]}).encode() for key in (*KEYS, "agents")},
    **{f"{key} of a text": json.dumps({key: "{}"}).encode() for key in (*KEYS, "agents")},
}


@pytest.mark.parametrize("name", NOT_SNAPSHOTS)
@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_what_is_no_snapshot_is_refused_and_left_alone(path: Path, name: str, mode: str) -> None:
    content = write(path, NOT_SNAPSHOTS[name])
    before = path.stat()
    with pytest.raises(CorruptStoreError, match=r"data\.json") as caught:
        opened(path, mode=mode)
    assert "hello" not in str(caught.value)
    assert path.read_bytes() == content
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "content",
    [b"{}", b" {\n}\n", json.dumps(dict.fromkeys((*KEYS, "agents"))).encode(), b'{"agents":{},"other":[1e999]}'],
    ids=["nothing", "white space", "nulls", "another's key"],
)
def test_what_is_missing_or_null_is_empty(path: Path, content: bytes) -> None:
    write(path, content)
    with opened(path) as store:
        assert path.read_bytes() == content  # opening rewrites nothing
        assert store.counts().rooms == 0
        store.create_room(room())
        store.append_message(message("m1"))
        store.append_message(message("m2", thread()))
        store.append_message(message("m3", dm()))
        store.register_agent(agent())
        before = store.counts()
    with opened(path) as store:
        assert store.counts() == before
        assert before.messages == 3


def test_a_new_snapshot_is_what_a_server_would_write(path: Path) -> None:
    opened(path).close()
    assert path.read_bytes() == json.dumps({key: {} for key in (*KEYS, "agents")}, separators=(",", ":")).encode()


ODD = (
    b'{ "note" : [ 1.50 , 1E2, -0, 12345678901234567890123 ],\n'
    b'  "rooms": {"general": { "id":"general", "network_id":"net", "name":"\\u003cG\\u003e", "fqid":"f",'
    b' "x": {"y" : 1.10}, "members":["zoe","ann","ann"], "created_at":"2026-01-01T00:00:05.5Z", "visibility":"odd"}},\n'
    b'  "room_messages": {"general": [\n'
    b'    {"id":"m1","network_id":"net","target":{"kind":"room","room_id":"general"},"from":{"type":"agent","id":"a"},'
    b'"parts":[{"kind":"data","data":{"n":1.10,"m":-0,"e":1E2}}], "new_key" : "\\u2028",'
    b'"created_at":"2026-01-01T00:00:05.120Z"} ,\n'
    b'    {"id":"m0", "parts":null, "target":{"kind":"room","room_id":"general"}}]},\n'
    b'  "agents": {"ann": {"agent_id":"ann","secret_note":[ ],"credential_key":"token:1","created_at":null}},\n'
    b'  "note":{"again": 1}}'
)


def test_only_what_is_changed_is_written_anew(path: Path) -> None:
    write(path, ODD)
    with opened(path) as store:
        store.append_message(message("m2", mentions=["bob"]))
        store.update_room_members("general", add=["bob"])
        store.register_agent(agent("ann", "token:1", updated_at=at(9)))
    content = path.read_bytes()
    for kept in (
        b'"note" : [ 1.50 , 1E2, -0, 12345678901234567890123 ]',
        b'"note":{"again": 1}',
        b'"name":"\\u003cG\\u003e"',
        b'"x": {"y" : 1.10}',
        b'"visibility":"odd"',
        b'"created_at":"2026-01-01T00:00:05.5Z"',
        b'"data":{"n":1.10,"m":-0,"e":1E2}}], "new_key" : "\\u2028","created_at":"2026-01-01T00:00:05.120Z"} ',
        b'{"id":"m0", "parts":null, "target":{"kind":"room","room_id":"general"}}',
        b'"secret_note":[ ]',
        b'"created_at":null',
    ):
        assert kept.strip() in content
    assert b'"members":["ann","bob","zoe"]' in content
    found = read(path)
    assert [item["id"] for item in found["room_messages"]["general"]] == ["m1", "m0", "m2"]  # in append order
    assert found["agents"]["ann"]["updated_at"] == "2026-01-01T00:00:09.000000000Z"
    assert set(found) == {"note", "rooms", "room_messages", "agents"}


def test_a_field_that_stands_twice_has_one_value_after_a_change(path: Path) -> None:
    write(path, b'{"rooms":{"r":{"id":"r","members":["a"],"x":1,"members":["b"],"x":2}}}')
    with opened(path) as store:
        assert store.update_room_members("r", add=["c"]).members == ("b", "c")
    assert b'{"id":"r","members":["b","c"],"x":1,"x":2}' in path.read_bytes()
    with opened(path) as store:
        assert store.list_rooms().items[0].members == ("b", "c")


def test_nothing_is_written_where_nothing_changes(path: Path) -> None:
    with_messages(path)
    with opened(path) as store:
        before = path.stat()
        store.update_room_members("general", add=["ann"], remove=["nobody"])
        store.remove_agent_from_rooms("nobody")
        store.remove_agent("nobody")
        store.append_messages([])
        store.append_message(message("m1", second=1), retry=True)
        with pytest.raises(RoomExistsError):
            store.create_room(room("general"))
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_is_written_has_the_server_s_form(path: Path) -> None:
    with opened(path) as store:
        store.create_room(room("empty", created_at=at(0, 1)))
        store.create_room(room("general", members=["zoe", "ann"]))
        store.append_message(message("m1", thread("t", parent="p"), second=1))
        store.append_message(message("m2", dm("d", "zoe", "ann"), second=2, mentions=["zoe"]))
        store.register_agent(agent("ann", "token:1", display_name=""))
    found: Any = read(path)
    assert found["rooms"]["empty"] == {
        "id": "empty",
        "network_id": "net",
        "fqid": "molt://net/rooms/empty",
        "name": "empty",
        "visibility": "private",
        "write_policy": "members",
        "created_at": "2026-01-01T00:00:00.000001000Z",
    }
    assert found["rooms"]["general"]["members"] == ["ann", "zoe"]
    assert found["threads"]["t"] == {
        "id": "t",
        "network_id": "net",
        "fqid": "molt://net/threads/t",
        "room_id": "general",
        "parent_message_id": "p",
        "message_count": 1,
        "last_message_at": "2026-01-01T00:00:01.000000000Z",
    }
    (line,) = found["thread_messages"]["t"]
    assert set(line) == {"id", "network_id", "origin", "target", "from", "parts", "created_at"}
    assert found["direct_messages"]["d"][0]["mentions"] == ["zoe"]
    assert found["direct_members"] == {"d": {"ann": {}, "zoe": {}}}
    assert found["agents"]["ann"]["credential_key"] == "token:1"
    assert "display_name" not in found["agents"]["ann"]
    assert "moltnet_ext" not in found


def test_a_stored_text_that_only_an_escape_can_spell_survives(path: Path) -> None:
    lone = json.dumps({"rooms": {"general": stored_room(members=["\ud800"], name="\udfff")}})
    write(path, lone.encode())
    with opened(path) as store:
        store.update_room_members("general", add=["bob"])
    assert read(path)["rooms"]["general"] == stored_room(members=["bob", "\ud800"], name="\udfff")
    write(path, {"room_messages": {"general": [stored_message("m", parts=[{"kind": "text", "text": "\ud800"}])]}})
    with opened(path) as store:
        store.create_room(room("other"))
        assert store.list_room_messages("general").items[0].parts[0].text == "\ud800"
    assert read(path)["room_messages"]["general"][0]["parts"][0]["text"] == "\ud800"
    assert TIME in path.read_text()
