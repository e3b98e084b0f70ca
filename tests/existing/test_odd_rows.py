"""Rows that are odd and whole: what another program may have written reads as the contract says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import Message, PageRequest, Room, Store, open_store, to_json

from .server import Server, agent_row, insert, message_rows, room_row
from .sqlite_case import fresh, url_of
from .walking import backwards, forwards, page_problems

ROOM = {"kind": "room", "room_id": "r"}
NOON = "2027-06-01T12:00:00Z"


@pytest.fixture
def rooms(server: Server) -> Server:
    """The server, with the rooms ``r`` and ``other``."""
    server.transaction(insert("rooms", room_row("r")), insert("rooms", room_row("other")))
    return server


def _read(path: Path, own_id: str = "m") -> Message:
    with open_store(url_of(path)) as store:
        found = store.get_message(own_id)
        assert found is not None
        assert [item for item in store.list_room_messages("r").items if item.id == own_id] == [found]
        return found


SPELLINGS = [
    ("z-first", "0001-01-01T00:00:00Z"),
    ("y-first", "0001-01-01T00:00:00.000000001Z"),
    *((f"a-{number}", f"2027-06-01T12:00:10{zeros}Z") for number, zeros in enumerate(("", ".0", ".000", ".000000000"))),
    *((f"b-{number}", f"2027-06-01T12:00:10.12{zeros}Z") for number, zeros in enumerate(("0000000", "", "0000"))),
    ("a-9", "2027-06-01T12:00:10.120000001Z"),
    *((f"c-{number}", f"2027-06-01T12:00:20{zeros}Z") for number, zeros in enumerate((".0", ""))),
    ("last", "9999-12-31T23:59:59.999999999Z"),
]


@pytest.mark.parametrize("order", [1, -1])
def test_equal_instants_in_different_spellings_are_equal(rooms: Server, new_database: Path, order: int) -> None:
    for own_id, time in SPELLINGS[::order]:
        rooms.transaction(*message_rows(own_id, ROOM, time))
    ids = [own_id for own_id, _ in SPELLINGS]
    with open_store(url_of(new_database)) as store:
        fetch = partial(store.list_room_messages, "r")
        for size in (1, 2, 3, 100):
            for forward in (True, False):
                pages = (forwards if forward else backwards)(fetch, size)
                assert [item.id for page in pages for item in page.items] == ids
                assert page_problems(pages, ids, size, forward=forward) == []
        for place, cursor in enumerate(ids):
            assert [item.id for item in fetch(PageRequest(after=cursor)).items] == ids[place + 1 :]
            assert [item.id for item in fetch(PageRequest(before=cursor)).items] == ids[:place]
        artifacts = [item.message_id for item in store.list_artifacts().items]
        assert artifacts == ids
        with store.snapshot() as snapshot:
            records = list(snapshot.records("message"))
    assert [(record.id, record.times["created_at"]) for record in records] == SPELLINGS


def test_rows_are_listed_by_their_kind_whatever_other_ids_they_carry(rooms: Server, new_database: Path) -> None:
    rooms.transaction(*message_rows("in-thread", {"kind": "thread", "room_id": "r", "thread_id": "t"}, NOON))
    rooms.transaction(*message_rows("in-dm", {"kind": "dm", "dm_id": "d", "participant_ids": ["a", "b"]}, NOON))
    rooms.transaction(*message_rows("mixed", {**ROOM, "thread_id": "t", "dm_id": "d"}, NOON))
    dm = {"kind": "dm", "dm_id": "d", "participant_ids": ["a", "b"], "room_id": "r", "thread_id": "t"}
    rooms.transaction(*message_rows("mixed-dm", dm, NOON))
    with open_store(url_of(new_database)) as store:
        assert [item.id for item in store.list_room_messages("r").items] == ["mixed"]
        assert [item.id for item in store.list_thread_messages("t").items] == ["in-thread"]
        assert [item.id for item in store.list_dm_messages("d").items] == ["in-dm", "mixed-dm"]
        assert store.list_room_messages("r").items[0].target.thread_id == "t"


@pytest.mark.parametrize("value", ["", "secret", "PUBLIC", "0", "membres"])
def test_unknown_access_settings_read_as_the_defaults(rooms: Server, new_database: Path, value: str) -> None:
    rooms.run("UPDATE rooms SET visibility = ?, write_policy = ? WHERE id = 'r'", value, value)
    with open_store(url_of(new_database)) as store:
        room = store.get_room("r")
        assert room is not None
        assert (room.visibility, room.write_policy) == ("private", "members")
        assert room in store.list_rooms().items
        store.reconcile_room(Room("r", "harbor", visibility="public", write_policy="operators"))
    assert rooms.run("SELECT visibility, write_policy FROM rooms WHERE id = 'r'") == [["public", "operators"]]


@pytest.mark.parametrize("absent", ["", None])
def test_absent_texts_are_null_or_empty(rooms: Server, new_database: Path, absent: str | None) -> None:
    rooms.transaction(*message_rows("m", ROOM, NOON), insert("agents", agent_row("a") | {"display_name": absent}))
    rooms.run("UPDATE artifacts SET media_type = ?, filename = ?, url = ?", absent, absent, absent)
    with open_store(url_of(new_database)) as store:
        (artifact,), (agent,) = store.list_artifacts().items, store.list_agents().items
        assert (artifact.media_type, artifact.filename, artifact.url, agent.display_name) == (None, None, None, None)


@pytest.mark.parametrize(("mentions", "read"), [("null", ()), ("[]", ()), ('["x", ""]', ("x", ""))])
def test_mentions(rooms: Server, new_database: Path, mentions: str, read: tuple[str, ...]) -> None:
    rooms.transaction(*message_rows("m", ROOM, NOON, mentions_json=mentions))
    assert _read(new_database).mentions == read


@pytest.mark.parametrize("origin", ["{}", "null", '{"network_id": null}'])
def test_an_origin_that_is_not_said_is_two_empty_texts(rooms: Server, new_database: Path, origin: str) -> None:
    rooms.transaction(*message_rows("m", ROOM, NOON, origin_json=origin))
    assert to_json(_read(new_database))["origin"] == {"network_id": "", "message_id": ""}


def test_json_in_any_spelling_and_with_unknown_keys(rooms: Server, new_database: Path) -> None:
    parts = ' [ {"\\u006bind" : "text", "text": "\\u003cb\\u003e\\u2028 \\ud83d\\ude00", "later": [1], "url": null} ] '
    sender = '{"type":"agent","id":"alpha","name":"","role":"new"}'
    rooms.transaction(*message_rows("m", ROOM, NOON, parts_json=parts, from_json=sender))
    read = to_json(_read(new_database))
    assert read["parts"] == [{"kind": "text", "text": "<b>\u2028 \U0001f600"}]
    assert read["from"] == {"type": "agent", "id": "alpha"}


DATA = '{"z": 1, "a": 123456789012345678901234567890, "f": 1.0, "g": 5e-324, "h": -0.0, "b": [true, null, {"": ""}]}'


def test_numbers_and_the_order_of_keys(rooms: Server, new_database: Path) -> None:
    rooms.transaction(*message_rows("m", ROOM, NOON, parts_json=f'[{{"kind":"data","data":{DATA}}}]'))
    data = _read(new_database).parts[0].data
    assert json.dumps(data) == DATA


def _copied(path: Path, folder: Path, target: str) -> tuple[Message | None, Message | None]:
    """A message, and what it is after a snapshot was loaded into another store."""
    url = "memory://" if target == "memory" else url_of(fresh(folder / "copy"))
    with open_store(url_of(path)) as store, store.snapshot() as snapshot, open_store(url) as copy:
        copy.load(snapshot.records())
        return store.get_message("m"), copy.get_message("m")


@pytest.mark.parametrize("target", ["memory", "sqlite"])
def test_a_zero_character_in_stored_json_is_read_and_carried_over(
    rooms: Server, new_database: Path, tmp_path: Path, target: str
) -> None:
    parts = '[{"kind":"text","text":"a\\u0000b"},{"kind":"data","data":{"\\u0000k":"\\u0000"}}]'
    rooms.transaction(*message_rows("m", ROOM, NOON, parts_json=parts))
    read = _read(new_database)
    assert read.parts[0].text == "a\0b"
    assert read.parts[1].data == {"\0k": "\0"}
    one, other = _copied(new_database, tmp_path, target)
    assert one == other == read


def _usable(store: Store, own_id: str) -> bool:
    """Whether a message comes in pages and can be shown; only if it does not, it is a corrupt record."""
    page = store.list_room_messages("r", on_corrupt="skip")
    found = [to_json(item) for item in page.items if item.id == own_id]
    assert len(found) + page.skipped == 1
    return bool(found and json.dumps(found[0]))


@pytest.mark.parametrize("depth", [90, 300, 600, 900, 5_000])
def test_deep_nesting_is_readable_or_corrupt_and_nothing_between(rooms: Server, new_database: Path, depth: int) -> None:
    nested = f"{'[' * depth}{']' * depth}"
    rooms.transaction(*message_rows("m", ROOM, NOON, parts_json=f'[{{"kind":"data","data":{{"n":{nested}}}}}]'))
    with open_store(url_of(new_database)) as store:
        assert _usable(store, "m") or depth > 100


@pytest.mark.parametrize(
    ("time", "read"),
    [
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2027-06-01T12:00:00.1234567Z", datetime(2027, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2027-06-01T12:00:00.000000999Z", datetime(2027, 6, 1, 12, 0, 0, 0, tzinfo=UTC)),
        ("2027-06-01T12:00:00+02:00", datetime(2027, 6, 1, 10, 0, 0, 0, tzinfo=UTC)),
    ],
)
def test_times_are_cut_to_the_microsecond(rooms: Server, new_database: Path, time: str, read: Any) -> None:
    rooms.transaction(*message_rows("m", ROOM, time))
    assert _read(new_database).created_at == read
    with open_store(url_of(new_database)) as store, store.snapshot() as snapshot:
        (record,) = snapshot.scan("message")
    assert record.times["created_at"] == time
