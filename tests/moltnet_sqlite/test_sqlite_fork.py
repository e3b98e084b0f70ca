"""Fork: the child works with connections of its own and leaves the parent's alone, whatever the parent was doing."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tests.children import WAIT, Child, foreign_in_chain, listen, open_descriptors, tell
from tests.moltnet_sqlite.support import (
    a_message,
    a_room,
    all_messages,
    integrity,
    make_store,
    query,
    raw_connection,
    url_of,
)

from moltnet_core import MoltnetError, Store, StoreClosedError, open_store
from moltnet_sql import transaction

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

Start = Callable[..., Child]

# Each test's process is a child that itself forks: it has no threads but its own, and what ends there by accident is
# not the test run. Python 3.12 and newer warn when a process with threads forks, which some tests do on purpose.


def forked(work: Callable[[], object], *, hard_exit: bool = True) -> int:
    """Run something in a fork, wait for its end, and return its status. 1 is an exception, which is printed."""
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 0
    try:
        work()
    except BaseException:  # noqa: BLE001 - this process is about to end
        traceback.print_exc()
        status = 1
    if hard_exit:
        os._exit(status)
    sys.exit(status)  # the interpreter ends as it does, and frees what it can


def expect(condition: object, what: object = "") -> None:
    if not condition:
        raise AssertionError(what)


def locks_of(pid: int, path: str) -> list[str]:
    """The locks that a process has of the system on a database and its sidecars."""
    names = {}
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            names[Path(path + suffix).stat().st_ino] = Path(path).name + suffix
    found = []
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        words = [word for word in line.split() if word != "->"]
        inode = int(words[5].rpartition(":")[2])
        if int(words[4]) == pid and inode in names:
            found.append(f"{names[inode]} {words[3]} {words[6]} {words[7]}")
    return sorted(found)


def use_or_refuse(store: Store, path: str, message_id: str) -> bool:
    """In a child whose parent was using the store: it works, with locks of its own, or says at once that it does not.

    :returns: whether the message was stored.
    """
    began = time.monotonic()
    try:
        found = all_messages(store)
        store.append_message(a_message(message_id))
    except MoltnetError as error:
        expect(foreign_in_chain(error) == [], foreign_in_chain(error))
        expect(time.monotonic() - began < 20, "it took too long to refuse")
        return False
    expect("by-thread" not in found, "what was not committed was seen")
    expect(locks_of(os.getpid(), path), "the child has no lock of its own")
    return True


# -- the child -----------------------------------------------------------------------------------------


def use_in_a_child(path: str) -> None:
    store = open_store(url_of(Path(path)))
    store.create_room(a_room())
    store.append_message(a_message("by-parent-1"))
    parent = os.getpid()
    expect(locks_of(parent, path), "no lock of the parent's is seen, so the test sees nothing")

    def work() -> None:
        before = locks_of(parent, path)
        expect([m.id for m in store.list_room_messages("hall").items] == ["by-parent-1"])
        store.append_message(a_message("by-child"))
        with store.snapshot() as snapshot:
            expect([record.id for record in snapshot.records("message")] == ["by-parent-1", "by-child"])
        expect(locks_of(os.getpid(), path), "the child has no lock of its own: its connection is the parent's")
        store.close()
        expect(locks_of(os.getpid(), path) == [], "the child's connections are open")
        expect(locks_of(parent, path) == before, "the parent's locks are gone")
        try:
            store.ping()
        except StoreClosedError:
            return
        raise AssertionError("the store is not closed")

    expect(forked(work) == 0)
    store.append_message(a_message("by-parent-2"))
    tell([m.id for m in store.list_room_messages("hall").items])
    expect(Path(f"{path}-wal").exists(), "the child removed the parent's log")
    store.close()


def test_a_child_reads_and_writes_with_its_own_connections(path: Path, start: Start) -> None:
    assert start(use_in_a_child, path).rest() == [["by-parent-1", "by-child", "by-parent-2"]]
    assert integrity(path) == []


@pytest.mark.parametrize("how", ["unused", "closed"])
def test_the_end_of_a_child_leaves_the_parents_locks(path: Path, start: Start, how: str) -> None:
    make_store(path)
    parent = start(end_in_a_transaction, path, how)
    assert parent.hear() == "child ended"
    assert_locked(path)
    parent.say()
    parent.end()
    assert query(path, "SELECT name FROM rooms") == [("by the parent",)]
    assert query(path, "SELECT id FROM messages ORDER BY id") == [("m",), ("n",)]
    assert integrity(path) == []


def end_in_a_transaction(path: str, how: str) -> None:
    """The fork happens while the parent's other thread writes; the child ends as a Python program does."""
    store = open_store(url_of(Path(path)))
    store.append_message(a_message("m"))
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with transaction(store) as database:
            database.execute_sql("UPDATE rooms SET name = 'by the parent'")
            inside.set()
            leave.wait(WAIT)

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait(WAIT)
    status = forked(store.close if how == "closed" else lambda: None, hard_exit=False)
    expect(status == 0, status)
    tell("child ended")
    listen()
    leave.set()
    writer.join()
    store.append_message(a_message("n"))
    store.close()


