"""Connections: their settings, waiting for locks, readers beside writers, threads that come and go."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.children import WAIT, Child, foreign_in_chain, listen, open_descriptors, outcome, tell, tree
from tests.moltnet_sqlite.support import (
    a_message,
    a_room,
    all_messages,
    dm_message,
    integrity,
    make_store,
    make_version,
    query,
    raw_connection,
    thread_message,
    url_of,
)

from moltnet_core import Message, PageRequest, Store, StoreBusyError, StoreUnavailableError, open_store
from moltnet_sql import transaction
from moltnet_sqlite.engine import has_wal_reset_bug, sqlite3

Start = Callable[..., Child]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every connection that is opened from here on."""
    connect, found = sqlite3.connect, []

    def connecting(*args: Any, **options: Any) -> Any:
        connection = connect(*args, **options)
        found.append(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connecting)
    return found


def pragmas_of(store: Store, opened: list[Any], *names: str, threads: int = 12) -> list[tuple[Any, ...]]:
    """What each of many connections says: those of threads that use the store at the same time."""
    everybody = threading.Barrier(threads)

    def use() -> None:
        with store.snapshot() as snapshot:
            snapshot.scan("room")
            everybody.wait(WAIT)

    found = []
    reading = threading.Thread(target=run_threads, args=(use, threads))
    reading.start()
    reading.join()
    for connection in opened:
        try:
            found.append(tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names))
        except sqlite3.ProgrammingError:
            continue  # one that was closed, as not all are kept
    assert len(opened) >= threads
    assert len(found) >= 4
    return found


