"""The feed of a file: row ids that change under it, what another program writes, and what it leaves others."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, listen, open_descriptors, tell
from tests.existing.server import Server, message_rows
from tests.moltnet_sqlite.support import (
    a_message,
    a_room,
    dm_message,
    make_store,
    make_version,
    query,
    raw_connection,
    thread_message,
    url_of,
)

from moltnet_core import (
    START,
    CorruptRecordError,
    InvalidCursorError,
    RecordKind,
    Watch,
    open_store,
    repair_store,
)
from moltnet_sql import transaction
from moltnet_sqlite.engine import sqlite3

Start = Callable[..., Child]

HALL = {"kind": "room", "room_id": "hall"}


def ids(watch: Watch) -> list[str]:
    return [message.id for message in watch]


def delete(path: Path, *own_ids: str) -> None:
    with raw_connection(path) as connection:
        connection.executemany("DELETE FROM messages WHERE id = ?", [(own_id,) for own_id in own_ids])


# -- row ids -----------------------------------------------------------------------------------------


def renumber(path: Path) -> None:
    """What VACUUM may do, and does in some versions of the engine: other row ids, in the same order."""
    query(path, "VACUUM")
    with raw_connection(path) as connection:
        rows = connection.execute("SELECT rowid FROM messages ORDER BY rowid").fetchall()
        connection.execute("BEGIN")
        for number, (row,) in enumerate(rows, 1):
            connection.execute("UPDATE messages SET rowid = ? WHERE rowid = ?", (number, row))
        connection.execute("COMMIT")


def test_row_ids_change(path: Path) -> None:
    make_store(path, 300)
    with open_store(url_of(path)) as store:
        watches = [store.watch(after=f"m{number}", timeout=0, page_size=7) for number in (10, 150, 299)]
        held = [next(watch).id for watch in watches[:2]]
        assert held == ["m11", "m151"]
        delete(path, *(f"m{number}" for number in range(0, 300, 3)))
        before = query(path, "SELECT rowid FROM messages WHERE id = 'm298'")
        renumber(path)
        assert query(path, "SELECT rowid FROM messages WHERE id = 'm298'") != before
        store.append_messages([a_message("n1"), a_message("n0")])
        kept = [f"m{number}" for number in range(300) if number % 3]
        for watch, last in zip(watches, (11, 151, 299), strict=True):
            # What a watch had read before a message was taken out it still gives.
            found = ids(watch)
            assert found[-2:] == ["n1", "n0"]
            assert [each for each in found[:-2] if each in kept] == [each for each in kept if int(each[1:]) > last]
            assert len(set(found)) == len(found)
        assert ids(store.watch(after="m151", timeout=0)) == [each for each in kept if int(each[1:]) > 151] + [
            "n1",
            "n0",
        ]


@pytest.mark.parametrize("taken_out", [1, 99])
@pytest.mark.parametrize("renumbered", [False, True])
@pytest.mark.parametrize("one_room", [False, True])
def test_the_last_row_ids_are_used_again(path: Path, taken_out: int, renumbered: bool, one_room: bool) -> None:
    make_store(path, 200)
    with open_store(url_of(path)) as store:
        store.create_room(a_room("other"))
        watch = store.watch(timeout=0, room_id="hall" if one_room else None)
        store.append_message(a_message("last"))
        assert ids(watch) == ["last"]
        delete(path, "last", *(f"m{number}" for number in range(201 - taken_out, 200)))
        if renumbered:
            delete(path, *(f"m{number}" for number in range(50)))
            renumber(path)
        for number in range(taken_out + 1):
            store.append_message(a_message(f"n{number}"))
        assert ids(watch) == [f"n{number}" for number in range(taken_out + 1)]
        assert ids(watch) == []
        delete(path, f"n{taken_out}")
        assert ids(watch) == []
        store.append_message(a_message("new"))
        assert ids(watch) == ["new"]


def test_what_is_put_back_at_the_end_is_not_new(path: Path) -> None:
    make_store(path, 5)
    with open_store(url_of(path)) as store:
        watch = store.watch(timeout=0)
        row = query(path, "SELECT * FROM messages WHERE id = 'm3'")[0]
        delete(path, "m3", "m4")
        store.append_message(a_message("n1"))
        query(path, f"INSERT INTO messages VALUES ({', '.join('?' * len(row))})", row)
        store.append_message(a_message("n2"))
        assert ids(watch) == ["n1", "n2"]


def test_where_all_that_it_knows_is_taken_out_it_says_so(path: Path) -> None:
    make_store(path, 150)
    with open_store(url_of(path)) as store:
        watch = store.watch(timeout=0)
        query(path, "DELETE FROM messages")
        with pytest.raises(InvalidCursorError, match="taken out"):
            next(watch)
        with pytest.raises(InvalidCursorError, match="taken out"):
            store.watch(after="m149")


def test_an_empty_store_has_a_place_too(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        watch = store.watch(timeout=0)
        tokens = [watch.token]
        assert ids(watch) == []
        store.append_message(a_message("m1"))
        assert ids(watch) == ["m1"]
        assert [*tokens, watch.token] == [START, "m1"]


# -- what others write -------------------------------------------------------------------------------


def test_what_the_server_writes_comes_in_the_order_of_its_commits(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store, Server(path) as server, store.watch(timeout=60) as watch:
        server.transaction(*message_rows("s1", HALL, "2027-06-01T12:00:00.5Z"))
        assert next(watch).id == "s1"
        server.transaction(*message_rows("s2", HALL, "2027-06-01T12:00:00Z"))
        store.append_message(a_message("o1"))
        dm = {"kind": "dm", "dm_id": "pair", "participant_ids": ["alice", "bob"]}
        server.transaction(*message_rows("s3", dm, "2020-06-01T12:00:00Z"))
        assert [next(watch).id for _ in range(3)] == ["s2", "o1", "s3"]


def append_and_say(path: str) -> None:
    with open_store(url_of(Path(path))) as store:
        while own_id := listen():
            store.append_message(a_message(own_id))
            tell("done")


def test_another_process_wakes_whoever_waits(path: Path, start: Start) -> None:
    make_store(path)
    child = start(append_and_say, str(path))
    with open_store(url_of(path)) as store, store.watch() as watch:
        for number in range(5):
            child.say(f"c{number}")
            assert next(watch).id == f"c{number}"
            assert child.hear() == "done"
    child.say("")
    child.end()


def test_only_what_is_committed_comes(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        watch = store.watch(timeout=0)
        with transaction(store):
            store.append_message(a_message("m1"))
            assert ids(watch) == []
        assert ids(watch) == ["m1"]
        with suppress(RuntimeError), transaction(store):
            store.append_message(a_message("m2"))
            raise RuntimeError
        store.append_message(a_message("m3"))
        assert ids(watch) == ["m3"]


# -- what cannot be decoded --------------------------------------------------------------------------


def test_rows_that_cannot_be_decoded_stand_in_their_place(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_store(path, 6)
    odd = [
        ("m1", "UPDATE messages SET parts_json = '[' WHERE id = 'm1'"),
        ("b'\\xff'", "UPDATE messages SET id = CAST(x'ff' AS TEXT) WHERE id = 'm2'"),
        ("m4", "UPDATE messages SET network_id = CAST(x'ff' AS TEXT) WHERE id = 'm4'"),
        ("None", "UPDATE messages SET id = NULL WHERE id = 'm5'"),
    ]
    for _, statement in odd:
        query(path, statement)
    with open_store(url_of(path)) as store:
        watch = store.watch(after=START, timeout=0, page_size=4)
        found: list[str] = []
        while len(found) < 6:
            try:
                found.append(next(watch).id)
            except CorruptRecordError as error:
                found.append(f"corrupt {error.record_id}")
        expected = ["m0", "corrupt m1", f"corrupt {odd[1][0]}", "m3", "corrupt m4", "corrupt None"]
        assert found == expected
        assert watch.token == "m4"  # the last one that can be looked up
        with caplog.at_level(logging.ERROR):
            skipping = store.watch(after=START, timeout=0, on_corrupt="skip")
            assert ids(skipping) == ["m0", "m3"]
        query(path, "DELETE FROM messages WHERE id IS NULL")
        store.append_message(a_message("n1"))
        assert (ids(watch), ids(skipping)) == (["n1"], ["n1"])


def test_a_repair_that_moves_the_newest_out(path: Path) -> None:
    make_store(path, 3)
    with open_store(url_of(path)) as store:
        watch = store.watch(after="m0", timeout=0, on_corrupt="skip")
        query(path, "UPDATE messages SET parts_json = '[' WHERE id = 'm2'")
        assert ids(watch) == ["m1"]
        assert watch.token == "m2"
        repair_store(store, ["undecodable"])
        assert query(path, "SELECT count(*) FROM messages") == [(2,)]
        store.append_message(a_message("n1"))
        assert ids(watch) == ["n1"]


# -- reading only ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 4, 7])
def test_an_older_file_that_is_only_read(path: Path, version: int) -> None:
    make_version(path, version)
    now = "2027-06-01T12:00:00Z"
    query(path, "INSERT INTO rooms (id, network_id, fqid, name, created_at) VALUES ('hall', 'n', '', '', ?)", (now,))

    def insert(own_id: str) -> None:
        columns = "id, network_id, target_kind, room_id, target_json, from_json, parts_json, mentions_json, created_at"
        target, sender, parts = '{"kind":"room","room_id":"hall"}', '{"type":"agent","id":"a"}', '[{"kind":"text"}]'
        values = (own_id, "n", "room", "hall", target, sender, parts, "null", now)
        query(path, f"INSERT INTO messages ({columns}) VALUES ({', '.join('?' * len(values))})", values)

    insert("m1")
    with open_store(url_of(path, mode="ro")) as store, store.watch(room_id="hall", timeout=60) as watch:
        insert("m0")
        assert next(watch).id == "m0"
        assert ids(store.watch(after=START, timeout=0))[-2:] == ["m1", "m0"]


def test_a_file_that_holds_nothing_yet_and_is_only_read(path: Path) -> None:
    with closing(sqlite3.connect(str(path))) as connection:
        connection.execute("PRAGMA user_version = 0")
    path.touch()
    with open_store(url_of(path, mode="ro")) as store:
        watch = store.watch(timeout=0)
        assert ids(watch) == []
        with pytest.raises(InvalidCursorError):
            store.watch(after="m1")
        make_store(path, 2)
        assert ids(watch) == ["m0", "m1"]


# -- what it leaves others ---------------------------------------------------------------------------


def test_a_watch_that_waits_keeps_nothing_open(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        watches = [store.watch(timeout=0.2) for _ in range(20)]
        assert [ids(watch) for watch in watches] == [[]] * 20
        # At most what calls one after the other need: the thread's and this one's.
        assert len([name for name in open_descriptors(str(path)) if name == str(path)]) <= 2
        store.append_message(a_message("m1"))
        with raw_connection(path) as connection:  # nobody reads: the log can be begun anew
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        for watch in watches:
            watch.close()


def test_a_quiet_room_beside_a_busy_one_costs_what_is_new(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store(path, 5000)
    with open_store(url_of(path)) as store:
        store.create_room(a_room("quiet"))
        store.append_messages([a_message("q1", room_id="quiet"), thread_message("t1"), dm_message("d1")])
        watch = store.watch(room_id="quiet", after=START, timeout=0)
        assert ids(watch) == ["q1"]
        seen: list[int] = []
        real = store.driver.session_class.fetch  # type: ignore[attr-defined]

        def fetch(self: Any, sql: str, parameters: Any = ()) -> Any:
            rows = real(self, sql, parameters)
            seen.append(len(rows))
            return rows

        monkeypatch.setattr(store.driver.session_class, "fetch", fetch)  # type: ignore[attr-defined]
        store.append_messages(a_message(f"n{number}") for number in range(10))
        seen.clear()
        assert ids(watch) == []
        assert sum(seen) <= 12
        assert watch.token == "n9"


def test_a_fork_beside_a_watch(path: Path, start: Start) -> None:
    child = start(fork_and_watch, str(path))
    assert child.hear() == "done"
    child.end()


def fork_and_watch(path: str) -> None:
    make_store(Path(path), 1)
    with open_store(url_of(Path(path))) as store, store.watch(timeout=60) as watch:
        store.append_message(a_message("n1"))
        assert next(watch).id == "n1"
        pid = os.fork()
        if not pid:
            status = 1
            try:
                with store.watch(after="n1", timeout=60) as own:
                    store.append_message(a_message("child"))
                    status = 0 if next(own).id == "child" else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert next(watch).id == "child"
        store.append_message(a_message("n2"))
        assert next(watch).id == "n2"
    tell("done")


def test_a_copy_has_an_order_of_its_own(path: Path) -> None:
    """Loaded by time: a token leads to what the copy holds behind that message."""
    make_store(path, 3)
    with open_store(url_of(path)) as store, open_store(url_of(path.with_name("copy.db"))) as copy:
        with store.snapshot() as snapshot:
            copy.load(list(snapshot.records(RecordKind.ROOM)) + list(snapshot.records(RecordKind.MESSAGE)))
        assert ids(copy.watch(after="m1", timeout=0)) == ["m2"]