def assert_locked(path: Path) -> None:
    """Another process cannot write, checkpoint to the end, change the journal mode, or have the file alone."""
    with raw_connection(path, timeout=0) as connection:
        for sql in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"):
            with pytest.raises(Exception, match="locked"):
                connection.execute(sql)
        with pytest.raises(Exception, match="locked"):
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 1


def fork_beside_a_writing_thread(path: str) -> None:
    """Another thread of the parent is in the middle of a transaction, another in a snapshot, and both hold locks."""
    store = open_store(url_of(Path(path), busy_timeout=1))
    both, leave = threading.Barrier(3), threading.Event()

    def write() -> None:
        with transaction(store) as database:
            store.append_message(a_message("by-thread"))
            database.execute_sql("UPDATE rooms SET name = 'by the thread'")
            both.wait(WAIT)
            leave.wait(WAIT)

    def read() -> None:
        with store.snapshot() as snapshot:
            snapshot.scan("message", limit=1)
            both.wait(WAIT)
            leave.wait(WAIT)
            expect([record.id for record in snapshot.records("message")] == ["m0", "m1", "m2"])

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    both.wait(WAIT)
    parent = os.getpid()
    before = locks_of(parent, path)
    expect(any("WRITE" in lock for lock in before), before)

    def work() -> None:
        expect(not use_or_refuse(store, path, "beside-the-parent"), "the child wrote beside the parent's transaction")
        store.close()

    for hard_exit in (True, False):
        expect(forked(work, hard_exit=hard_exit) == 0)
        expect(locks_of(parent, path) == before, "the parent's locks are gone")
    tell("forked")
    listen()
    leave.set()
    for thread in threads:
        thread.join()
    expect(all_messages(store) == ["m0", "m1", "m2", "by-thread"])
    expect(forked(lambda: store.append_message(a_message("by-child"))) == 0)
    tell(all_messages(store))
    store.close()


def test_a_fork_while_another_thread_writes_and_one_reads(path: Path, start: Start) -> None:
    make_store(path, messages=3)
    parent = start(fork_beside_a_writing_thread, path)
    assert parent.hear() == "forked"
    assert_locked(path)
    parent.say()
    assert parent.hear() == ["m0", "m1", "m2", "by-thread", "by-child"]
    parent.end()
    assert query(path, "SELECT name FROM rooms") == [("by the thread",)]
    assert integrity(path) == []


def fork_beside_busy_threads(path: str, forks: int) -> None:
    """Threads that take and give back connections and locks all the time, while the process forks again and again."""
    store = open_store(url_of(Path(path), busy_timeout=WAIT))
    stop = threading.Event()
    appended: list[str] = []

    def write(name: int) -> None:
        number = 0
        while not stop.is_set():
            message = a_message(f"t{name}-{number}")
            store.append_message(message)
            appended.append(message.id)
            store.list_room_messages("hall")
            number += 1

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(forks):

            def work(number: int = number) -> None:
                store.append_message(a_message(f"child-{number}"))
                expect(store.get_message(f"child-{number}") is not None)
                store.list_rooms()
                store.close()

            expect(forked(work) == 0, number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    tell({"appended": len(appended), "found": len(set(all_messages(store)) & set(appended))})
    store.close()


def test_forks_beside_threads_that_are_busy(path: Path, start: Start) -> None:
    make_store(path)
    (found,) = start(fork_beside_busy_threads, path, 25).rest()
    assert found["appended"] == found["found"] > 0
    assert query(path, "SELECT count(*) FROM messages WHERE id LIKE 'child-%'") == [(25,)]
    assert integrity(path) == []


def fork_in_a_snapshot(path: str) -> None:
    store = open_store(url_of(Path(path)))
    parent = os.getpid()
    child = 0
    before: list[str] = []
    try:
        with store.snapshot() as snapshot:
            expect(len(snapshot.scan("message", limit=2)) == 2)
            before += locks_of(parent, path)
            child = os.fork()
            if child:
                expect(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 3))
                expect(locks_of(parent, path) == before, "the parent's locks are gone")
                expect([record.id for record in snapshot.records("message")] == [f"m{number}" for number in range(5)])
            else:
                try:
                    snapshot.scan("message")
                except MoltnetError as error:
                    expect(foreign_in_chain(error) == [])
                else:
                    os._exit(2)
    except StoreClosedError:
        # The child too leaves the block, as a program would.
        expect(os.getpid() != parent, "the parent's snapshot was closed")
    if os.getpid() != parent:
        end_of_child(store, path, parent, before)
    tell(all_messages(store))
    store.close()


