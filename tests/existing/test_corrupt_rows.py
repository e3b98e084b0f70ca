"""Rows of the other tables that cannot be decoded, and ids that are no text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from moltnet_core import CorruptRecordError, MoltnetError, Page, PageRequest, Store

from .corrupting import HIDDEN, IDS, SECRET, Value, blob, check_raises, overwrite
from .server import Server, agent_row, insert, message_rows, room_row
from .walking import backwards, forwards, page_problems

List = Callable[[Store], Callable[..., Page[Any]]]
OTHERS: list[tuple[str, str, str, Value]] = [
    ("rooms", "id", "created_at", "yesterday"),
    ("rooms", "id", "name", blob(SECRET)),
    ("rooms", "id", "network_id", {"utf8": f"ff{SECRET.encode().hex()}"}),
    ("threads", "id", "last_message_at", ""),
    ("threads", "id", "message_count", SECRET),
    ("dm_conversations", "dm_id", "last_message_at", "2027-06-01"),
    ("dm_conversations", "dm_id", "message_count", blob(SECRET)),
    ("agents", "agent_id", "updated_at", SECRET),
    ("agents", "agent_id", "credential_key", {"utf8": f"ff{SECRET.encode().hex()}"}),
    ("agents", "agent_id", "display_name", blob(SECRET)),
    ("artifacts", "id", "target_json", f"[{HIDDEN}]"),
    ("artifacts", "id", "part_index", SECRET),
    ("artifacts", "id", "media_type", blob(SECRET)),
]
IN_POSTGRESQL: list[tuple[str, str, str, Value]] = [
    ("rooms", "id", "created_at", "infinity"),
    ("threads", "id", "last_message_at", "-infinity"),
    ("dm_conversations", "dm_id", "last_message_at", "infinity"),
    ("agents", "agent_id", "updated_at", "11000-01-01T00:00:00Z"),
    ("artifacts", "id", "target_json", f"[{HIDDEN}]"),
]
LISTS: dict[str, List] = {
    "rooms": lambda store: store.list_rooms,
    "threads": lambda store: partial(store.list_threads, "x1"),
    "dm_conversations": lambda store: store.list_dms,
    "agents": lambda store: store.list_agents,
    "artifacts": lambda store: partial(store.list_artifacts, None),
}
GETS: dict[str, Callable[[Store], Callable[[str], Any]]] = {
    "rooms": lambda store: store.get_room,
    "threads": lambda store: store.get_thread,
    "dm_conversations": lambda store: store.get_dm,
    "agents": lambda store: store.get_agent,
}
KINDS = {"rooms": "room", "threads": "thread", "dm_conversations": "dm", "agents": "agent"}


def _fill(server: Server, table: str) -> list[str]:
    """Five of a table; returns their ids in order."""
    server.transaction(insert("rooms", room_row("x1")))
    names = [f"x{number}" for number in range(1, 6)]
    for number, name in enumerate(names):
        time = f"2027-06-01T12:00:0{number}Z"
        match table:
            case "rooms" if number:
                server.transaction(insert("rooms", room_row(name)))
            case "agents":
                server.transaction(insert("agents", agent_row(name)))
            case "threads" | "dm_conversations":
                thread = {"kind": "thread", "room_id": "x1", "thread_id": name}
                dm = {"kind": "dm", "dm_id": name, "participant_ids": ["a", "b"]}
                server.transaction(*message_rows(f"m-{name}", thread if table == "threads" else dm, time))
            case "artifacts":
                server.transaction(*message_rows(name, {"kind": "room", "room_id": "x1"}, time))
    return [f"art_{name}_0" for name in names] if table == "artifacts" else names


@pytest.mark.parametrize(
    ("backend", "table", "key", "column", "value"),
    [("sqlite", *row) for row in OTHERS] + [("postgres", *row) for row in IN_POSTGRESQL],
)
def test_other_tables(server: Server, store: Store, table: str, key: str, column: str, value: Value) -> None:
    ids = _fill(server, table)
    others = [own_id for own_id in ids if own_id != ids[2]]
    overwrite(server, table, key, ids[2], column, value)
    fetch = LISTS[table](store)

    def id_of(item: Any) -> str:
        found: str = item.agent_id if table == "agents" else item.id
        return found

    check_raises(fetch, table, ids[2])
    for size in (1, 2, 100):
        for forward in (True, False):
            pages = (forwards if forward else backwards)(partial(fetch, on_corrupt="skip"), size)
            assert [id_of(item) for page in pages for item in page.items] == others
            assert page_problems(pages, ids, size, forward=forward) == []
    assert [id_of(item) for item in fetch(PageRequest(after=ids[2])).items] == ids[3:]
    assert [id_of(item) for item in fetch(PageRequest(before=ids[2])).items] == ids[:2]
    if table in GETS:
        check_raises(lambda: GETS[table](store)(ids[2]), table, ids[2])
        with store.snapshot() as snapshot:
            check_raises(lambda: snapshot.scan(KINDS[table]), table, ids[2])
            assert [record.id for record in snapshot.records(KINDS[table], on_corrupt="skip")] == others


NOT_TEXT = [("a BLOB", "x'7a'"), ("bytes", "CAST(x'7aff' AS TEXT)")]
ROWS = {
    "rooms": "INSERT INTO rooms VALUES ({id}, 'n', 'f', 'name', '2027-06-01T12:00:00Z', NULL, 'private', 'members')",
    "dm_conversations": "INSERT INTO dm_conversations VALUES ({id}, 'n', 'f', 1, '2027-06-01T12:00:00Z')",
    "agents": "INSERT INTO agents VALUES ({id}, 'n', 'u', 'f', '', 'k', '2027-06-01T12:00:00Z', '')",
}


@pytest.mark.parametrize("text", [text for _, text in NOT_TEXT], ids=[name for name, _ in NOT_TEXT])
@pytest.mark.parametrize("table", ROWS)
def test_an_id_that_is_no_text_is_corrupt_by_itself(server: Server, store: Store, table: str, text: str) -> None:
    ids = _fill(server, table)
    server.run(ROWS[table].format(id=text))
    with pytest.raises(CorruptRecordError):
        LISTS[table](store)()
    page = LISTS[table](store)(on_corrupt="skip")
    assert (len(page.items), page.skipped) == (len(ids), 1)
    with store.snapshot() as snapshot:
        assert [record.id for record in snapshot.records(KINDS[table], on_corrupt="skip")] == ids


@pytest.mark.parametrize("text", [text for _, text in NOT_TEXT], ids=[name for name, _ in NOT_TEXT])
def test_a_message_id_that_is_no_text_is_corrupt_by_itself(filled: Server, store: Store, text: str) -> None:
    columns = (
        "network_id, target_kind, room_id, target_json, from_json, parts_json, mentions_json, created_at, origin_json"
    )
    filled.run(f"INSERT INTO messages (id, {columns}) SELECT {text}, {columns} FROM messages WHERE id = 'm4'")
    with pytest.raises(CorruptRecordError):
        store.list_room_messages("r")
    page = store.list_room_messages("r", on_corrupt="skip")
    assert ([item.id for item in page.items], page.skipped) == (IDS, 1)
    with store.snapshot() as snapshot:
        assert [record.id for record in snapshot.records("message", on_corrupt="skip")] == IDS


@pytest.mark.parametrize("text", [text for _, text in NOT_TEXT], ids=[name for name, _ in NOT_TEXT])
@pytest.mark.parametrize("others", [0, 2])
def test_a_member_that_is_no_text_makes_its_room_corrupt(filled: Server, store: Store, text: str, others: int) -> None:
    filled.transaction(insert("rooms", room_row("whole")))
    for number in range(others):
        filled.run("INSERT INTO room_members VALUES ('whole', ?), ('r', ?)", f"a{number}", f"a{number}")
    filled.run(f"INSERT INTO room_members VALUES ('r', {text})")
    check_raises(store.list_rooms, "rooms", "r")
    page = store.list_rooms(on_corrupt="skip")
    assert ([room.id for room in page.items], page.skipped) == (["whole"], 1)
    with pytest.raises(MoltnetError):
        store.list_members()
    members = store.list_members(on_corrupt="skip")
    assert ([member.id for member in members.items], members.skipped) == ([f"a{n}" for n in range(others)], 1)
    assert len(store.list_room_messages("r").items) == len(IDS)
