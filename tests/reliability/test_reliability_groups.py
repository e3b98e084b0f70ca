"""Grouped commits under kill -9, on the disk, and between processes: what one append promises, each of many keeps."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from tests.children import WAIT, Child, listen, tell
from tests.moltnet_sqlite.support import a_room, make_store, url_of
from tests.reliability.checks import a_batch, a_message_of, partial, stored

from moltnet_core import StorageFullError, Store, open_store

Start = Callable[..., Child]
Figure = Callable[[str], None]
THREADS = 12


def append_from_threads(store: Store, name: str, appends: int | None = None) -> list[threading.Thread]:
    """Start threads that append every kind of message, and tell each one's ids once it is acknowledged.

    :param appends: how many each appends; without it, until the process is killed.
    """

    def run(thread: int) -> None:
        try:
            for number in count() if appends is None else range(appends):
                message_id = f"{name}-{thread}-{number}"
                if thread % 4 == 3:
                    batch = a_batch(message_id)
                    store.append_messages(batch)
                    tell(["stored", *(message.id for message in batch)])
                else:
                    store.append_message(a_message_of(("room", "thread", "dm")[thread % 4], message_id))
                    tell(["stored", message_id])
        except BaseException:  # noqa: BLE001 - told, and the process ends with it
            tell(["failed", traceback.format_exc()])
            os._exit(1)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(THREADS)]
    for each in threads:
        each.start()
    return threads


def largest_group(store: Store) -> int:
    found: int = store.driver.groups.largest  # type: ignore[attr-defined]
    return found


# -- killed ------------------------------------------------------------------------------------------------


def append_until_killed(url: str, name: str) -> None:
    append_from_threads(open_store(url), name)


def kill_and_collect(start: Start, url: str, kills: int, check: Callable[[set[str]], None]) -> set[str]:
    """Kill processes in mid-append.

    :param check: is given what was acknowledged, after each.
    """
    chance = random.Random(1)
    acknowledged: set[str] = set()
    for number in range(kills):
        child = start(append_until_killed, url, f"k{number}")
        for _ in range(chance.randint(1, 60)):
            said, *ids = child.hear()
            assert said == "stored", ids
            acknowledged.update(ids)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        for line in child.lines():
            acknowledged.update(re.findall(r"k\d+-\d+-\d+(?::\d)?", line.decode()))
        check(acknowledged)
    return acknowledged


# What was on its way at a kill may be there or not: at most one append a thread.
UNDER_WAY = THREADS // 4 * 3 + THREADS // 4 * 5


def test_kill_9_in_the_middle_of_grouped_appends(path: Path, start: Start, figure: Figure) -> None:
    make_store(path)
    kills = 8

    def check(acknowledged: set[str]) -> None:
        assert acknowledged <= stored(path)

    acknowledged = kill_and_collect(start, url_of(path, busy_timeout=WAIT), kills, check)
    found, halves = stored(path), partial(path)
    figure(
        f"kill -9 of grouped appends: {kills} kills, {len(acknowledged)} acknowledged, {len(found & acknowledged)} "
        f"found, {len(found - acknowledged)} found that were not acknowledged yet, "
        f"{sum(map(len, halves.values()))} partial"
    )
    assert halves == {}
    assert len(found - acknowledged) <= kills * UNDER_WAY


def test_kill_9_in_the_middle_of_shared_rewrites(tmp_path: Path, start: Start, figure: Figure) -> None:
    """The same on JSON: each time the file parses, and batches are in it whole."""
    url = f"json:///{tmp_path / 'snapshot.json'}"
    with open_store(url) as store:
        store.create_room(a_room())
    kills = 6

    def found() -> set[str]:
        with open_store(f"{url}?mode=ro") as store, store.snapshot() as snapshot:
            return {record.id for record in snapshot.records("message")}

    def check(acknowledged: set[str]) -> None:
        there = found()
        assert acknowledged <= there
        sizes = Counter(message_id.partition(":")[0] for message_id in there if ":" in message_id)
        assert set(sizes.values()) <= {5}, "a batch is there by half"

    acknowledged = kill_and_collect(start, url, kills, check)
    more = found() - acknowledged
    figure(
        f"kill -9 of shared rewrites (JSON): {kills} kills, {len(acknowledged)} acknowledged and found, "
        f"{len(more)} found that were not acknowledged yet"
    )
    assert len(more) <= kills * UNDER_WAY
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".json"] == ["snapshot.json"]


# -- on the disk -------------------------------------------------------------------------------------------


def append_some(path: str, appends: int) -> None:
    with open_store(url_of(Path(path), busy_timeout=WAIT)) as store:
        tell(["begin"])
        for thread in append_from_threads(store, "m", appends):
            thread.join()
        counts = store.driver.groups  # type: ignore[attr-defined]
        tell(["groups", counts.groups, counts.writes, counts.largest])


def test_each_group_is_on_the_disk_before_one_of_it_is_acknowledged(
    path: Path, tmp_path: Path, start: Start, figure: Figure
) -> None:
    """Between the moment when an append's row goes into the log and its acknowledgement, the log is synced."""
    if shutil.which("strace") is None:
        pytest.fail("strace is needed to count system calls; on Debian: apt-get install strace")
    make_store(path)
    trace = tmp_path / "trace"
    tracer = ["strace", "-f", "-qq", "-y", "-e", "trace=fsync,fdatasync,write,pwrite64", "-s", "60000", "-xx"]
    appends = 8
    told = start(append_some, path, appends, wrapper=[*tracer, "-o", str(trace)]).rest()
    _, groups, writes, largest = told[-1]
    assert largest > 1, "nobody waited, so the test saw no group"
    unsynced: set[str] = set()  # of messages whose row is in the log, and was not there at its last sync
    seen: set[str] = set()
    told_of: set[str] = set()  # a call that a signal interrupts stands in the trace twice
    syncs = 0
    began: dict[str, set[str]] = {}  # by thread, what a sync that is under way covers
    for line in trace.read_text(encoding="ascii", errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        if call.lstrip().startswith(("fsync(", "fdatasync(")) and "-wal" in _unescaped(call):
            began[thread] = set(unsynced)
        if re.search(r"(fsync|fdatasync)[ (].*= 0$", call) and thread in began:
            unsynced -= began.pop(thread)
            syncs += 1
            continue
        if "write(" not in call and "pwrite64(" not in call:
            continue
        text = _unescaped(call)
        ids = set(re.findall(r"m-\d+-\d+(?::\d)?(?![\d:])", text))
        if "pwrite64(" in call:
            unsynced |= ids - seen
            seen |= ids
        elif '["stored"' in text:
            told_of |= {each.partition(":")[0] for each in ids}
            assert ids <= seen, f"{ids - seen} were acknowledged before they were written"
            assert not ids & unsynced, f"{ids & unsynced} were acknowledged before they were synced"
    acknowledged = len(told_of)
    figure(
        f"fsync of groups: {acknowledged} acknowledged appends, {writes} of them in {groups} groups of at most "
        f"{largest}, {syncs} syncs of the log"
    )
    assert acknowledged == appends * THREADS
    # Each group was one commit, and so was each append that was by itself.
    assert syncs >= groups + acknowledged - writes


def _unescaped(call: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), call)