def run_threads(function: Callable[[], None], count: int) -> None:
    """Run a function in threads, and raise what one of them raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# -- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("named", "number"), [(None, 2), ("full", 2), ("normal", 1), ("extra", 3)])
def test_every_connection_has_the_synchronous_setting_that_was_asked_for(
    path: Path, opened: list[Any], named: str | None, number: int
) -> None:
    options = {} if named is None else {"synchronous": named}
    with open_store(url_of(path, **options)) as store:
        assert set(pragmas_of(store, opened, "synchronous")) == {(number,)}


def test_every_connection_enforces_foreign_keys_in_wal_mode(path: Path, opened: list[Any]) -> None:
    with open_store(url_of(path)) as store:
        assert set(pragmas_of(store, opened, "foreign_keys", "journal_mode", "query_only")) == {(1, "wal", 0)}
    assert query(path, "PRAGMA journal_mode") == [("wal",)]


def test_passive_checkpoints_are_left_to_an_engine_that_does_them_right(path: Path, opened: list[Any]) -> None:
    with open_store(url_of(path)) as store:
        assert set(pragmas_of(store, opened, "wal_autocheckpoint")) == {(0 if has_wal_reset_bug() else 1000,)}


def test_read_only_connections_can_write_nothing(path: Path, opened: list[Any]) -> None:
    make_store(path)
    opened.clear()
    with open_store(url_of(path, mode="ro")) as store:
        assert set(pragmas_of(store, opened, "query_only")) == {(1,)}


@pytest.mark.parametrize("seconds", [0.25, 5, 60])
def test_every_connection_waits_as_long_as_it_was_told(path: Path, opened: list[Any], seconds: float) -> None:
    with open_store(url_of(path, busy_timeout=seconds)) as store:
        assert set(pragmas_of(store, opened, "busy_timeout")) == {(int(seconds * 1000),)}


def test_a_database_in_another_journal_mode_is_put_in_wal_mode_when_it_is_written_to(path: Path) -> None:
    make_store(path, messages=2)
    query(path, "PRAGMA journal_mode = DELETE")
    with open_store(url_of(path)) as store:
        store.append_message(a_message("m2"))
        assert all_messages(store) == ["m0", "m1", "m2"]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]


# -- waiting for a lock ------------------------------------------------------------------------------


def hold_the_write_lock(path: str) -> None:
    with raw_connection(Path(path), timeout=WAIT) as connection:
        while True:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE rooms SET name = 'uncommitted'")
            tell("held")
            listen()
            connection.execute("ROLLBACK")
            tell("released")
            listen()


def stored_message(store: Store) -> Message:
    message = store.get_message("m0")
    assert message is not None
    return message


def records_of(store: Store) -> list[Any]:
    with store.snapshot() as snapshot:
        return list(snapshot.records())


def enter_transaction(store: Store) -> None:
    with transaction(store):
        pass


WRITES: dict[str, Callable[[Store], object]] = {
    "append_message": lambda store: store.append_message(a_message("new")),
    "append_messages": lambda store: store.append_messages([a_message("new"), thread_message("t"), dm_message("d")]),
    "append_message of a taken id": lambda store: store.append_message(stored_message(store), retry=True),
    "create_room": lambda store: store.create_room(a_room("new")),
    "reconcile_room": lambda store: store.reconcile_room(a_room(name="new")),
    "update_room_members": lambda store: store.update_room_members("hall", add=["bob"]),
    "remove_room": lambda store: store.remove_room("hall"),
    "remove_agent_from_rooms": lambda store: store.remove_agent_from_rooms("alice"),
    "remove_agent": lambda store: store.remove_agent("alice"),
    "load": lambda store: store.load(records_of(store)),
    "transaction": enter_transaction,
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_waits_as_long_as_configured_while_another_process_writes(path: Path, start: Start, write: str) -> None:
    make_store(path, messages=1)
    holder = start(hold_the_write_lock, path)
    assert holder.hear() == "held"
    with open_store(url_of(path, busy_timeout=0.3)) as store:
        began = time.monotonic()
        with pytest.raises(StoreBusyError) as caught:
            WRITES[write](store)
        waited = time.monotonic() - began
        assert 0.25 <= waited < 5
        assert caught.value.committed is False
        assert "busy_timeout" in str(caught.value)
        assert isinstance(caught.value, TimeoutError)
        assert foreign_in_chain(caught.value) == []
        # Reading goes on, and what is not committed is not seen.
        assert all_messages(store) == ["m0"]
        room = store.get_room("hall")
        assert room is not None
        assert room.name == "hall"
        holder.say()
        assert holder.hear() == "released"
        WRITES[write](store)
    assert integrity(path) == []


def test_a_write_gets_the_lock_when_it_becomes_free_in_time(path: Path, start: Start) -> None:
    make_store(path)
    holder = start(hold_the_write_lock, path)
    assert holder.hear() == "held"
    with open_store(url_of(path, busy_timeout=WAIT)) as store:
        writer = threading.Thread(target=store.append_message, args=(a_message("m"),))
        writer.start()
        holder.say()
        assert holder.hear() == "released"
        writer.join()
        assert store.get_message("m") is not None


def test_opening_an_up_to_date_store_takes_no_lock(path: Path, start: Start) -> None:
    make_store(path, messages=1)
    assert start(hold_the_write_lock, path).hear() == "held"
    with open_store(url_of(path, busy_timeout=0)) as store:
        assert all_messages(store) == ["m0"]
        assert store.migration_status().is_current


def test_migrating_waits_for_the_lock_and_then_gives_up(path: Path, start: Start) -> None:
    make_version(path, 5)
    assert start(hold_the_write_lock, path).hear() == "held"
    with pytest.raises(StoreBusyError) as caught:
        open_store(url_of(path, busy_timeout=0.2))
    assert foreign_in_chain(caught.value) == []
    assert query(path, "SELECT max(version) FROM schema_migrations") == [(5,)]


def hold_exclusively(path: str) -> None:
    """As a program that keeps the whole file to itself, outside WAL mode."""
    with raw_connection(Path(path), timeout=WAIT) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        tell("held")
        listen()


def test_opening_a_file_that_somebody_keeps_to_himself(path: Path, start: Start) -> None:
    make_store(path)
    assert start(hold_exclusively, path).hear() == "held"
    before = tree(path.parent)["moltnet.db"]
    for mode in ("rw", "ro"):
        with pytest.raises(StoreBusyError) as caught:
            open_store(url_of(path, mode=mode, busy_timeout=0.2))
        assert foreign_in_chain(caught.value) == []
    assert tree(path.parent)["moltnet.db"] == before


def test_threads_of_one_process_wait_for_each_other(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path, busy_timeout=0.3)) as store:
        inside, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction(store) as database:
                database.execute_sql("UPDATE rooms SET name = 'held'")
                inside.set()
                leave.wait(WAIT)

        holder = threading.Thread(target=hold)
        holder.start()
        try:
            assert inside.wait(WAIT)
            with pytest.raises(StoreBusyError) as caught:
                store.append_message(a_message("m"))
            assert caught.value.committed is False
            assert store.get_room("hall") is not None
        finally:
            leave.set()
            holder.join()
        store.append_message(a_message("m"))
        room = store.get_room("hall")
        assert room is not None
        assert room.name == "held"


# -- readers and writers -----------------------------------------------------------------------------


def append_many(path: str, count: int) -> None:
    with open_store(url_of(Path(path))) as store:
        for number in range(count):
            store.append_message(a_message(f"by-another-{number:04}"))
        tell("done")


def test_a_reader_keeps_its_view_while_others_append(path: Path, start: Start) -> None:
    make_store(path, messages=3)
    with open_store(url_of(path, busy_timeout=0)) as store, store.snapshot() as snapshot:
        assert [record.id for record in snapshot.records("message")] == ["m0", "m1", "m2"]
        for number in range(3, 50):
            store.append_message(a_message(f"m{number}"))
        other = start(append_many, path, 50)
        assert other.hear() == "done"
        other.end()
        assert [record.id for record in snapshot.records("message")] == ["m0", "m1", "m2"]
        assert len(all_messages(store)) == 100
    assert integrity(path) == []


def test_a_snapshot_is_of_the_moment_it_was_made(path: Path) -> None:
    """Not of the moment of its first look."""
    make_store(path, messages=1)
    with open_store(url_of(path)) as store, store.snapshot() as snapshot:
        store.append_message(a_message("later"))
        store.create_room(a_room("later"))
        assert [record.id for record in snapshot.records()] == ["hall", "m0"]


def test_reads_go_on_beside_an_uncommitted_writer(path: Path, start: Start) -> None:
    make_store(path, messages=5)
    assert start(hold_the_write_lock, path).hear() == "held"
    with open_store(url_of(path, busy_timeout=0)) as store:
        assert [message.id for message in store.list_room_messages("hall").items] == ["m0", "m1", "m2", "m3", "m4"]
        assert [m.id for m in store.list_room_messages("hall", PageRequest(before="m3", limit=2)).items] == ["m1", "m2"]
        assert store.counts().messages == 5
        store.ping()


def test_reads_in_a_transaction_see_its_writes_and_others_do_not(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        seen: list[object] = []
        with transaction(store) as database:
            store.append_message(a_message("mine"))
            database.execute_sql("UPDATE rooms SET name = 'mine'")
            assert store.get_message("mine") is not None
            assert [message.id for message in store.list_room_messages("hall").items] == ["mine"]
            run_threads(lambda: seen.append(store.get_message("mine")), 1)
        assert seen == [None]
        assert store.get_message("mine") is not None


def test_a_transaction_that_raises_leaves_nothing(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:

        def fail() -> None:
            with transaction(store) as database:
                store.append_message(a_message("m"))
                store.create_room(a_room("r"))
                database.execute_sql("CREATE TABLE mine_notes (id INTEGER)")
                raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            fail()
        assert store.get_message("m") is None
        assert store.get_room("r") is None
        store.append_message(a_message("m"))
    assert query(path, "SELECT name FROM sqlite_master WHERE name LIKE 'mine%'") == []


def test_a_failed_call_within_a_transaction_leaves_the_rest_of_it(path: Path) -> None:
    make_store(path, messages=1)
    with open_store(url_of(path)) as store:
        with transaction(store):
            store.append_message(a_message("before"))
            with pytest.raises(Exception, match="already taken"):
                store.append_messages([a_message("half"), a_message("m0", "another text")])
            store.append_message(a_message("after"))
        assert all_messages(store) == ["m0", "before", "after"]


def test_two_stores_on_one_file_in_one_process(path: Path) -> None:
    with (
        open_store(url_of(path)) as one,
        open_store(url_of(path)) as other,
        open_store(url_of(path, mode="ro")) as third,
    ):
        one.create_room(a_room())
        for number in range(20):
            (one if number % 2 else other).append_message(a_message(f"m{number:02}"))
        expected = [f"m{number:02}" for number in range(20)]
        assert all_messages(one) == all_messages(other) == all_messages(third) == expected
        one.close()
        other.append_message(a_message("m20"))
        assert all_messages(third) == [*expected, "m20"]
    assert integrity(path) == []


def test_two_stores_of_two_threads_both_write(path: Path) -> None:
    make_store(path)

    def write(name: str) -> None:
        with open_store(url_of(path)) as store:
            for number in range(100):
                store.append_message(a_message(f"{name}{number}"))

    names = iter("abcd")
    run_threads(lambda: write(next(names)), 4)
    with open_store(url_of(path)) as store:
        assert len(all_messages(store)) == 400


# -- threads that come and go ----------------------------------------------------------------------------


def use_short_lived_threads(path: str) -> None:
    """In a process of its own, whose descriptors and threads are nobody else's."""
    with open_store(url_of(Path(path))) as store:
        store.append_message(a_message("first"))
        before = open_descriptors("")
        most = 0

        def work(number: int) -> None:
            if number % 4 == 0:
                store.append_message(a_message(f"m{number}"))
            elif number % 4 == 1:
                with store.snapshot() as snapshot:
                    snapshot.scan("room")
            else:
                store.list_room_messages("hall", PageRequest(limit=3))

        for round_ in range(50):
            threads = [threading.Thread(target=work, args=(20 * round_ + number,)) for number in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            most = max(most, len(open_descriptors("moltnet.db")))
        tell(
            {
                "before": len(before),
                "after": len(open_descriptors("")),
                "most": most,
                "messages": store.counts().messages,
            }
        )
    tell(open_descriptors("moltnet.db"))


def test_a_thousand_short_lived_threads_leave_nothing_open(path: Path, start: Start) -> None:
    make_store(path)
    found, after_close = start(use_short_lived_threads, path).rest()
    assert found["messages"] == 251
    # Files are open for as many connections as there were threads at once, 20, and not for the thousand: a database,
    # a log and a shared -shm. (SQLite keeps a closed descriptor of the database for the next connection.)
    assert found["most"] <= 20 * 3
    assert found["after"] - found["before"] <= 20 + 8 + 1
    assert after_close == []


def use_threads_that_end_inside(path: str) -> None:
    """Threads that end with an error, some in the middle of a transaction, give their connections back too."""
    with open_store(url_of(Path(path))) as store:
        store.ping()
        before = len(open_descriptors("moltnet.db"))

        def fail(number: int) -> None:
            with transaction(store):
                store.append_message(a_message(f"m{number}"))
                raise SystemExit

        for number in range(50):
            thread = threading.Thread(target=fail, args=(number,))
            thread.start()
            thread.join()
        tell([before, len(open_descriptors("moltnet.db")), store.counts().messages])


def test_threads_that_fail_in_a_transaction_leave_nothing_open(path: Path, start: Start) -> None:
    make_store(path)
    ((before, after, messages),) = start(use_threads_that_end_inside, path).rest()
    assert after <= before + 3
    assert messages == 0


def test_failed_opens_leave_nothing_open(path: Path) -> None:
    path.write_text("no database " * 1000, encoding="utf-8")
    for _ in range(20):
        with pytest.raises(Exception, match="not an SQLite database"):
            open_store(url_of(path))
    assert open_descriptors(str(path)) == []


# -- the file and Python -------------------------------------------------------------------------------


def watch_opens(path: str) -> None:
    """Every life of a store, while each ``open`` of Python's own on the database and its sidecars is noted."""
    noted: list[tuple[str, int]] = []

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.open", "shutil.copyfile", "os.remove", "os.rename", "os.truncate") and str(
            arguments[0]
        ).startswith(path):
            noted.append((f"{event} {Path(str(arguments[0])).name}", int(arguments[2] or 0) if event == "open" else 0))

    sys.addaudithook(audit)
    with open_store(url_of(Path(path))) as store:
        tell(noted)
        noted.clear()
        store.create_room(a_room())
        store.append_messages([a_message("m"), thread_message("t"), dm_message("d")])
        store.list_room_messages("hall")
        store.counts()
        store.describe()
        with store.snapshot() as snapshot:
            list(snapshot.records())
        outcome(lambda: store.append_message(a_message("m", "another")))
    for mode in ("rw", "ro"):
        with open_store(url_of(Path(path), mode=mode)) as store:
            store.describe()
            store.migration_status()
            store.list_rooms()
    tell(noted)