def end_of_child(store: Store, path: str, parent: int, before: list[str]) -> None:
    """3 tells that the store refused to be used."""
    status = 1
    try:
        expect(locks_of(parent, path) == before, "leaving the block took the parent's locks")
        status = 0 if use_or_refuse(store, path, "by-child") else 3
        store.close()
        expect(locks_of(parent, path) == before, "closing took the parent's locks")
    except BaseException:  # noqa: BLE001 - this process is about to end
        traceback.print_exc()
        status = 1
    os._exit(status)


def test_a_fork_during_a_snapshot(path: Path, start: Start) -> None:
    make_store(path, messages=5)
    (found,) = start(fork_in_a_snapshot, path).rest()
    assert found[:5] == ["m0", "m1", "m2", "m3", "m4"]
    assert found[5:] in ([], ["by-child"])
    assert integrity(path) == []


def fork_in_a_transaction(path: str) -> None:
    store = open_store(url_of(Path(path), busy_timeout=0.5))
    parent = os.getpid()
    before: list[str] = []
    try:
        with transaction(store) as database:
            store.append_message(a_message("in-transaction"))
            database.execute_sql("UPDATE rooms SET name = 'by the parent'")
            before += locks_of(parent, path)
            child = os.fork()
            if child:
                expect(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3, "the child wrote, or failed")
                tell("child ended")
                listen()
    except StoreClosedError:
        # In the child: the transaction is the parent's, to commit or not.
        expect(os.getpid() != parent, "the parent's transaction failed")
    except BaseException:
        if os.getpid() != parent:
            traceback.print_exc()
            os._exit(1)
        raise
    if os.getpid() != parent:
        end_of_child(store, path, parent, before)
    tell(all_messages(store))
    store.close()


def test_a_fork_in_a_transaction(path: Path, start: Start) -> None:
    """The child cannot commit it, and leaving its block does not end it for the parent."""
    make_store(path, messages=1)
    parent = start(fork_in_a_transaction, path)
    assert parent.hear() == "child ended"
    assert_locked(path)
    parent.say()
    assert parent.hear() == ["m0", "in-transaction"]
    parent.end()
    assert query(path, "SELECT name FROM rooms") == [("by the parent",)]


def go_on_after_the_parent_closed(path: str) -> None:
    """The child has a connection open when the parent closes its own, and goes on."""
    store = open_store(url_of(Path(path)))
    store.append_message(a_message("by-parent"))
    to_parent, to_child = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            for number in range(5):
                store.append_message(a_message(f"before-{number}"))
            os.write(to_parent[1], b".")
            os.read(to_child[0], 1)
            for number in range(5):
                store.append_message(a_message(f"after-{number}"))
        except BaseException:  # noqa: BLE001 - this process is about to end
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.read(to_parent[0], 1)
    store.close()
    tell(Path(f"{path}-wal").exists())
    os.write(to_child[1], b".")
    expect(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0)


def test_what_a_child_writes_stays_when_its_parent_closes(path: Path, start: Start) -> None:
    """Whoever is the last to close a database moves its log away; the parent is not, while the child uses it."""
    make_store(path)
    assert start(go_on_after_the_parent_closed, path).rest() == [True]
    expected = ["by-parent", *(f"{when}-{number}" for when in ("before", "after") for number in range(5))]
    with open_store(url_of(path)) as store:
        assert sorted(all_messages(store)) == sorted(expected)
    assert integrity(path) == []


