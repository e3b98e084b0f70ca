"""The Go server goes on writing to a database that this project upgraded, also beside an open store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.postgres.shared import shared_server

from moltnet_core import (
    AgentCredentialError,
    AgentRegistration,
    DuplicateMessageError,
    Store,
    ThreadRoomMismatchError,
    open_store,
)
from moltnet_core.types import Target

from .case import Case
from .expected import order_key, rounded
from .postgres_case import POSTGRES, PostgresCase
from .postgres_case import new_database as new_postgres
from .postgres_server import PostgresServer
from .server import COLUMNS, Row, Server, ServerError, Statement, agent_row, insert, message_rows, room_row
from .sqlite_case import DATABASES, fresh, url_of
from .walking import backwards, forwards, page_problems
from .writing import AT, message

ROOM = {"kind": "room", "room_id": "s:room"}
THREAD = {"kind": "thread", "room_id": "s:room", "thread_id": "s-thread", "parent_message_id": "s-3"}
DM = {"kind": "dm", "dm_id": "s-dm", "participant_ids": ["alpha", "far:scout"]}

# As the server trims them, and ours between: by instant, then by id. PostgreSQL rounds them.
TIMES = [
    ("s-3", "2027-06-01T12:00:00Z"),
    ("s-2", "2027-06-01T12:00:00.49Z"),
    ("s-4", "2027-06-01T12:00:00.499999999Z"),
    ("o-1", None),  # AT
    ("s-1", "2027-06-01T12:00:00.5Z"),
    ("s-5", "2027-06-01T12:00:00.500000001Z"),
    ("s-0", "2027-06-01T12:00:00.51Z"),
    ("s-6", "2027-06-01T12:00:10Z"),
    ("s-7", "2027-06-01T12:00:10.1Z"),
]
AT_TEXT = "2027-06-01T12:00:00.500000000Z"


def _walked(store: Store, room_id: str, ids: list[str]) -> None:
    fetch = partial(store.list_room_messages, room_id)
    for size in (1, 2, 7, 100):
        for forward in (True, False):
            pages = (forwards if forward else backwards)(fetch, size)
            assert [item.id for page in pages for item in page.items] == ids
            assert page_problems(pages, ids, size, forward=forward) == []


def _set_up() -> list[Statement]:
    members = [{"room_id": "s:room", "member_id": member} for member in ("beta", "alpha", "far:scout")]
    return [
        insert("rooms", room_row("s:room")),
        *(insert("room_members", member, upsert=True) for member in [*members, *members]),
        insert("agents", agent_row("s-agent", "token:s")),
    ]


Serving = Callable[[], Server | PostgresServer]
STORES: list[Case | str] = ["sqlite", "postgres", *DATABASES, *POSTGRES]


@pytest.fixture(params=STORES, ids=lambda found: found if isinstance(found, str) else found.name)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Serving]:
    """Every fixture of both engines, and a database that this project makes; what opens it, and what serves it."""
    found = request.param
    if found == "postgres" or isinstance(found, PostgresCase):
        database = new_postgres() if isinstance(found, str) else found.database()
        return shared_server().url(dbname=database), partial(PostgresServer, database)
    path = fresh(tmp_path / "own") if isinstance(found, str) else found.database(tmp_path / "own")
    return url_of(path), partial(Server, path)


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_writes_beside_an_open_store(place: tuple[str, Serving]) -> None:
    url, serve = place
    open_store(url).close()  # it is upgraded
    with serve() as server, open_store(url) as store:
        keep = rounded if store.backend.time_digits < 9 else str
        ids = sorted(dict(TIMES), key=lambda own_id: (order_key(keep(dict(TIMES)[own_id] or AT_TEXT)), own_id))
        assert (ids == [own_id for own_id, _ in TIMES]) == (keep is str)
        before = store.counts()
        server.transaction(*_set_up())
        for own_id, time in reversed(TIMES):
            if time is None:
                store.append_message(message(own_id, Target.room("s:room")))
            else:
                server.transaction(*message_rows(own_id, ROOM, time))
        _walked(store, "s:room", ids)
        conversations: list[Row] = [THREAD, DM, THREAD, DM]
        for number, target in enumerate(conversations):
            server.transaction(*message_rows(f"c-{number}", target, f"2027-06-01T12:00:0{number}.25Z"))
        _check(store)
        after = store.counts()
        assert after.messages - before.messages == len(TIMES) + 4
        assert (after.rooms - before.rooms, after.agents - before.agents) == (1, 1)
        assert (after.threads - before.threads, after.dms - before.dms) == (1, 1)
    with serve() as server:
        server.transaction(*message_rows("s-8", ROOM, "2027-06-01T12:00:11Z"))
        assert server.problems() == []
    with open_store(url, migrate=False) as store:
        _walked(store, "s:room", [*ids, "s-8"])


def _check(store: Store) -> None:
    room, thread, dm = store.get_room("s:room"), store.get_thread("s-thread"), store.get_dm("s-dm")
    assert room is not None
    assert thread is not None
    assert dm is not None
    assert room.members == ("alpha", "beta", "far:scout")
    assert (thread.message_count, thread.parent_message_id) == (2, "s-3")
    assert thread.last_message_at == datetime(2027, 6, 1, 12, 0, 2, 250000, tzinfo=UTC)
    assert (dm.message_count, dm.participant_ids) == (2, ("alpha", "far:scout"))
    assert [item.id for item in store.list_thread_messages("s-thread").items] == ["c-0", "c-2"]
    assert [item.id for item in store.list_dm_messages("s-dm").items] == ["c-1", "c-3"]
    read = store.get_message("s-5")
    assert read is not None
    assert read.parts[0].url == "https://example.org/?a=1&b=<2>"
    assert read.mentions == ()
    agent = store.get_agent("s-agent")
    assert agent is not None
    assert agent.display_name is None
    assert store.get_agent_by_credential("token:s") == agent


def test_both_count_in_one_thread_and_one_dm(url: str, server: Server) -> None:
    server.transaction(*_set_up())
    thread, dm = Target.thread("s:room", "s-thread", "s-3"), Target.dm("s-dm", ["alpha", "gamma"])
    with open_store(url) as store:
        for number in range(5):
            server.transaction(*message_rows(f"st-{number}", THREAD, f"2027-06-01T12:00:0{number}Z"))
            server.transaction(*message_rows(f"sd-{number}", DM, f"2027-06-01T12:00:0{number}Z"))
            store.append_messages([message(f"ot-{number}", thread, number), message(f"od-{number}", dm, number)])
        counted = store.get_thread("s-thread"), store.get_dm("s-dm")
        wanted = [f"{who}-{number}" for number in range(5) for who in ("sX", "oX")]
        listed = store.list_thread_messages("s-thread").items, store.list_dm_messages("s-dm").items
        for found, items, letter in zip(counted, listed, "td", strict=True):
            assert found is not None
            assert found.message_count == 10
            assert found.last_message_at == AT + timedelta(seconds=4)
            assert [item.id for item in items] == [each.replace("X", letter) for each in wanted]
        with pytest.raises(DuplicateMessageError):
            store.append_message(message("st-1", thread))
        server.transaction(insert("rooms", room_row("elsewhere")))
        with pytest.raises(ThreadRoomMismatchError):
            store.append_message(message("new", Target.thread("elsewhere", "s-thread")))
        stolen = AgentRegistration("s-agent", "harbor", "token:other")
        with pytest.raises(AgentCredentialError):
            store.register_agent(stolen)


FILLED: list[tuple[str, Row]] = [
    ("rooms", room_row("s:room")),
    ("room_members", {"room_id": "s:room", "member_id": "alpha"}),
    ("agents", agent_row("s-agent")),
    ("threads", {"id": "s-thread"}),
    ("dm_conversations", {"dm_id": "s-dm"}),
    ("dm_participants", {"dm_id": "s-dm", "participant_id": "alpha"}),
    ("messages", {"id": "m-room"}),
    ("artifacts", {"id": "art_m-room_0"}),
]
KEYS = {table: [COLUMNS[table][0]] for table in COLUMNS} | {
    "room_members": ["room_id", "member_id"],
    "dm_participants": ["dm_id", "participant_id"],
}


@pytest.fixture
def filled(server: Server) -> Server:
    """The server, with one of everything written."""
    server.transaction(*_set_up())
    for kind, target in (("room", ROOM), ("thread", THREAD), ("dm", DM)):
        server.transaction(*message_rows(f"m-{kind}", target, "2027-06-01T12:00:00Z"))
    return server


@pytest.mark.parametrize("table", COLUMNS)
def test_a_taken_key_is_a_unique_violation_and_nothing_else_is(filled: Server, table: str) -> None:
    columns, keys = COLUMNS[table], KEYS[table]
    first = next(row for name, row in FILLED if name == table)
    where = " AND ".join(f"{key} = ?" for key in keys)
    stored = filled.run(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", *(first[key] for key in keys))[0]
    row = dict(zip(columns, stored, strict=True))
    with pytest.raises(ServerError, match=f"^{filled.taken(table, *keys)}$"):
        filled.transaction(insert(table, row))
    # The same row under another key is taken: no other column or set of columns is unique.
    other = row | {keys[-1]: "another"}
    filled.transaction(insert(table, other))
    count = filled.run(f"SELECT count(*) FROM {table} WHERE {keys[-1]} IN (?, ?)", row[keys[-1]], "another")
    assert count[0][0] >= 2


def test_a_failed_insert_leaves_nothing_of_its_transaction(filled: Server, url: str) -> None:
    with pytest.raises(ServerError, match=filled.taken("messages", "id")):
        filled.transaction(*message_rows("m-thread", THREAD, "2027-06-01T13:00:00Z"))
    with open_store(url) as store:
        thread = store.get_thread("s-thread")
        assert thread is not None
        assert thread.message_count == 1


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("DELETE FROM messages WHERE id = 'm-room'", {"messages": 2, "artifacts": 2}),
        ("DELETE FROM threads", {"threads": 0, "messages": 2, "artifacts": 2}),
        ("DELETE FROM dm_conversations", {"dm_conversations": 0, "dm_participants": 0, "messages": 2, "artifacts": 2}),
        (
            "DELETE FROM rooms",
            {"rooms": 0, "room_members": 0, "threads": 0, "messages": 1, "artifacts": 1},
        ),
        ("DELETE FROM agents", {"agents": 0}),
    ],
)
def test_deletes_cascade(filled: Server, url: str, sql: str, left: dict[str, int]) -> None:
    whole = {"rooms": 1, "room_members": 3, "threads": 1, "dm_conversations": 1, "dm_participants": 2}
    whole |= {"messages": 3, "artifacts": 3, "agents": 1}
    assert {table: filled.run(f"SELECT count(*) FROM {table}")[0][0] for table in COLUMNS} == whole
    with open_store(url) as store:
        filled.run(sql)
        counts = whole | left
        assert {table: filled.run(f"SELECT count(*) FROM {table}")[0][0] for table in COLUMNS} == counts
        assert store.counts().messages == counts["messages"]
        assert len(store.list_artifacts().items) == counts["artifacts"]
    assert filled.problems() == []


def test_columns_of_later_versions_have_defaults(server: Server, url: str) -> None:
    columns = ("id", "network_id", "fqid", "name", "created_at")
    row = room_row("old")
    server.run(f"INSERT INTO rooms ({', '.join(columns)}) VALUES (?, ?, ?, ?, ?)", *(row[name] for name in columns))
    statement, values = message_rows("m", {"kind": "room", "room_id": "old"}, "2027-06-01T12:00:00Z")[0]
    server.run(statement.replace(", origin_json", "").replace(", ?)", ")"), *values[:-1])
    with open_store(url) as store:
        room, (read,) = store.get_room("old"), store.list_room_messages("old").items
        assert room is not None
        assert (room.visibility, room.write_policy) == ("private", "members")
        assert read.origin is not None
        assert (read.origin.network_id, read.origin.message_id) == ("", "")


def test_an_upsert_of_the_server_keeps_a_removed_room_removed(server: Server, url: str) -> None:
    server.transaction(*_set_up())
    with open_store(url) as store:
        store.remove_room("s:room")
        with pytest.raises(ServerError, match=server.taken("rooms", "id")):
            server.transaction(insert("rooms", room_row("s:room")))
        server.transaction(*message_rows("after", ROOM, "2027-06-01T12:00:00Z"))
        assert store.get_room("s:room") is None
        assert [item.id for item in store.list_room_messages("s:room").items] == ["after"]