def test_python_opens_the_database_to_create_it_and_never_again(path: Path, start: Start) -> None:
    """Closing a descriptor of a file drops every lock that SQLite has on it."""
    creating, later = start(watch_opens, path).rest()
    assert [what for what, _ in creating] == ["open moltnet.db"]
    assert creating[0][1] & (os.O_CREAT | os.O_EXCL) == os.O_CREAT | os.O_EXCL
    assert later == []


def test_the_file_may_go_and_come_back(path: Path) -> None:
    """A store whose file was deleted says so, or goes on with the file it has open; it never makes an empty one."""
    make_store(path, messages=1)
    store = open_store(url_of(path))
    store.ping()
    for found in path.parent.iterdir():
        found.unlink()
    try:
        store.append_message(a_message("m"))
    except StoreUnavailableError:
        pass
    finally:
        store.close()
    assert not path.exists()


def test_thirty_readers_at_once_and_again(path: Path) -> None:
    """SQLite keeps a closed descriptor while the process has locks on the file, and uses it for the next connection."""
    make_store(path, messages=1)
    with open_store(url_of(path)) as store:

        def read_beside_others(count: int) -> int:
            everybody, leave = threading.Barrier(count + 1), threading.Event()

            def read() -> None:
                with store.snapshot() as snapshot:
                    before = [record.id for record in snapshot.records("message")]
                    everybody.wait(WAIT)
                    leave.wait(WAIT)
                    assert [record.id for record in snapshot.records("message")] == before

            reading = threading.Thread(target=run_threads, args=(read, count))
            reading.start()
            everybody.wait(WAIT)
            open_then = open_descriptors(str(path)).count(str(path))
            store.append_message(a_message(f"beside-{open_then}-{store.counts().messages}"))
            leave.set()
            reading.join()
            return open_then

        first = read_beside_others(30)
        assert first >= 30
        assert [read_beside_others(30) for _ in range(5)] <= [first + 2] * 5
        assert store.counts().messages == 7
    assert open_descriptors(str(path)) == []
