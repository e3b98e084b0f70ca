"""Conditions of the engine as the contract's errors: which, what was committed, and that nothing is given away."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3 as pythons_own
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, outcome, tell
from tests.discreet import check_discreet
from tests.moltnet_sqlite.support import (
    NETWORK,
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

from moltnet_core import (
    AgentRegistration,
    CorruptRecordError,
    CorruptStoreError,
    DuplicateMessageError,
    MoltnetError,
    ReadOnlyStoreError,
    StorageFullError,
    StorageIOError,
    Store,
    StoreBusyError,
    StoreUnavailableError,
    ValidationError,
    open_store,
)
from moltnet_core.errors import DriverError
from moltnet_sql import SqlDriver, transaction
from moltnet_sql.schema import TABLES
from moltnet_sqlite.dialect import SQLiteDialect
from moltnet_sqlite.engine import sqlite3

Start = Callable[..., Child]
SECRET = "hunter2-and-then-some"


def assert_discreet(error: BaseException) -> None:
    """Neither it nor what led to it is of the engine, or shows a text that was stored."""
    check_discreet(error, SECRET)


# -- no space ------------------------------------------------------------------------------------------


def limit_pages(store: Store, further: int | None) -> None:
    """Let the database grow by so many pages and no more. (The setting is a connection's; there is only one in use.)"""
    assert isinstance(store.driver, SqlDriver)
    with store.driver.transaction(write=True) as database:
        pages = database.execute_sql("PRAGMA page_count").fetchone()[0]
        database.execute_sql(f"PRAGMA max_page_count = {2**30 if further is None else pages + further}")


def test_a_full_disk_in_the_middle_of_appends(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        limit_pages(store, 20)
        appended: list[str] = []

        def append() -> None:
            while len(appended) < 1000:
                store.append_message(a_message(f"m{len(appended)}", SECRET * 100))
                appended.append(f"m{len(appended)}")

        with pytest.raises(StorageFullError) as caught:
            append()
        assert appended
        assert isinstance(caught.value, OSError)
        assert caught.value.committed is False
        assert_discreet(caught.value)
        assert all_messages(store) == appended
        for again in range(3):
            with pytest.raises(StorageFullError):
                store.append_message(a_message(f"again{again}", SECRET * 1000))
        assert all_messages(store) == appended
        limit_pages(store, None)
        store.append_message(a_message("resumed", SECRET * 100))
        assert all_messages(store) == [*appended, "resumed"]
    assert integrity(path) == []


def test_a_full_disk_leaves_no_half_batch(path: Path) -> None:
    make_store(path, messages=2)
    with open_store(url_of(path)) as store:
        counts = store.counts()
        limit_pages(store, 30)
        batch = [
            *(a_message(f"b{number}", SECRET * 100) for number in range(50)),
            *(thread_message(f"t{number}") for number in range(50)),
            *(dm_message(f"d{number}") for number in range(50)),
        ]
        with pytest.raises(StorageFullError) as caught:
            store.append_messages(batch)
        assert caught.value.committed is False
        assert store.counts() == counts
        assert store.get_thread("topic") is None
        assert store.get_dm("pair") is None
        limit_pages(store, None)
        assert len(store.append_messages(batch)) == 150
    assert integrity(path) == []


def test_a_full_disk_in_other_writes(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        for write in (
            lambda: store.create_room(a_room("new", name=SECRET * 3000)),
            lambda: store.reconcile_room(a_room(name=SECRET * 3000)),
            lambda: store.register_agent(AgentRegistration("alice", NETWORK, "key", SECRET * 3000)),
        ):
            limit_pages(store, 0)
            with pytest.raises(StorageFullError) as caught:
                write()
            assert_discreet(caught.value)
            limit_pages(store, None)
            write()
    assert integrity(path) == []


def test_a_full_disk_in_a_migration(path: Path) -> None:
    """Wholly old, and a later try completes it."""
    make_version(path, 8)
    with open_store(url_of(path), migrate="later") as store:
        limit_pages(store, 0)
        with pytest.raises(MoltnetError) as caught:
            store.migrate()
        assert_discreet(caught.value)
        assert query(path, "SELECT name FROM sqlite_master WHERE name LIKE 'moltnet_ext_%'") == []
        limit_pages(store, None)
        assert [step.series for step in store.migrate()] == ["sqlite"]
    assert integrity(path) == []


def fill_up_to_a_limit(path: str) -> None:
    """``RLIMIT_FSIZE``: the system lets no file grow beyond it. Told: what became of appends, below and without it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    appended: list[str] = []
    with open_store(url_of(Path(path))) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        number = 0

        def append() -> None:
            nonlocal number
            while True:
                store.append_message(a_message(f"m{number}", "x" * 5000))
                appended.append(f"m{number}")
                number += 1

        tell(outcome(append))
        tell(all_messages(store) == appended)
        tell(outcome(lambda: store.append_messages(a_message(f"b{i}", "x" * 5000) for i in range(300))))
        tell(all_messages(store) == appended)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.append_message(a_message("resumed"))
        tell(all_messages(store) == [*appended, "resumed"])
        tell(len(appended))


def test_a_limit_on_file_sizes(path: Path, start: Start) -> None:
    make_store(path)
    first, intact, second, still_intact, resumed, count = start(fill_up_to_a_limit, path).rest()
    for found in (first, second):
        assert found["error"] == StorageFullError.__name__
        assert found["foreign"] == []
    assert first["committed"] is None  # the commit itself met the limit, which SQLite does not tell from a failing disk
    assert (intact, still_intact, resumed) == (True, True, True)
    assert count > 0
    assert integrity(path) == []


def create_under_a_limit(path: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    tell(outcome(lambda: open_store(url_of(Path(path)))))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    tell(outcome(lambda: open_store(url_of(Path(path))).close()))


def test_no_space_for_a_new_database(path: Path, start: Start) -> None:
    """The error is typed, and the file that is left is no obstacle afterwards."""
    first, second = start(create_under_a_limit, path).rest()
    assert first["error"] in (StorageFullError.__name__, StorageIOError.__name__, "MigrationFailedError")
    assert first["foreign"] == []
    assert second == {"error": None}


# -- damage ----------------------------------------------------------------------------------------------


def overwrite_pages_of(path: Path, table: str) -> None:
    """Fill the pages of a table's tree with nonsense."""
    root = query(path, "SELECT rootpage FROM sqlite_master WHERE name = ?", [table])[0][0]
    query(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(SECRET.encode() * 100)


@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_a_damaged_page(path: Path, mode: str) -> None:
    make_store(path, messages=500)
    overwrite_pages_of(path, "messages")
    with open_store(url_of(path, mode=mode)) as store:
        for read in (
            lambda: store.get_message("m1"),
            lambda: store.list_room_messages("hall"),
            lambda: all_messages(store),
        ):
            with pytest.raises(CorruptStoreError) as caught:
                read()
            assert_discreet(caught.value)
        assert store.get_room("hall") is not None
        if mode == "rw":
            with pytest.raises(CorruptStoreError) as caught:
                store.append_message(a_message("new", SECRET))
            assert caught.value.committed is False
            assert_discreet(caught.value)
            store.create_room(a_room("other"))


def test_a_damaged_list_of_tables(path: Path) -> None:
    make_store(path, messages=5)
    content = bytearray(path.read_bytes())
    content[100:4096] = (SECRET * 1000).encode()[: 4096 - 100]
    path.write_bytes(content)
    for mode in ("rw", "ro"):
        with pytest.raises(CorruptStoreError) as caught:
            open_store(url_of(path, mode=mode))
        assert_discreet(caught.value)
    assert path.read_bytes() == content


def test_a_file_that_was_cut_off(path: Path) -> None:
    make_store(path, messages=500)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptStoreError) as caught, open_store(url_of(path)) as store:
        all_messages(store)
    assert_discreet(caught.value)


def test_a_row_that_is_not_utf8_is_one_corrupt_record(path: Path) -> None:
    make_store(path, messages=3)
    query(path, "UPDATE messages SET parts_json = CAST(x'fffe' || CAST(? AS BLOB) AS TEXT) WHERE id = 'm1'", [SECRET])
    with open_store(url_of(path)) as store:
        with pytest.raises(CorruptRecordError) as caught:
            store.get_message("m1")
        assert caught.value.record_id == "m1"
        assert_discreet(caught.value)
        with pytest.raises(CorruptRecordError) as caught:
            store.list_room_messages("hall")
        assert_discreet(caught.value)
        page = store.list_room_messages("hall", on_corrupt="skip")
        assert [message.id for message in page.items] == ["m0", "m2"]


READ_BY: dict[str, Callable[[Store], object]] = {
    "rooms": Store.list_rooms,
    "threads": lambda store: store.list_threads("hall"),
    "dm_conversations": Store.list_dms,
    "messages": lambda store: store.list_room_messages("hall"),
    "artifacts": Store.list_artifacts,
    "agents": Store.list_agents,
}
KEYS = {"dm_conversations": "dm_id", "agents": "agent_id"}
COLUMNS = [
    (table, column)
    for table in READ_BY
    for column in TABLES[table]
    # What may be anything: unknown settings read as the defaults, and these are only for queries.
    if column not in ("id", "dm_id", "agent_id", "room_id", "thread_id", "target_kind", "visibility", "write_policy")
    and (table, column) not in (("messages", "parent_message_id"), ("rooms", "deleted_at"))
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_value_of_another_type_is_one_corrupt_record(path: Path, table: str, column: str) -> None:
    """As a damaged page, or another program, leaves it. Absent is a value too, where the server never wrote it."""
    make_store(path)
    with open_store(url_of(path)) as store:
        store.create_room(a_room("other"))
        store.register_agent(AgentRegistration("alice", NETWORK, "key"))
        store.register_agent(AgentRegistration("bob", NETWORK, "key"))
        store.append_messages([a_message("m1"), a_message("m2"), thread_message("t1"), thread_message("t2", "topic2")])
        store.append_messages([dm_message("d1"), dm_message("d2", "pair2")])
    with raw_connection(path) as connection:
        # A damaged page does not care for constraints.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'")
    key = KEYS.get(table, "id")
    ((record,),) = query(path, f"SELECT {key} FROM {table} ORDER BY rowid LIMIT 1")
    for value in (None, 7, 1.5, b"\xff\x00", "\x00", "[" * 100_000, "nonsense"):
        query(path, f"UPDATE {table} SET {column} = ? WHERE {key} = ?", [value, record])
        with open_store(url_of(path)) as store:
            try:
                READ_BY[table](store)
            except CorruptRecordError as error:
                found = error
            else:
                continue  # it can be read as something
            assert (found.table, found.record_id) == (table, record)
            assert_discreet(found)
            with store.snapshot() as snapshot:
                assert len(list(snapshot.records(on_corrupt="skip"))) >= 11


# -- what somebody added to the database --------------------------------------------------------------------


def test_a_trigger_that_raises(path: Path) -> None:
    make_store(path)
    query(
        path,
        f"CREATE TRIGGER theirs BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'refused: {SECRET}'); END",
    )
    with open_store(url_of(path)) as store:
        with pytest.raises(MoltnetError) as caught:
            store.append_message(a_message("m", SECRET))
        assert not isinstance(caught.value, DuplicateMessageError)
        assert caught.value.committed is False
        assert_discreet(caught.value)
        assert all_messages(store) == []


def test_a_unique_index_of_somebody_else_is_not_taken_for_a_duplicate(path: Path) -> None:
    """It would say that a message is stored which is not."""
    make_store(path)
    query(path, "CREATE UNIQUE INDEX theirs ON messages (network_id)")
    with open_store(url_of(path)) as store:
        store.append_message(a_message("first"))
        for retry in (False, True):
            with pytest.raises(MoltnetError) as caught:
                store.append_message(a_message("second", SECRET), retry=retry)
            assert not isinstance(caught.value, DuplicateMessageError)
            assert_discreet(caught.value)
        assert all_messages(store) == ["first"]


def test_a_column_of_somebody_else_that_must_be_filled(path: Path) -> None:
    make_store(path)
    query(path, "CREATE TABLE other (id TEXT PRIMARY KEY)")
    query(path, "ALTER TABLE messages ADD COLUMN theirs TEXT CHECK (theirs IS NOT NULL)")
    with open_store(url_of(path)) as store:
        with pytest.raises(MoltnetError) as caught:
            store.append_message(a_message("m", SECRET))
        assert_discreet(caught.value)


def test_sql_that_a_plugin_got_wrong(path: Path) -> None:
    """In a block of the plugin's own, too, the engine's text stays inside."""
    make_store(path)
    with open_store(url_of(path)) as store:
        for sql in (f"SELECT '{SECRET}' FROM nowhere", f"INSERT INTO rooms VALUES ('{SECRET}')", f"{SECRET}"):
            with pytest.raises(MoltnetError) as caught, transaction(store) as database:
                database.execute_sql(sql)
            assert_discreet(caught.value)
        with pytest.raises(KeyError), transaction(store):
            raise KeyError("the plugin's own")


def test_ordinary_refusals_are_discreet_too(path: Path) -> None:
    make_store(path, messages=1)
    with open_store(url_of(path)) as store:
        store.register_agent(AgentRegistration("alice", NETWORK, SECRET))
        refusals: list[Callable[[], object]] = [
            lambda: store.append_message(a_message("m0", SECRET)),
            lambda: store.append_message(a_message("m1", SECRET, room_id="nowhere")),
            lambda: store.append_messages([a_message("m1", SECRET), a_message("m1", SECRET + "!")]),
            lambda: store.register_agent(AgentRegistration("alice", NETWORK, SECRET + "!")),
            lambda: store.append_message(a_message("m2", SECRET + "\ud800")),
            lambda: store.append_message(a_message("m2", SECRET + "\0")),
            lambda: store.create_room(a_room("hall", name=SECRET)),
        ]
        for refused in refusals:
            with pytest.raises(MoltnetError) as caught:
                refused()
            assert caught.value.committed is False
            assert_discreet(caught.value)
        assert all_messages(store) == ["m0"]


# -- every code ----------------------------------------------------------------------------------------------


def an_error(name: str, text: str = SECRET, kind: str = "OperationalError") -> BaseException:
    error: BaseException = getattr(sqlite3, kind)(text)
    error.sqlite_errorname = name  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("SQLITE_BUSY", "OperationalError", StoreBusyError),
        ("SQLITE_BUSY_SNAPSHOT", "OperationalError", StoreBusyError),
        ("SQLITE_BUSY_RECOVERY", "OperationalError", StoreBusyError),
        ("SQLITE_LOCKED", "OperationalError", StoreBusyError),
        ("SQLITE_LOCKED_SHAREDCACHE", "OperationalError", StoreBusyError),
        ("SQLITE_FULL", "OperationalError", StorageFullError),
        ("SQLITE_IOERR", "OperationalError", StorageIOError),
        ("SQLITE_IOERR_FSYNC", "OperationalError", StorageIOError),
        ("SQLITE_IOERR_WRITE", "OperationalError", StorageIOError),
        ("SQLITE_READONLY", "OperationalError", ReadOnlyStoreError),
        ("SQLITE_READONLY_DIRECTORY", "OperationalError", ReadOnlyStoreError),
        ("SQLITE_CANTOPEN", "OperationalError", StoreUnavailableError),
        ("SQLITE_CANTOPEN_ISDIR", "OperationalError", StoreUnavailableError),
        ("SQLITE_PERM", "OperationalError", StoreUnavailableError),
        ("SQLITE_AUTH", "DatabaseError", StoreUnavailableError),
        ("SQLITE_INTERRUPT", "OperationalError", StoreUnavailableError),
        ("SQLITE_NOTADB", "DatabaseError", CorruptStoreError),
        ("SQLITE_CORRUPT", "DatabaseError", CorruptStoreError),
        ("SQLITE_CORRUPT_INDEX", "DatabaseError", CorruptStoreError),
        ("SQLITE_CONSTRAINT_TRIGGER", "IntegrityError", CorruptStoreError),
        ("SQLITE_NOMEM", "OperationalError", StorageIOError),
        ("SQLITE_TOOBIG", "DataError", StorageIOError),
        ("SQLITE_PROTOCOL", "OperationalError", MoltnetError),
        ("SQLITE_SOMETHING_NEW", "DatabaseError", MoltnetError),
    ],
)
@pytest.mark.parametrize("committing", [False, True])
def test_every_result_code(name: str, kind: str, expected: type[MoltnetError], committing: bool) -> None:
    translation = SQLiteDialect().translate(an_error(name, kind=kind), committing=committing)
    assert isinstance(translation, expected)
    assert SECRET not in str(translation)
    assert isinstance(translation.__cause__, DriverError)
    assert translation.__cause__.code == name
    assert SECRET not in repr(translation.__cause__)
    # Only of a commit whose write or sync failed is it unknown whether it will be found after a crash.
    assert translation.committed is (None if committing and name.startswith("SQLITE_IOERR") else False)


def test_errors_of_others_are_not_translated() -> None:
    for error in (RuntimeError("mine"), KeyError("mine"), OSError("mine")):
        assert SQLiteDialect().translate(error, committing=False) is None
    if sqlite3 is not pythons_own:
        foreign = pythons_own.OperationalError("of another copy of SQLite")
        assert SQLiteDialect().translate(foreign, committing=False) is None


def test_a_call_that_is_interrupted(path: Path) -> None:
    """The real thing: somebody interrupts the connection in the middle of a statement."""
    make_store(path, messages=200)
    with open_store(url_of(path)) as store:

        def run(database: Any) -> None:
            connection = database.connection()
            connection.create_function("interrupt_now", 0, connection.interrupt)
            database.execute_sql("SELECT interrupt_now() FROM messages a, messages b, messages c").fetchall()

        with pytest.raises(StoreUnavailableError) as caught, transaction(store) as database:
            run(database)
        assert_discreet(caught.value)
        store.append_message(a_message("after"))


def test_keyboard_interrupts_are_let_through_and_leave_nothing(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:

        def interrupted() -> None:
            with transaction(store):
                store.append_message(a_message("m"))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert all_messages(store) == []
        store.append_message(a_message("m"))


def test_errors_in_threads_do_not_meet(path: Path) -> None:
    """One thread's failing transaction is not another's."""
    make_store(path)
    with open_store(url_of(path)) as store:
        found: list[str] = []

        def work(name: int) -> None:
            for number in range(20):
                try:
                    if name % 2:
                        store.append_message(a_message(f"m{name}-{number}"))
                    else:
                        store.append_message(a_message(f"m{name}-{number}", room_id="nowhere"))
                    found.append("stored")
                except MoltnetError as error:
                    found.append(type(error).__name__)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(set(found)) == ["RoomNotFoundError", "stored"]
        assert found.count("stored") == store.counts().messages == 60


def test_a_log_file_that_is_nonsense(path: Path) -> None:
    """SQLite takes from a log what its checksums vouch for; here that is nothing."""
    make_store(path, messages=5)
    path.with_name("moltnet.db-wal").write_bytes(os.urandom(50_000))
    with open_store(url_of(path)) as store:
        assert all_messages(store) == [f"m{number}" for number in range(5)]
        store.append_message(a_message("m5"))
    assert integrity(path) == []


def test_another_databases_log(path: Path, tmp_path: Path) -> None:
    """Never a mixture without an error."""
    other = tmp_path / "other.db"
    make_store(path, messages=5)
    make_store(other, messages=3)
    with raw_connection(other) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE rooms SET name = 'others'")
        shutil.copy(f"{other}-wal", f"{path}-wal")
    try:
        with open_store(url_of(path)) as store:
            all_messages(store)
    except CorruptStoreError as error:
        assert_discreet(error)


def test_a_validation_error_says_that_nothing_was_written(path: Path) -> None:
    make_store(path)
    with open_store(url_of(path)) as store:
        with pytest.raises(ValidationError) as caught:
            store.append_message(a_message("no such id!"))
        assert caught.value.committed is False