def go_on_after_the_child_closed(path: str) -> None:
    """The other way round."""
    store = open_store(url_of(Path(path)))
    store.append_message(a_message("by-parent"))

    for number in range(2):

        def work(number: int = number) -> None:
            store.append_message(a_message(f"by-child-{number}"))
            store.close()

        expect(forked(work) == 0)
        store.append_message(a_message(f"after-{number}"))
        expect(Path(f"{path}-wal").exists(), "the child removed the parent's log")
    store.close()


def test_what_a_parent_writes_stays_when_its_child_closes(path: Path, start: Start) -> None:
    make_store(path)
    start(go_on_after_the_child_closed, path).end()
    found = [row[0] for row in query(path, "SELECT id FROM messages ORDER BY rowid")]
    assert found == ["by-parent", "by-child-0", "after-0", "by-child-1", "after-1"]
    assert integrity(path) == []


def fork_with_a_closed_store(path: str) -> None:
    store = open_store(url_of(Path(path)))
    store.close()

    def work() -> None:
        for call in (store.ping, store.list_rooms, lambda: store.append_message(a_message("m"))):
            try:
                call()
            except StoreClosedError:
                continue
            raise AssertionError("it is open again")
        store.close()
        expect(open_descriptors(path) == [])

    expect(forked(work) == 0)


def test_the_child_of_a_closed_store(path: Path, start: Start) -> None:
    make_store(path)
    start(fork_with_a_closed_store, path).end()


def fork_a_read_only_store(path: str) -> None:
    store = open_store(url_of(Path(path), mode="ro"))
    expect(store.counts().messages == 3)
    expect(forked(lambda: expect(all_messages(store) == ["m0", "m1", "m2"])) == 0)
    expect(all_messages(store) == ["m0", "m1", "m2"])
    store.close()


def test_the_child_of_a_read_only_store(path: Path, start: Start) -> None:
    make_store(path, messages=3)
    start(fork_a_read_only_store, path).end()


def fork_generations(path: str, depth: int) -> None:
    store = open_store(url_of(Path(path)))

    def generation(number: int) -> None:
        store.append_message(a_message(f"generation-{number}"))
        if number < depth:
            expect(forked(lambda: generation(number + 1)) == 0)
        expect(store.get_message(f"generation-{depth}") is not None)
        store.append_message(a_message(f"after-{number}"))

    generation(0)
    store.close()


def test_children_of_children(path: Path, start: Start) -> None:
    make_store(path)
    start(fork_generations, path, 4).end()
    assert query(path, "SELECT count(*) FROM messages") == [(10,)]
    assert integrity(path) == []


def append_in_a_pool(store: Store, name: int) -> None:
    for number in range(20):
        store.append_message(a_message(f"p{name}-{number}"))
    store.close()


def use_multiprocessing(path: str) -> None:
    """Its fork context hands the store over as it is, and its children end through ``os._exit``."""
    store = open_store(url_of(Path(path)))
    store.ping()
    context: Any = get_context("fork")
    processes = [context.Process(target=append_in_a_pool, args=(store, name)) for name in range(4)]
    for process in processes:
        process.start()
    for number in range(20):
        store.append_message(a_message(f"parent-{number}"))
    for process in processes:
        process.join()
    tell([process.exitcode for process in processes])
    tell(len(all_messages(store)))
    store.close()


def test_multiprocessing_with_fork(path: Path, start: Start) -> None:
    make_store(path)
    assert start(use_multiprocessing, path).rest() == [[0, 0, 0, 0], 100]
    assert integrity(path) == []


def parent_ends_first(path: str) -> None:
    """The child goes on when the parent has closed its store and gone."""
    store = open_store(url_of(Path(path)))
    store.append_message(a_message("by-parent"))
    pid = os.fork()
    if pid:
        store.close()
        os._exit(0)
    if not listen():
        os._exit(1)
    try:
        for number in range(50):
            store.append_message(a_message(f"by-child-{number}"))
        tell(len(all_messages(store)))
        store.close()
        tell(integrity(Path(path)))
    except BaseException as error:  # noqa: BLE001 - this process is about to end
        tell(repr(error))
    os._exit(0)


def test_a_child_that_outlives_its_parent(path: Path, start: Start) -> None:
    make_store(path)
    parent = start(parent_ends_first, path)
    parent.end()
    parent.say("go on")
    assert parent.hear() == 51
    assert parent.hear() == []
    assert query(path, "SELECT count(*) FROM messages") == [(51,)]
    assert integrity(path) == []
