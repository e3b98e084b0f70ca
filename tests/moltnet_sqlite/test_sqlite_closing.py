"""Closing a store: beside calls that are inside it, snapshots that are open, and what comes later."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.children import WAIT, Child, foreign_in_chain, listen, open_descriptors, tell, wait_until
from tests.moltnet_sqlite.support import (
    NETWORK,
    a_message,
    a_room,
    all_messages,
    integrity,
    make_store,
    make_version,
    query,
    raw_connection,
    url_of,
)

from moltnet_core import (
    AgentRegistration,
    AppendResult,
    MigrationRequiredError,
    Store,
    StoreClosedError,
    ValidationError,
    hookimpl,
    open_store,
)
from moltnet_sql import transaction

Start = Callable[..., Child]

CALLS: dict[str, Callable[[Store], object]] = {
    "ping": Store.ping,
    "counts": Store.counts,
    "describe": Store.describe,
    "migration_status": Store.migration_status,
    "migrate": Store.migrate,
    "create_room": lambda store: store.create_room(a_room("new")),
    "get_room": lambda store: store.get_room("hall"),
    "list_rooms": Store.list_rooms,
    "reconcile_room": lambda store: store.reconcile_room(a_room()),
    "update_room_members": lambda store: store.update_room_members("hall"),
    "remove_room": lambda store: store.remove_room("hall"),
    "remove_agent_from_rooms": lambda store: store.remove_agent_from_rooms("alice"),
    "append_message": lambda store: store.append_message(a_message("new")),
    "append_messages": lambda store: store.append_messages([a_message("new")]),
    "append_messages of nothing": lambda store: store.append_messages([]),
    "get_message": lambda store: store.get_message("m0"),
    "list_room_messages": lambda store: store.list_room_messages("hall"),
    "list_thread_messages": lambda store: store.list_thread_messages("topic"),
    "list_dm_messages": lambda store: store.list_dm_messages("pair"),
    "get_thread": lambda store: store.get_thread("topic"),
    "list_threads": lambda store: store.list_threads("hall"),
    "get_dm": lambda store: store.get_dm("pair"),
    "list_dms": Store.list_dms,
    "list_artifacts": Store.list_artifacts,
    "register_agent": lambda store: store.register_agent(AgentRegistration("alice", NETWORK, "key")),
    "reconcile_agent": lambda store: store.reconcile_agent(AgentRegistration("alice", NETWORK, "key")),
    "get_agent": lambda store: store.get_agent("alice"),
    "get_agent_by_credential": lambda store: store.get_agent_by_credential("key"),
    "list_agents": Store.list_agents,
    "remove_agent": lambda store: store.remove_agent("alice"),
    "get_member": lambda store: store.get_member("alice"),
    "list_members": Store.list_members,
    "snapshot": lambda store: store.snapshot().__enter__(),
    "load": lambda store: store.load([]),
    "watch": lambda store: next(store.watch(timeout=0)),
    "transaction": lambda store: transaction(store).__enter__(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_every_call_after_close(path: Path, call: str, mode: str) -> None:
    make_store(path, messages=1)
    store = open_store(url_of(path, mode=mode))
    store.close()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its type is looked at
        CALLS[call](store)
    if mode == "rw" or call not in ("migrate", "transaction"):
        assert type(caught.value) is StoreClosedError
    assert foreign_in_chain(caught.value) == []
    assert open_descriptors(str(path)) == []


def test_all_calls_of_a_store_are_tried() -> None:
    known = {name.split()[0] for name in CALLS} | {"close", "backup", "held", "stats"}
    public = {name for name in vars(Store) if not name.startswith("_") and callable(getattr(Store, name))}
    assert public - known == set()


def test_closing_again_does_nothing(path: Path) -> None:
    make_store(path)
    store = open_store(url_of(path))
    for _ in range(3):
        store.close()
    with open_store(url_of(path)) as other:
        store.close()
        other.create_room(a_room("after"))
    assert "closed" in repr(store)


def test_a_closed_store_leaves_one_file(path: Path) -> None:
    """SQLite has moved its log into the database."""
    make_store(path, messages=100)
    assert [found.name for found in path.parent.iterdir()] == ["moltnet.db"]
    assert query(path, "SELECT count(*) FROM messages") == [(100,)]


def test_close_waits_for_a_call_that_is_inside(path: Path, start: Start) -> None:
    """It waits for the lock that another process has, and its message is stored."""
    make_store(path)
    holder = start(hold_the_write_lock, path)
    assert holder.hear() == "held"
    store = open_store(url_of(path, busy_timeout=WAIT))
    results: list[AppendResult] = []
    writer = threading.Thread(target=lambda: results.append(store.append_message(a_message("inside"))))
    writer.start()
    wait_until(lambda: is_inside(store), "the writer is inside")
    closer = threading.Thread(target=store.close)
    closer.start()
    wait_until(lambda: "closed" in repr(store), "the store is closing")
    with pytest.raises(StoreClosedError):
        store.get_room("hall")
    assert closer.is_alive()
    assert results == []
    holder.say()
    for thread in (writer, closer):
        thread.join(WAIT)
        assert not thread.is_alive()
    assert len(results) == 1
    assert open_descriptors(str(path)) == []
    assert query(path, "SELECT id FROM messages") == [("inside",)]


def hold_the_write_lock(path: str) -> None:
    with raw_connection(Path(path), timeout=WAIT) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tell("held")
        listen()
        connection.execute("ROLLBACK")


def is_inside(store: Store) -> bool:
    return bool(store._gate._inside)


def test_many_threads_until_the_store_is_closed(path: Path) -> None:
    """Each append either returned, and is stored, or raised that the store is closed."""
    make_store(path)
    store = open_store(url_of(path))
    appended: list[str] = []
    others: list[BaseException] = []
    started = threading.Barrier(9)

    def append(name: int) -> None:
        started.wait(WAIT)
        number = 0
        try:
            while True:
                message = a_message(f"m{name}-{number}")
                store.append_message(message)
                appended.append(message.id)
                store.list_room_messages("hall")
                number += 1
        except StoreClosedError:
            pass
        except BaseException as error:  # noqa: BLE001 - looked at below
            others.append(error)

    threads = [threading.Thread(target=append, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    started.wait(WAIT)
    wait_until(lambda: len(appended) >= 50, "the threads append")
    store.close()
    for thread in threads:
        thread.join(WAIT)
    assert others == []
    assert {row[0] for row in query(path, "SELECT id FROM messages")} == set(appended)
    assert open_descriptors(str(path)) == []
    assert integrity(path) == []


def test_a_snapshot_that_is_open_when_the_store_is_closed(path: Path) -> None:
    make_store(path, messages=2)
    store = open_store(url_of(path))
    with store.snapshot() as snapshot:
        assert len(snapshot.scan("message")) == 2
        store.close()
        with pytest.raises(StoreClosedError):
            snapshot.scan("message")
        with pytest.raises(StoreClosedError):
            next(snapshot.records("room"))
    assert open_descriptors(str(path)) == []
    assert [found.name for found in path.parent.iterdir()] == ["moltnet.db"]


def test_a_walk_over_records_that_the_store_is_closed_in(path: Path) -> None:
    make_store(path, messages=2500)
    store = open_store(url_of(path))
    with store.snapshot() as snapshot:
        records = snapshot.records("message")
        next(records)
        store.close()
        with pytest.raises(StoreClosedError):
            list(records)
    assert open_descriptors(str(path)) == []


def test_a_snapshot_whose_block_raises_gives_its_connection_back(path: Path) -> None:
    make_store(path, messages=2)
    with open_store(url_of(path)) as store:
        for _ in range(20):
            with pytest.raises(ValidationError), store.snapshot() as snapshot:
                snapshot.scan("message", limit=len(snapshot.scan("message", limit=1)) - 1)
        assert open_descriptors(str(path)).count(str(path)) <= 2
        with raw_connection(path) as connection:
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "a reader was left behind"


def test_a_snapshot_that_was_not_read_to_its_end_keeps_nothing_of_its_moment(path: Path) -> None:
    """Its connection's next user sees the present and can write, also while somebody still holds the snapshot."""
    make_store(path, messages=3)
    with open_store(url_of(path, busy_timeout=0.2)) as store, open_store(url_of(path)) as other:
        with store.snapshot() as snapshot:
            assert len(snapshot.scan("message", limit=1)) == 1
        other.append_message(a_message("m3"))
        assert store.get_message("m3") is not None
        store.append_message(a_message("m4"))
        assert store.counts().messages == 5
        with raw_connection(path) as connection:
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert snapshot is not None