# -- a full disk -------------------------------------------------------------------------------------------


def fill_from_threads(path: str, times: int) -> None:
    """Threads append until the process's limit for files refuses each, again and again at another place."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    unlimited = resource.RLIM_INFINITY
    told: dict[str, list[str]] = {"stored": [], "refused": [], "unknown": []}

    def run(store: Store, name: str, thread: int) -> None:
        for number in count():
            message = a_message_of(("room", "thread", "dm")[thread % 3], f"{name}-{thread}-{number}")
            try:
                store.append_message(message)
            except StorageFullError as error:
                told["unknown" if error.committed is None else "refused"].append(message.id)
                return
            told["stored"].append(message.id)

    with open_store(url_of(Path(path), busy_timeout=WAIT)) as store:
        for number in range(times):
            size = max(Path(f"{path}{suffix}").stat().st_size for suffix in ("", "-wal"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 97_001 * (number % 10), unlimited))
            threads = [threading.Thread(target=run, args=(store, f"f{number}", thread)) for thread in range(THREADS)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
            resumed = a_message_of("room", f"resumed-{number}")
            store.append_message(resumed)
            told["stored"].append(resumed.id)
        tell([told, store.driver.groups.largest])  # type: ignore[attr-defined]


def test_a_full_disk_beside_groups(path: Path, start: Start, figure: Figure) -> None:
    make_store(path)
    times = 8
    ((told, largest),) = start(fill_from_threads, path, times).rest()
    found = stored(path)
    acknowledged, refused, unknown = (set(told[key]) for key in ("stored", "refused", "unknown"))
    figure(
        f"disk full beside groups of at most {largest}: {times} times, {len(acknowledged)} acknowledged, "
        f"{len(refused)} refused, of {len(unknown)} it was not known, and {len(found & unknown)} of those are there"
    )
    assert largest > 1
    assert acknowledged <= found <= acknowledged | unknown
    assert len(refused) + len(unknown) == times * THREADS
    assert partial(path) == {}


# -- processes ---------------------------------------------------------------------------------------------


def append_beside_others(path: str, name: str, appends: int) -> None:
    with open_store(url_of(Path(path), busy_timeout=WAIT)) as store:
        tell(["ready"])
        listen()
        began = time.monotonic()
        for thread in append_from_threads(store, name, appends):
            thread.join()
        tell(["ended", time.monotonic() - began, largest_group(store)])


def test_processes_with_many_threads_each(path: Path, start: Start, figure: Figure) -> None:
    make_store(path)
    processes, appends = 8, 15
    children = [start(append_beside_others, path, f"p{number}", appends) for number in range(processes)]
    assert [child.hear() for child in children] == [["ready"]] * processes
    for child in children:
        child.say()
    told = [child.rest() for child in children]
    acknowledged = {message_id for each in told for said, *ids in each if said == "stored" for message_id in ids}
    ends = [each[-1] for each in told]
    figure(
        f"groups of {processes} processes with {THREADS} threads each: {len(acknowledged)} messages, "
        f"the processes took {min(end[1] for end in ends):.1f} to {max(end[1] for end in ends):.1f} s, "
        f"groups of at most {max(end[2] for end in ends)}"
    )
    assert stored(path) == acknowledged
    assert partial(path) == {}
