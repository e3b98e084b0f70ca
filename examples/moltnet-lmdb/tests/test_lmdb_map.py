"""The map grows, over several processes; it ends where it is told to; a full disk is told as such."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moltnet_core import Actor, Message, Part, Room, StorageFullError, Store, StoreBusyError, Target, open_store

MIB = 2**20
ACTOR = Actor("agent", "a")


def _message(kib: int = 64) -> Message:
    return Message("net", Target.room("r"), ACTOR, [Part("text", "x" * kib * 1024)])


def _fill(store: Store, mib: int) -> None:
    for _ in range(mib):
        store.append_messages([_message() for _ in range(16)])


@pytest.fixture
def place(tmp_path: Path) -> str:
    with open_store(f"lmdb:///{tmp_path}/a.lmdb") as store:
        store.create_room(Room("r", "net"))
    return f"lmdb:///{tmp_path}/a.lmdb"


OTHER = """
import sys
from moltnet_core import Actor, Message, Part, Target, open_store
with open_store(sys.argv[1]) as store:
    print("open", flush=True)
    for line in sys.stdin:
        if line == "append\\n":
            for _ in range(48):
                store.append_message(Message("net", Target.room("r"), Actor("agent", "b"), [Part("text", "y" * 65536)]))
        print(store.counts().messages, flush=True)
"""


class Other:
    """Another process that has the same store open."""

    def __init__(self, location: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OTHER, location], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "open\n"

    def ask(self, what: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture
def other(place: str) -> Iterator[Other]:
    process = Other(f"{place}?map_size={MIB}")
    yield process
    process.end()


def test_two_processes_let_the_map_grow_in_turn(place: str, other: Other) -> None:
    with open_store(f"{place}?map_size={MIB}") as store:
        for turn in range(1, 4):
            _fill(store, 3)
            assert other.ask("count") == (2 * turn - 1) * 48
            assert other.ask("append") == 2 * turn * 48
            assert store.counts().messages == 2 * turn * 48
        assert int(store.describe()["map_size"]) > 18 * MIB


def test_one_transaction_larger_than_the_map(place: str) -> None:
    with open_store(f"{place}?map_size={MIB}") as store:
        store.append_messages([_message(1024) for _ in range(20)])
        assert store.counts().messages == 20


def test_the_map_waits_for_a_snapshot_of_its_own_process(place: str) -> None:
    with open_store(f"{place}?map_size={MIB}") as store:
        with store.snapshot() as snapshot:
            with pytest.raises(StoreBusyError, match="map_size") as caught:
                _fill(store, 3)
            assert caught.value.committed is False
            assert len(snapshot.scan("room")) == 1
        stored = store.counts().messages
        _fill(store, 3)
        assert store.counts().messages == stored + 48


def test_a_snapshot_survives_another_process_s_growth(place: str, other: Other) -> None:
    with open_store(f"{place}?map_size={MIB}") as store, store.snapshot() as snapshot:
        assert other.ask("append") == 48
        assert snapshot.scan("message") == []
        assert len(snapshot.scan("room")) == 1


def test_max_size(place: str) -> None:
    with open_store(f"{place}?map_size={MIB}&max_size={3 * MIB}") as store:
        with pytest.raises(StorageFullError, match="max_size") as caught:
            _fill(store, 4)
        assert caught.value.committed is False
        stored = store.counts().messages
        assert 16 <= stored < 64
        store.reconcile_room(Room("r", "net", name="small writes still fit"))
    with open_store(f"{place}?map_size={MIB}&max_size={9 * MIB}") as store:
        _fill(store, 4)
        assert store.counts().messages == stored + 64


def test_a_write_that_the_process_s_file_limit_cuts_off(place: str, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_store(place) as store:
        first = _message(1)
        store.append_message(first)
        size = (tmp_path / "a.lmdb").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 65536, hard))
        try:
            with pytest.raises(StorageFullError) as caught:
                store.append_message(_message(1024))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.committed is False
        assert type(caught.value.__cause__).__name__ == "DriverError"
        assert [message.id for message in store.list_room_messages("r").items] == [first.id]
        store.append_message(_message(1024))
        assert store.counts().messages == 2
