"""What a snapshot holds reads as tolerantly as the contract says, and what it does not hold is worked out."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.moltnet_json.snapshots import TIME, opened, read, stored_message, stored_room, write

from moltnet_conformance.building import at, dm, ids, message, records, room, thread
from moltnet_core import (
    START,
    CorruptRecordError,
    DuplicateMessageError,
    PageRequest,
    RecordConflictError,
    RoomExistsError,
    RoomNotFoundError,
    Store,
    open_store,
)

OF_THREAD = {"kind": "thread", "room_id": "general", "thread_id": "t"}
OF_DM = {"kind": "dm", "dm_id": "d", "participant_ids": ["ann", "bob"]}
NO_TIME = "0001-01-01T00:00:00.000000000Z"


def times_of(store: Store, kind: str) -> dict[str, dict[str, str]]:
    return {record.id: dict(record.times) for record in records(store) if record.kind == kind}


# -- removed rooms -----------------------------------------------------------------------------------


def test_a_removed_room_is_whole_as_long_as_only_we_write(path: Path) -> None:
    gone = room("gone", members=["ann"], visibility="public", write_policy="operators", created_at=at(0, 1))
    with opened(path) as store:
        store.create_room(gone)
        store.append_message(message("m1", "gone"))
        store.remove_room("gone")
        before = records(store)
    assert set(read(path)["rooms"]) == set()
    with opened(path) as store:
        assert records(store) == before
        value: Any = before[0].value
        assert (value.name, value.visibility, value.members) == ("gone", "public", ())


def test_the_server_drops_what_is_ours_and_a_removed_room_stays_one(path: Path) -> None:
    with opened(path) as store:
        store.create_room(room("gone", name="Long gone"))
        store.append_message(message("m1", "gone"))
        store.remove_room("gone")
    found = read(path)
    assert found.pop("moltnet_ext")["removed_rooms"]["gone"]["name"] == "Long gone"
    found["removed_rooms"]["gone"] = "0001-01-01T00:00:00Z"
    write(path, found)
    with opened(path) as store:
        (record,) = (each for each in records(store) if each.kind == "room")
        value: Any = record.value
        assert (value.id, value.name, value.network_id, value.fqid) == ("gone", "gone", "net", "molt://net/rooms/gone")
        assert record.times == {"created_at": NO_TIME, "removed_at": "0001-01-01T00:00:00Z"}
        assert store.get_room("gone") is None
        assert ids(store.list_room_messages("gone")) == ["m1"]
        with pytest.raises(RoomExistsError):
            store.create_room(room("gone"))
        with pytest.raises(RoomNotFoundError):
            store.append_message(message("m2", "gone"))


def test_rooms_that_only_messages_or_threads_mention_scan_as_removed_ones(path: Path) -> None:
    other = {"kind": "thread", "room_id": "r3", "thread_id": "t"}
    write(
        path,
        {
            "room_messages": {"r1": [stored_message("m1", {"kind": "room", "room_id": "r1"}, network_id="far")]},
            "threads": {"t": {"id": "t", "network_id": "far", "fqid": "f", "room_id": "r2"}},
            "thread_messages": {"t": [stored_message("m2", other)]},
        },
    )
    with opened(path) as store, open_store("memory://") as copy:
        assert times_of(store, "room") == {
            room_id: {"created_at": NO_TIME, "removed_at": NO_TIME} for room_id in ("r1", "r2", "r3")
        }
        assert store.counts().removed_rooms == 3
        assert [each.value.network_id for each in records(store)[:3]] == ["far", "far", "net"]
        copy.load(records(store))
        assert copy.counts().messages == 2


@pytest.mark.parametrize("time", [None, 5, "yesterday", "2026-01-01 00:00:00Z", {}])
def test_a_room_is_removed_whatever_its_time_says(path: Path, time: object) -> None:
    write(path, {"removed_rooms": {"gone": time}})
    with opened(path) as store:
        assert times_of(store, "room") == {"gone": {"created_at": NO_TIME, "removed_at": NO_TIME}}
        store.create_room(room("other"))
    assert read(path)["removed_rooms"] == {"gone": time}


def test_a_room_that_is_there_is_there(path: Path) -> None:
    write(path, {"rooms": {"general": stored_room()}, "removed_rooms": {"general": TIME}})
    with opened(path) as store:
        assert store.get_room("general") is not None
        store.remove_room("general")
    with opened(path) as store:
        assert store.get_room("general") is None
        assert records(store)[0].times["removed_at"] != TIME


@pytest.mark.parametrize("kept", [5, {}, {"gone": 5}, {"gone": {"id": "other"}}, {"gone": {"created_at": "x"}}])
def test_what_we_noted_of_a_room_may_be_anything(path: Path, kept: Any) -> None:
    content = {"removed_rooms": {"gone": TIME}, "moltnet_ext": {"removed_rooms": kept if kept != 5 else None}}
    write(path, content)
    with opened(path) as store:
        assert times_of(store, "room") == {"gone": {"created_at": NO_TIME, "removed_at": TIME}}


# -- conversations -----------------------------------------------------------------------------------


def test_a_direct_conversation_follows_from_its_messages(path: Path) -> None:
    write(
        path,
        {
            "direct_messages": {
                "d": [
                    stored_message("m2", OF_DM, network_id="far", created_at="2026-01-01T00:00:07Z"),
                    stored_message("m1", OF_DM, created_at="2026-01-01T00:00:06.5Z"),
                ],
                "empty": [],
                "none": None,
            },
            "direct_members": {"d": {"zoe": {}, "ann": None}, "nobody": {"ann": {}}},
        },
    )
    with opened(path) as store:
        assert ids(store.list_dms()) == ["d", "empty", "none"]
        found = store.get_dm("d")
        assert found is not None
        assert (found.network_id, found.fqid, found.message_count) == ("net", "molt://net/dms/d", 2)
        assert found.participant_ids == ("ann", "zoe")
        assert times_of(store, "dm")["d"] == {"last_message_at": "2026-01-01T00:00:07Z"}
        empty = store.get_dm("empty")
        assert empty is not None
        assert (empty.message_count, empty.participant_ids) == (0, ())
        store.append_message(message("m3", dm("d", "ann", "bob"), second=3))
    found_again = read(path)
    assert found_again["direct_members"]["d"] == {"zoe": {}, "ann": None, "bob": {}}
    assert found_again["direct_members"]["nobody"] == {"ann": {}}


def test_participants_follow_too_where_they_are_not_stored(path: Path) -> None:
    sent = {"type": "agent", "id": "scout", "network_id": "far"}
    write(path, {"direct_messages": {"d": [stored_message("m1", OF_DM, **{"from": sent})]}})
    with opened(path) as store:
        assert store.list_dms().items[0].participant_ids == ("ann", "bob", "far:scout")
        store.append_message(message("m2", dm("d", "ann", "bob")))
    assert set(read(path)["direct_members"]["d"]) == {"ann", "bob", "far:scout"}


def test_what_we_noted_of_a_conversation_holds_until_somebody_else_appends(path: Path) -> None:
    line = [stored_message("m1", OF_DM)]
    noted = {"d": {"network_id": "far", "fqid": "molt://far/dms/d", "message_count": 1}}
    content = {"direct_messages": {"d": line}, "moltnet_ext": {"dms": noted}}
    write(path, content)
    with opened(path) as store:
        assert store.list_dms().items[0].network_id == "far"
    line.append(stored_message("m2", OF_DM))
    write(path, content)
    with opened(path) as store:
        assert store.list_dms().items[0].network_id == "net"


def test_a_thread_that_only_its_messages_know(path: Path) -> None:
    line = [stored_message("m1", {**OF_THREAD, "parent_message_id": "p"}), stored_message("m2", OF_THREAD)]
    write(path, {"rooms": {"general": stored_room()}, "thread_messages": {"t": line, "none": []}})
    with opened(path) as store:
        assert ids(store.list_threads("general")) == ["t"]
        store.append_message(message("m3", thread("t"), second=9))
        found = store.get_thread("t")
        assert found is not None
        assert (found.message_count, found.parent_message_id, found.last_message_at) == (3, "p", at(9))
    assert read(path)["threads"]["t"]["message_count"] == 3


def test_counts_are_read_as_stored_and_go_on_from_there(path: Path) -> None:
    stored = {"id": "t", "network_id": "net", "fqid": "f", "room_id": "general", "message_count": 7}
    content = {"rooms": {"general": stored_room()}, "threads": {"t": stored | {"last_message_at": TIME}}}
    write(path, content)
    with opened(path) as store:
        store.append_message(message("m1", thread("t"), second=5))  # half a second before
        store.append_message(message("m2", thread("t"), second=5, created_at=at(5, 500_000)))
        assert store.list_threads("general").items[0].message_count == 9
    assert read(path)["threads"]["t"] == stored | {"message_count": 9, "last_message_at": TIME}


# -- what is missing, and times --------------------------------------------------------------------------


def test_what_is_missing_reads_as_the_server_reads_it(path: Path) -> None:
    write(
        path,
        {
            "rooms": {"general": {"id": "general"}},
            "room_messages": {"general": [{"id": "m1", "target": {"kind": "room", "room_id": "general"}}]},
            "threads": {"t": {"id": "t", "room_id": "general"}},
            "agents": {"ann": {"agent_id": "ann"}},
        },
    )
    with opened(path) as store:
        found, line = store.list_rooms().items[0], store.list_room_messages("general").items[0]
        assert (found.network_id, found.name, found.members, found.visibility) == ("", "", (), "private")
        assert found.created_at.year == line.created_at.year == 1
        assert (line.sender.id, line.parts, line.mentions) == ("", (), ())
        assert store.list_threads("general").items[0].message_count == 0
        assert store.get_agent_by_credential("") is None
        assert store.list_agents().items[0].credential_key == ""


def test_times_of_any_spelling_keep_their_order_and_their_digits(path: Path) -> None:
    texts = {
        "e": "2026-01-01T00:00:05Z",
        "d": "2026-01-01T01:00:05.2+01:00",
        "c": "2026-01-01T00:00:05.4Z",
        "b": "2026-01-01T00:00:05.400000001Z",
        "a": "2026-01-01T00:00:05.400000000Z",
    }
    line = [stored_message(own_id, created_at=text) for own_id, text in texts.items()]
    write(path, {"room_messages": {"general": line}})
    with opened(path) as store:
        assert ids(store.list_room_messages("general")) == ["e", "d", "a", "c", "b"]
        for place, own_id in enumerate(order := ["e", "d", "a", "c", "b"]):
            assert ids(store.list_room_messages("general", PageRequest(after=own_id))) == order[place + 1 :]
        found = times_of(store, "message")
        assert found["b"] == {"created_at": texts["b"]}
        assert found["c"] == {"created_at": texts["c"]}
        assert found["d"] == {"created_at": "2026-01-01T00:00:05.200000000Z"}
        store.create_room(room("other"))
    assert [item["created_at"] for item in read(path)["room_messages"]["general"]] == list(texts.values())


# -- records that cannot be decoded ----------------------------------------------------------------------

DEEP, DIGITS = "<deep>", "<digits>"
UNDECODABLE = {f'"{DEEP}"': "[" * 301 + "]" * 301, f'"{DIGITS}"': "1" * 5000}
"""What stands for these in a file."""


def spelled_out(content: Any) -> bytes:
    text = json.dumps(content)
    for short, whole in UNDECODABLE.items():
        text = text.replace(short, whole)
    return text.encode()


def shortened(path: Path) -> Any:
    text = path.read_text()
    for short, whole in UNDECODABLE.items():
        text = text.replace(whole, short)
    return json.loads(text)


CORRUPT_MESSAGES: dict[str, Any] = {
    "parts": {"parts": "text"},
    "a part": {"parts": [5]},
    "data": {"parts": [{"kind": "data", "data": []}]},
    "depth": {"parts": [{"kind": "data", "data": {"d": DEEP}}]},
    "digits": {"parts": [{"kind": "data", "data": {"d": DIGITS}}]},
    "mentions": {"mentions": [1]},
    "time": {"created_at": "yesterday hunter2"},
    "time's type": {"created_at": 5},
    "zone": {"created_at": "2026-01-01T00:00:05.5+99:00"},
    "sender": {"from": []},
    "sender's id": {"from": {"id": 5}},
    "target": {"target": None},
    "another target": {"target": {"kind": "room", "room_id": "other"}},
    "another kind": {"target": OF_DM},
    "origin": {"origin": "net"},
    "id": {"id": 5},
    "no id": {"id": None},
    "id of another": {"id": "m0"},
}


@pytest.mark.parametrize("name", CORRUPT_MESSAGES)
def test_a_message_that_cannot_be_decoded_keeps_its_place_and_its_text(path: Path, name: str) -> None:
    line = [
        stored_message("m0", created_at="2026-01-01T00:00:04Z"),
        stored_message("bad") | CORRUPT_MESSAGES[name],
        stored_message("m2", created_at="2026-01-01T00:00:06Z"),
    ]
    write(path, spelled_out({"rooms": {"general": stored_room()}, "room_messages": {"general": line}}))
    with opened(path) as store:
        with pytest.raises(CorruptRecordError) as caught:
            store.list_room_messages("general")
        error = caught.value
        assert error.table == "room_messages"
        own_id = error.record_id
        assert own_id == ("room_messages[general][1]" if name in ("id", "no id", "id of another") else "bad")
        assert "hunter2" not in str(error)
        skipped = store.list_room_messages("general", on_corrupt="skip")
        assert (ids(skipped), skipped.skipped) == (["m0", "m2"], 1)
        first = store.list_room_messages("general", PageRequest(after=START, limit=1), on_corrupt="skip")
        walked, cursor = [*ids(first)], first.info.next_after
        while cursor:
            page = store.list_room_messages("general", PageRequest(after=cursor, limit=1), on_corrupt="skip")
            walked, cursor = [*walked, *ids(page)], page.info.next_after
        assert walked == ["m0", "m2"]
        with pytest.raises(CorruptRecordError):
            store.get_message(own_id)
        with pytest.raises(CorruptRecordError):
            records(store)
        with store.snapshot() as snapshot:
            assert [each.id for each in snapshot.records("message", on_corrupt="skip")] == ["m0", "m2"]
        assert store.counts().messages == 3
        if own_id == "bad":
            with pytest.raises(DuplicateMessageError) as taken:
                store.append_message(message("bad"), retry=True)
            assert not taken.value.duplicates[0].identical
        store.append_message(message("m9", second=9))
    assert shortened(path)["room_messages"]["general"][:3] == line


CORRUPT: list[tuple[str, str, Any]] = [
    ("rooms", "r", 5),
    ("rooms", "r", {"id": "other"}),
    ("rooms", "r", stored_room("r", created_at="soon")),
    ("rooms", "r", stored_room("r", members="ann")),
    ("rooms", "r", stored_room("r", x=DEEP)),
    ("threads", "r", {"id": "r", "room_id": "general", "message_count": 1.5}),
    ("threads", "r", {"id": "r", "room_id": "general", "last_message_at": "soon"}),
    ("agents", "r", []),
    ("agents", "r", {"agent_id": "r", "credential_key": 5}),
    ("direct_members", "r", ["ann"]),
]


@pytest.mark.parametrize(("table", "key", "value"), CORRUPT, ids=[f"{item[0]} {n}" for n, item in enumerate(CORRUPT)])
def test_other_records_that_cannot_be_decoded(path: Path, table: str, key: str, value: Any) -> None:
    content: dict[str, Any] = {"rooms": {"general": stored_room()}, "direct_messages": {"r": []}}
    if table != "direct_members":
        del content["direct_messages"]
    content.setdefault(table, {})[key] = value
    write(path, spelled_out(content))
    reads: dict[str, Any] = {
        "rooms": ("list_rooms", "get_room"),
        "threads": ("list_threads", "get_thread"),
        "agents": ("list_agents", "get_agent"),
        "direct_members": ("list_dms", "get_dm"),
    }
    listing, get = reads[table]
    arguments = ("general",) if table == "threads" else ()
    with opened(path) as store:
        for call in (partial(getattr(store, listing), *arguments), partial(getattr(store, get), key)):
            with pytest.raises(CorruptRecordError) as caught:
                call()
            assert (caught.value.table, caught.value.record_id) == (table, key)
        page = getattr(store, listing)(*arguments, on_corrupt="skip")
        assert (ids(page), page.skipped) == (["general"] if table == "rooms" else [], 1)
        store.append_message(message("m1"))
        kind = {"rooms": "room", "threads": "thread", "agents": "agent", "direct_members": "dm"}[table]
        with store.snapshot() as snapshot:
            assert key not in [each.id for each in snapshot.records(kind, on_corrupt="skip")]
    assert shortened(path)[table][key] == value


def test_what_can_be_done_about_a_room_that_cannot_be_decoded(path: Path) -> None:
    write(path, {"rooms": {"r": stored_room("r", created_at="soon")}})
    with opened(path) as store, open_store("memory://") as other:
        store.append_message(message("m1", "r"))
        with pytest.raises(RoomExistsError):
            store.create_room(room("r"))
        with pytest.raises(CorruptRecordError):
            store.update_room_members("r", add=["ann"])
        other.create_room(room("r"))
        with pytest.raises(RecordConflictError):
            store.load(records(other))
        assert ids(store.list_room_messages("r")) == ["m1"]
