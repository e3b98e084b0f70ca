"""Several stores and processes on one file: sharing, forks, kills."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from lmdb.verify import verify

from moltnet_core import (
    START,
    Actor,
    Message,
    PageRequest,
    Part,
    Room,
    StoreBusyError,
    StoreClosedError,
    StoreUnavailableError,
    Target,
    open_store,
)
from moltnet_core.types.paging import Start

ACTOR = Actor("agent", "a")


def _message() -> Message:
    return Message("net", Target.thread("r", "t"), ACTOR, [Part("text", "x"), Part("url", url="https://example.org/")])


@pytest.fixture
def place(tmp_path: Path) -> str:
    with open_store(f"lmdb:///{tmp_path}/a.lmdb") as store:
        store.create_room(Room("r", "net"))
    return f"lmdb:///{tmp_path}/a.lmdb"


def in_child(work: Callable[[], object]) -> int:
    """Fork, and say what the child exited with: 0 if the work raised nothing."""
    if (child := os.fork()) == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - nothing may come back from a child
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_stores_of_one_process_share_the_file(place: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a.lmdb")
    with open_store(place) as one, open_store(f"lmdb:///{tmp_path}/link?mode=ro") as two:
        one.append_message(_message())
        assert two.counts().messages == 1
        one.close()
        assert two.counts().messages == 1
        with open_store(place) as three:
            three.append_message(_message())
        assert two.counts().messages == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.lmdb", "a.lmdb-lock", "link"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("a.lmdb*")} == {0o600}


def test_a_snapshot_outlives_its_store(place: str) -> None:
    store = open_store(place)
    with store.snapshot() as snapshot:
        store.close()
        with pytest.raises(StoreClosedError):
            snapshot.scan("room")
    with open_store(place) as store:
        store.append_message(_message())


def test_a_place_that_is_made_anew_is_another(place: str, tmp_path: Path) -> None:
    with open_store(place) as old:
        for path in tmp_path.glob("a.lmdb*"):
            path.unlink()
        with pytest.raises(StoreUnavailableError, match="removed or replaced"):
            old.append_message(_message())
        with pytest.raises(StoreUnavailableError, match="removed or replaced"):
            old.ping()
        with open_store(place) as new:
            assert new.counts().rooms == 0
            assert old.counts().rooms == 1


def test_a_file_that_was_opened_otherwise_in_this_process(place: str, tmp_path: Path) -> None:
    with lmdb.Environment(str(tmp_path / "a.lmdb"), subdir=False), pytest.raises(StoreBusyError, match="this process"):
        open_store(place)
    open_store(place).close()


def test_a_child_opens_its_own_and_leaves_the_parent_s_snapshot_alone(place: str) -> None:
    with open_store(place) as store, store.snapshot() as snapshot:

        def child() -> None:
            store.append_message(_message())
            assert store.counts().messages == 1
            with pytest.raises(StoreClosedError):
                snapshot.scan("room")
            with store.snapshot() as another:
                assert len(another.scan("message")) == 1
            store.close()

        assert in_child(child) == 0
        assert in_child(lambda: None) == 0
        # The snapshot still keeps its pages: with its slot freed, these writes would use them again.
        for _ in range(50):
            store.reconcile_room(Room("r", "net", name="x" * 5000))
        assert snapshot.scan("message") == []
        assert [record.value.name for record in snapshot.scan("room")] == ["r"]  # type: ignore[union-attr]
        assert store.counts().messages == 1


def test_forks_while_other_threads_use_the_store(place: str) -> None:
    with open_store(place) as store:
        done = threading.Event()

        def use() -> None:
            while not done.is_set():
                store.append_message(_message())
                store.list_thread_messages("t")

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                assert in_child(lambda: store.append_message(_message())) == 0
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert store.get_thread("t").message_count == store.counts().messages  # type: ignore[union-attr]


WRITER = """
import sys
from moltnet_core import Actor, Message, Part, Target, open_store
with open_store(sys.argv[1]) as store:
    while True:
        parts = [Part("text", "x" * 3000), Part("url", url="https://example.org/")]
        message = Message("net", Target.thread("r", "t"), Actor("agent", "a"), parts)
        print(store.append_message(message).message.id, flush=True)
"""


def test_killed_while_writing(place: str, tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for kill in range(10):
        with subprocess.Popen([sys.executable, "-c", WRITER, place], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(5 + 3 * kill):
                acknowledged.add(process.stdout.readline().strip())
            process.kill()
            acknowledged.update(line.strip() for line in process.stdout if line.endswith("\n"))
        with open_store(place) as store:
            counts = store.counts()
            stored: set[str] = set()
            after: str | Start | None = START
            while True:
                page = store.list_thread_messages("t", PageRequest(after=after, limit=1000))
                stored |= {message.id for message in page.items}
                if not page.info.has_more:
                    break
                after = page.info.next_after
            assert acknowledged <= stored
            assert counts.messages == counts.artifacts == len(stored)
            assert store.get_thread("t").message_count == len(stored)  # type: ignore[union-attr]
    assert verify(str(tmp_path / "a.lmdb"), subdir=False) == []  # type: ignore[no-untyped-call]


READER = """
import sys
from moltnet_core import open_store
with open_store(sys.argv[1]) as store, store.snapshot() as snapshot:
    print("open", flush=True)
    sys.stdin.read()
"""


def test_readers_that_were_killed_do_not_stay(tmp_path: Path) -> None:
    place = f"lmdb:///{tmp_path}/a.lmdb"
    with open_store(f"{place}?max_readers=2") as store:
        store.create_room(Room("r", "net"))
        for _ in range(5):
            process = subprocess.Popen(
                [sys.executable, "-c", READER, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            with process:
                assert process.stdout is not None
                assert process.stdout.readline() == b"open\n"
                assert store.counts().rooms == 1
                process.send_signal(signal.SIGKILL)
        with store.snapshot(), store.snapshot(), pytest.raises(StoreBusyError, match="max_readers"):
            store.counts()
        assert store.counts().rooms == 1
