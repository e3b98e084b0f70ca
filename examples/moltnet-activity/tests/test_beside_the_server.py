"""Harmless to a database that the Moltnet server works on: its tables stay as they are, and it goes on writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from activity_support import Tally, opened, tally
from tests.existing import postgres_raw, raw
from tests.existing.expected import Json
from tests.existing.postgres_case import POSTGRES, PostgresCase, copies_dropped
from tests.existing.postgres_server import PostgresServer
from tests.existing.server import COLUMNS, Server, insert, message_rows, room_row
from tests.existing.sqlite_case import DATABASES, SQLiteCase, fresh, url_of
from tests.postgres.shared import shared_server

from moltnet_activity import busiest_rooms, reconcile
from moltnet_core import Actor, Message, Part, Target, open_store

TABLES = [*COLUMNS, "schema_migrations"]
ROOM = {"kind": "room", "room_id": "s:room"}
THREAD = {"kind": "thread", "room_id": "s:room", "thread_id": "s-thread"}
DM = {"kind": "dm", "dm_id": "s-dm", "participant_ids": ["alpha", "beta"]}


@dataclass(frozen=True)
class Place:
    """A database, what the server does to it, and looks at it by nothing of the packages.

    :ivar look: every byte of the server's tables, and how they are defined.
    """

    url: str
    serve: Callable[[], AbstractContextManager[Server | PostgresServer]]
    look: Callable[[], Any]
    messages: Callable[[], list[Json]]

    def truth(self) -> Tally:
        """What the tally has to be."""
        messages: Counter[tuple[str, str]] = Counter()
        in_threads: Counter[tuple[str, str]] = Counter()
        for message in self.messages():
            target = message["target"]
            if target["kind"] != "dm":
                cell = target["room_id"], message["created_at"].split("T")[0]
                messages[cell] += 1
                in_threads[cell] += target["kind"] == "thread"
        return {cell: (number, in_threads[cell]) for cell, number in messages.items()}


def look_at_sqlite(path: Path) -> Any:
    rows = {name: found for name, found in raw.dump(path).items() if name in TABLES}
    return rows, {name: found for name, found in raw.schema(path).items() if found[1] in TABLES}


def look_at_postgres(database: str) -> Any:
    rows = {name: found for name, found in postgres_raw.dump(database).items() if name in TABLES}
    catalogue = postgres_raw.catalogue(database).items()
    return rows, {kind: [row for row in found if not row[0].startswith("activity_")] for kind, found in catalogue}


@pytest.fixture(
    params=["sqlite", "postgres", *DATABASES, *POSTGRES],
    ids=lambda found: found if isinstance(found, str) else found.name,
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Every fixture of both engines, and databases that this project makes."""
    found = request.param
    if found == "postgres" or isinstance(found, PostgresCase):
        with copies_dropped():
            own = shared_server().create_database() if isinstance(found, str) else None
            database = own or found.database()
            yield Place(
                shared_server().url(dbname=database),
                partial(PostgresServer, database),
                partial(look_at_postgres, database),
                partial(postgres_raw.messages, database),
            )
            if own:
                shared_server().drop_database(own)
        return
    path = found.database(tmp_path / "own") if isinstance(found, SQLiteCase) else fresh(tmp_path / "own")
    yield Place(url_of(path), partial(Server, path), partial(look_at_sqlite, path), partial(raw.messages, path))


def test_the_server_s_tables_stay_as_they_are(place: Place) -> None:
    open_store(place.url, environ={}).close()  # brings it to the newest version
    before = place.look()
    with opened(place.url) as store:
        assert tally(store) == place.truth()
        assert reconcile(store) == 0
        busiest_rooms(store)
    assert place.look() == before


def test_the_server_writes_on_beside_it(place: Place) -> None:
    open_store(place.url, environ={}).close()
    versions = place.look()[0]["schema_migrations"]
    with place.serve() as server, opened(place.url) as store:
        server.transaction(insert("rooms", room_row("s:room")))
        for number in range(6):
            target = (ROOM, THREAD, DM)[number % 3]
            server.transaction(*message_rows(f"s-{number}", target, f"2027-06-0{number + 1}T23:59:59.999999999Z"))
        ours = Message("harbor", Target.room("s:room"), Actor("agent", "a"), [Part("text", "x")], id="ours")
        store.append_message(ours)
        assert tally(store)["s:room", ours.created_at.date().isoformat()] == (1, 0)
        assert tally(store) != place.truth()
        assert reconcile(store) == 4
        assert tally(store) == place.truth()
        server.transaction(*message_rows("s-late", ROOM, "2020-01-01T00:00:00Z"))
        # A taken id is the only unique violation, and a room that is deleted takes its messages along.
        with pytest.raises(Exception, match=server.taken("messages", "id")):
            server.transaction(*message_rows("ours", ROOM, "2027-06-01T00:00:00Z"))
        assert server.problems() == []
    assert place.look()[0]["schema_migrations"] == versions
    with opened(place.url) as store:
        assert tally(store) == place.truth()
    with place.serve() as server:
        server.run("DELETE FROM rooms WHERE id = 's:room'")
        assert server.problems() == []
    with opened(place.url) as store:
        assert tally(store) == place.truth()