def test_a_transaction_that_is_open_when_the_store_is_closed(path: Path) -> None:
    """Its own block decides what becomes of it."""
    make_store(path)
    store = open_store(url_of(path))
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with transaction(store) as database:
            database.execute_sql("UPDATE rooms SET name = 'written'")
            inside.set()
            leave.wait(WAIT)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(WAIT)
    closer = threading.Thread(target=store.close)
    closer.start()
    wait_until(lambda: "closed" in repr(store), "the store is closing")
    leave.set()
    writer.join(WAIT)
    closer.join(WAIT)
    assert query(path, "SELECT name FROM rooms") == [("written",)]
    with pytest.raises(StoreClosedError), transaction(store):
        pass
    assert open_descriptors(str(path)) == []


def test_closing_in_an_observer(path: Path) -> None:
    class ClosesAtOnce:
        @hookimpl
        def moltnet_message_appended(self, store: Store) -> None:
            store.close()

    make_store(path)
    store = open_store(url_of(path), plugins=[ClosesAtOnce()])
    assert store.append_message(a_message("last")).message.id == "last"
    with pytest.raises(StoreClosedError):
        store.append_message(a_message("too-late"))
    assert query(path, "SELECT id FROM messages") == [("last",)]


def test_a_failed_open_closes_what_it_opened(path: Path) -> None:
    class Refuses:
        @hookimpl
        def moltnet_store_opened(self) -> None:
            raise RuntimeError("not today")

    with pytest.raises(Exception, match="not today"):
        open_store(url_of(path), plugins=[Refuses()])
    assert open_descriptors(str(path)) == []
    assert [found.name for found in path.parent.iterdir()] == ["moltnet.db"]
    with open_store(url_of(path)) as store:
        assert store.migration_status().is_current


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_a_store_that_nobody_closed_is_no_harm(path: Path) -> None:
    make_store(path)
    store = open_store(url_of(path))
    store.append_message(a_message("m"))
    del store
    gc.collect()
    with open_store(url_of(path)) as other:
        assert all_messages(other) == ["m"]
    assert integrity(path) == []


def test_a_store_to_be_migrated_later_closes_like_any_other(path: Path) -> None:
    make_version(path, 5)
    store = open_store(url_of(path), migrate="later")
    with pytest.raises(MigrationRequiredError):
        store.list_rooms()
    store.close()
    for call in (store.ping, store.migrate, store.migration_status):
        with pytest.raises(StoreClosedError):
            call()
    assert open_descriptors(str(path)) == []
    assert query(path, "SELECT max(version) FROM schema_migrations") == [(5,)]
