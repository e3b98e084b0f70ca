"""A full disk, three ways: typed, nothing lost, and work goes on when there is space again."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, outcome, tell
from tests.moltnet_sqlite.support import a_room, make_store, url_of
from tests.reliability.checks import a_batch, a_message_of, partial, stored

from moltnet_core import MoltnetError, StorageFullError, Store, open_store
from moltnet_sql import transaction

Start = Callable[..., Child]
Figure = Callable[[str], None]


def append_until_full(store: Store, name: str, *, known: bool = True) -> list[str]:
    """Append messages of every kind until one is refused.

    :param known: the error has to know that nothing was committed. (A limit that a commit meets looks to SQLite like
        a disk that fails, of which it is not known what it kept.)
    :returns: ids of those that were acknowledged, and of those that are there although they were not.
    :raises AssertionError: it was refused for another reason, or never, or the error says what is not so.
    """
    acknowledged: list[str] = []
    for number in range(20_000):
        batch = a_batch(f"{name}-{number}") if number % 5 == 4 else None
        message = a_message_of(("room", "thread", "dm")[number % 3], f"{name}-{number}")
        try:
            if batch:
                store.append_messages(batch)
            else:
                store.append_message(message)
        except StorageFullError as error:
            there = [each.id for each in batch or [message] if store.get_message(each.id)]
            if (known and error.committed is not False) or (there and error.committed is False):
                raise AssertionError(f"committed is {error.committed}, and {len(there)} are there") from error
            return acknowledged + there
        acknowledged += [each.id for each in batch or [message]]
    raise AssertionError("it was never full")


def check(path: Path, acknowledged: set[str]) -> None:
    assert partial(path) == {}
    assert stored(path) == acknowledged


def test_a_limit_of_the_database(path: Path, figure: Figure) -> None:
    """``max_page_count``, at sixty places."""
    make_store(path)
    acknowledged: set[str] = set()
    times = 60
    with open_store(url_of(path)) as store:
        for number in range(times):
            with transaction(store) as database:
                pages = database.execute_sql("PRAGMA page_count").fetchone()[0]
                database.execute_sql(f"PRAGMA max_page_count = {pages + number % 30}")
            acknowledged.update(append_until_full(store, f"a{number}"))
            with transaction(store) as database:
                database.execute_sql(f"PRAGMA max_page_count = {2**30}")
            message = a_message_of("room", f"resumed-{number}")
            store.append_message(message)
            acknowledged.add(message.id)
    check(path, acknowledged)
    figure(
        f"disk full (max_page_count): {times} times, {len(acknowledged)} acknowledged, all intact, resumed each time"
    )


def fill_under_limits(path: str, times: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    unlimited = resource.RLIM_INFINITY
    acknowledged: list[str] = []
    with open_store(url_of(Path(path))) as store:
        for number in range(times):
            # Of the database, or of the log, whichever is the larger: so the limit is met by either.
            size = max(Path(f"{path}{suffix}").stat().st_size for suffix in ("", "-wal"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 7919 * (number % 20), unlimited))
            acknowledged += append_until_full(store, f"a{number}", known=False)
            resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
            message = a_message_of("room", f"resumed-{number}")
            store.append_message(message)
            acknowledged.append(message.id)
    tell(acknowledged)


def test_a_limit_of_the_system(path: Path, start: Start, figure: Figure) -> None:
    """``RLIMIT_FSIZE``, at sixty places."""
    make_store(path)
    times = 60
    (acknowledged,) = start(fill_under_limits, path, times).rest()
    check(path, set(acknowledged))
    figure(f"disk full (RLIMIT_FSIZE): {times} times, {len(acknowledged)} acknowledged, all intact, resumed each time")


def fill_a_small_disk(folder: str, megabytes: int, times: int) -> None:
    """In a mount namespace of its own, so that the mount ends with this process."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        tell(["cannot mount", mounted.stderr.decode(errors="replace")])
        return
    path, filler = Path(folder, "moltnet.db"), Path(folder, "filler")
    make_store(path)
    chance = random.Random(1)
    acknowledged: set[str] = set()
    for number in range(times):
        with open_store(url_of(path)) as store:
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
            leave = chance.choice([0, 4096, 9000, 40_000, 90_000, 300_000, 900_000, 2_000_000])
            filler.write_bytes(bytes(max(0, free - leave)))
            acknowledged.update(append_until_full(store, f"a{number}"))
            # Reading works without space.
            assert store.counts().messages == len(acknowledged)

            def create_room(store: Store = store, number: int = number) -> None:
                store.create_room(a_room(f"r{number}", name="x" * 9000))

            refused = outcome(create_room)
            assert refused["error"] in (None, "StorageFullError"), refused
            if number % 3 == 0:
                store.close()  # with its checkpoint, on the full disk
                filler.unlink()
                continue
            filler.unlink()
            message = a_message_of("room", f"resumed-{number}")
            store.append_message(message)
            acknowledged.add(message.id)
    check(path, acknowledged)
    # And a database that is created where there is no space.
    first: dict[str, int] = {}
    for number in range(40):
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
        filler.write_bytes(bytes(max(0, free - 32_768 * number)))
        new = Path(folder, f"new-{number}.db")

        def create(new: Path = new) -> None:
            with open_store(url_of(new)) as store:
                store.create_room(a_room())

        told = outcome(create)
        first[told["error"] or "created"] = first.get(told["error"] or "created", 0) + 1
        assert not told.get("foreign"), told
        filler.unlink()
        create() if told["error"] else None
        for left in Path(folder).glob("new-*"):
            left.unlink()
    tell(["filled", len(acknowledged), first])


def test_a_small_disk(tmp_path: Path, start: Start, figure: Figure) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    folder, times = tmp_path / "disk", 40
    folder.mkdir()
    told = start(fill_a_small_disk, folder, 24, times, wrapper=["unshare", "--mount"]).rest()
    if not told or told[0][0] == "cannot mount":
        pytest.skip(f"a small disk cannot be mounted here: {told}")
    _, acknowledged, first = told[0]
    figure(
        f"disk full (tmpfs): {times} times, {acknowledged} acknowledged, all intact, resumed each time; "
        f"40 new databases: {first}"
    )
    assert set(first) == {"created", "StorageFullError"}
    assert list(folder.iterdir()) == []


def test_the_measure_can_tell(path: Path, tmp_path: Path) -> None:
    """The check that the tests above end with finds what is half there."""
    make_store(path)
    with open_store(url_of(path)) as store:
        for number in range(3):
            store.append_messages(a_batch(f"a-{number}"))
        store.append_message(a_message_of("dm", "d"))
    check(path, stored(path))
    damages: dict[str, Any] = {
        "messages without all their artifacts": "DELETE FROM artifacts WHERE message_id = 'd' AND part_index = 1",
        "threads that count wrong": "UPDATE threads SET message_count = message_count + 1",
        "DMs that count wrong": "UPDATE dm_conversations SET last_message_at = '2001-01-01T00:00:00.000000000Z'",
        "DMs without their participants": "DELETE FROM dm_participants WHERE participant_id = 'bob'",
        "half batches": "DELETE FROM messages WHERE id = 'a-1:0'",
        "artifacts without a message": "UPDATE artifacts SET message_id = 'nothing' WHERE message_id = 'd'",
    }
    from tests.moltnet_sqlite.support import query

    for name, sql in damages.items():
        damaged = tmp_path / "damaged.db"
        shutil.copy(path, damaged)
        query(damaged, sql)
        assert name in partial(damaged), name
        with pytest.raises((AssertionError, MoltnetError)):
            check(damaged, stored(path))
