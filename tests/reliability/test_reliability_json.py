"""The JSON backend: the order of system calls, kills, faults of the disk, changes by others, and the lock."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.children import Child, listen, open_descriptors, outcome, tell
from tests.moltnet_json.snapshots import opened, read
from tests.moltnet_sqlite.support import a_room
from tests.reliability.checks import a_batch, a_message_of

from moltnet_core import PageRequest, StorageFullError, Store, StoreBusyError

Start = Callable[..., Child]
Figure = Callable[[str], None]

LISTS = ("room_messages", "thread_messages", "direct_messages")


@pytest.fixture
def snapshot(path: Path) -> Path:
    """A snapshot with a room."""
    path = path.with_name("data.json")
    with opened(path) as store:
        store.create_room(a_room())
    return path


def ids_of(path: Path) -> list[str]:
    """Ids of all messages in a file, looked at beneath the package."""
    found = read(path)
    return [message["id"] for name in LISTS for line in found[name].values() for message in line]


def append_one(store: Store, name: str, number: int) -> list[str]:
    """Append a message, or a batch each tenth time; its ids."""
    if number % 10 == 9:
        return [result.message.id for result in store.append_messages(a_batch(f"{name}{number}"))]
    kind = ("room", "thread", "dm")[number % 3]
    return [store.append_message(a_message_of(kind, f"{name}{number}")).message.id]


def needed(program: str) -> None:
    if shutil.which(program) is None:
        pytest.fail(f"{program} is needed; on Debian: apt-get install {program}")


# -- the order of system calls -----------------------------------------------------------------------------


def append_and_tell(path: str, appends: int) -> None:
    with opened(Path(path)) as store:
        tell("begin")
        for number in range(appends):
            append_one(store, "m", number)
            tell(f"stored {number}")


CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
TEMPORARY = re.compile(r'"(\.data\.json\.[0-9a-f]{16}\.tmp)"')


def calls_of_each(trace: Path) -> list[list[tuple[str, str, int]]]:
    """The system calls before each acknowledgement: name, arguments, result."""
    found: list[list[tuple[str, str, int]]] = []
    since: list[tuple[str, str, int]] = []
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        match = CALL.match(line)
        if match is None:
            continue
        call = match["name"], match["arguments"], int(match["result"])
        if call[0] == "write" and call[1].startswith("1, "):
            if "stored" in call[1]:
                found.append(since)
            since = []
        else:
            since.append(call)
    return found


def test_a_new_file_is_on_the_disk_before_it_takes_the_old_one_s_place(
    snapshot: Path, tmp_path: Path, start: Start, figure: Figure
) -> None:
    needed("strace")
    appends = 200
    trace = tmp_path / "trace"
    traced = "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2,flock,unlinkat,link,linkat"
    child = start(append_and_tell, snapshot, appends, wrapper=["strace", "-f", "-qq", "-e", traced, "-o", str(trace)])
    assert child.rest() == ["begin", *(f"stored {number}" for number in range(appends))]
    found = calls_of_each(trace)
    assert len(found) == appends
    names = set()
    for calls in found:
        assert [name for name, _, _ in calls] == ["openat", "flock", "write", "fsync", "renameat", "fsync"], calls
        opening, locking, writing, syncing, renaming, last = calls
        temporary = TEMPORARY.search(opening[1])
        assert temporary is not None, opening
        names.add(temporary[1])
        for flag in ("O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC", "0600"):
            assert flag in opening[1]
        folder, file = opening[1].partition(",")[0], str(opening[2])
        assert locking[1] == f"{file}, LOCK_EX|LOCK_NB"
        assert writing[1].startswith(f"{file}, ")
        assert syncing[1] == file
        assert renaming[1] == f'{folder}, "{temporary[1]}", {folder}, "data.json"'
        assert last[1] == folder
        assert all(result >= 0 for _, _, result in calls)
    assert len(names) == appends
    figure(
        f"JSON system calls: {appends} acknowledged appends, each: new file ({len(names)} different names, mode 0600, "
        "O_EXCL|O_NOFOLLOW) → lock → write → fsync → rename → fsync of the folder → answer"
    )


# -- kill -9 -----------------------------------------------------------------------------------------------


def breed(path: str) -> None:
    """Forks a process that appends, each time it is told to, and tells its id and its end."""
    for generation in count():
        listen()
        pid = os.fork()
        if not pid:
            try:
                with opened(Path(path)) as store:
                    for number in count():
                        tell(["stored", *append_one(store, f"g{generation}-", number)])
            finally:
                os._exit(1)
        tell(["born", pid])
        tell(["dead", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])])


def test_kill_9_in_the_middle_of_appends(snapshot: Path, start: Start, figure: Figure) -> None:
    breeder, chance, kills = start(breed, snapshot), random.Random(1), 200
    acknowledged: set[str] = set()
    left = 0
    for number in range(kills):
        breeder.say("k")
        said, pid = breeder.hear()
        assert said == "born"
        for _ in range(chance.randint(1, 12)):
            said, *ids = breeder.hear()
            assert said == "stored", ids
            acknowledged.update(ids)
        time.sleep(chance.random() * 0.006)  # so that it is hit at any step
        os.kill(pid, signal.SIGKILL)
        while (told := breeder.hear())[0] != "dead":
            acknowledged.update(told[1:])
        assert told == ["dead", -signal.SIGKILL]
        left += len(list(snapshot.parent.iterdir())) - 1
        if number % 5 == 0:
            assert acknowledged <= set(ids_of(snapshot))
    found = ids_of(snapshot)
    batches = Counter(own_id.partition(":")[0] for own_id in found if ":" in own_id)
    figure(
        f"JSON kill -9: {kills} kills, {len(acknowledged)} acknowledged, {len(acknowledged & set(found))} found, "
        f"{len(set(found) - acknowledged)} found that were not acknowledged yet, "
        f"{sum(size != 5 for size in batches.values())} half batches, {left} temporary files left and removed"
    )
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))
    assert set(batches.values()) == {5}
    assert len(set(found) - acknowledged) <= kills * 5
    with opened(snapshot) as store:
        assert store.counts().messages == len(found)
        for thread in store.list_threads("hall").items:
            line = store.list_thread_messages(thread.id, PageRequest(limit=1000)).items
            assert thread.message_count == len(line)
    assert [each.name for each in snapshot.parent.iterdir()] == [snapshot.name]


# -- changes by others -------------------------------------------------------------------------------------


def replaced(path: Path, chance: random.Random) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().replace(b"hello", chance.choice([b"HELLO", b"longer than that"]), 1))
    other.rename(path)


def written_in_place(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def with_the_time_set_back(path: Path, chance: random.Random) -> None:
    status = path.stat()
    written_in_place(path, chance)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut_off(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def removed(path: Path, chance: random.Random) -> None:
    path.unlink()


def test_what_another_program_changed_is_not_written_over(snapshot: Path, figure: Figure) -> None:
    chance, refused = random.Random(1), Counter[str]()
    with opened(snapshot) as store:
        store.append_message(a_message_of("room", "m1"))
    kept = snapshot.read_bytes()
    for number in range(200):
        change = chance.choice([replaced, written_in_place, with_the_time_set_back, cut_off, removed])
        with opened(snapshot) as store:
            for each in range(chance.randrange(3)):
                append_one(store, f"a{number}-", each)
            change(snapshot, chance)
            there = snapshot.read_bytes() if snapshot.exists() else None
            with pytest.raises(StoreBusyError) as caught:
                append_one(store, f"b{number}-", 0)
            assert caught.value.committed is False
        assert (snapshot.read_bytes() if snapshot.exists() else None) == there
        assert {each.name for each in snapshot.parent.iterdir()} <= {snapshot.name}
        refused[change.__name__] += 1
        snapshot.write_bytes(kept)
    figure(f"JSON changed by another program: {refused.total()} times, each StoreBusyError, nothing written: {refused}")
    assert refused.total() == 200


# -- faults of the disk ------------------------------------------------------------------------------------

STEPS = {
    "the new file": ("openat", 2, 15),
    "the lock": ("flock", 2, 3),
    "the write": ("write", 2, 3),
    "the sync": ("fsync", 3, 5),
    "the rename": ("renameat", 2, 3),
    "the folder's sync": ("fsync", 4, 6),
}
"""The system call of each step; which of its name fails first, and how many further on the next one: that of each third
append. (An append syncs twice, and only once where the first fails; the look at the result opens four files.)"""


def append_under_faults(path: str, appends: int) -> None:
    """Appends, and after each looks at file and memory; tells at the end, as telling is a system call too."""
    snapshot = Path(path)
    told: list[dict[str, Any]] = []
    with opened(snapshot) as store:

        def append(number: int) -> None:
            before, messages = snapshot.read_bytes(), store.counts().messages
            found = outcome(lambda: append_one(store, "m", number))
            found["unchanged"] = snapshot.read_bytes() == before and store.counts().messages == messages
            found["agree"] = len(ids_of(snapshot)) == store.counts().messages
            found["left"] = len(list(snapshot.parent.iterdir())) - 1
            told.append(found)

        append(appends)  # what is imported late is imported now
        tell("ready")
        listen()
        told.clear()
        for number in range(appends):
            append(number)
    tell(told)


@pytest.mark.parametrize("code", ["ENOSPC", "EIO"])
def test_a_fault_at_each_step(snapshot: Path, start: Start, figure: Figure, code: str) -> None:
    """The kernel's own answers, by strace: one append in three meets the fault."""
    needed("strace")
    appends = 30
    counted: dict[str, Counter[tuple[str, Any]]] = {}
    for step, (call, first, further) in STEPS.items():
        path = snapshot.with_name(step.replace(" ", "-")) / "data.json"
        path.parent.mkdir()
        shutil.copy(snapshot, path)
        child = start(append_under_faults, path, appends)
        assert child.hear() == "ready"
        faults = f"inject={call}:error={code}:when={first}+{further}"
        command = ["strace", "-f", "-o", os.devnull, "-e", f"trace={call}", "-e", faults, "-p", str(child.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            attached = tracer.stderr.readline()
            assert "attached" in attached, attached
            child.say()
            (told,) = child.rest()
        failed = [found for found in told if found["error"]]
        counted[step] = Counter((found["error"], found["committed"]) for found in failed)
        assert all(found["agree"] and found["left"] == 0 for found in told), (step, told)
        assert not any(found["foreign"] for found in failed), (step, failed)
        assert all(found["unchanged"] == (found["committed"] is False) for found in failed), (step, failed)
        assert {found["committed"] for found in failed} == {None if step == "the folder's sync" else False}, step
        assert len(failed) == appends // 3, (step, told)
    figure(
        f"JSON {code}: {sum(each.total() for each in counted.values())} faults at {len(counted)} steps; up to the "
        "rename the old file byte for byte, memory unchanged, no temporary file, committed=False; the folder's sync: "
        f"the new file, committed=None. {dict(sum(counted.values(), Counter()))}"
    )


def append_until_full(store: Store, path: Path, name: str) -> list[str]:
    acknowledged: list[str] = []
    for number in range(20_000):
        before = path.read_bytes()
        try:
            acknowledged += append_one(store, name, number)
        except StorageFullError as error:
            left = list(path.parent.glob(".data.json.*"))
            if error.committed is not False or path.read_bytes() != before or left:
                raise AssertionError(f"committed is {error.committed}, and there is {left}") from error
            return acknowledged
    raise AssertionError("it was never full")


def fill_a_small_disk(folder: str, times: int) -> None:
    """In a mount namespace of its own, so that the mount ends with this process."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        tell(["cannot mount", mounted.stderr.decode(errors="replace")])
        return
    path, filler = Path(folder, "data.json"), Path(folder, "filler")
    with opened(path) as store:
        store.create_room(a_room())
    chance = random.Random(1)
    acknowledged: set[str] = set()
    for number in range(times):
        with opened(path) as store:
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
            leave = path.stat().st_size + chance.choice([0, 4096, 9000, 20_000])
            filler.write_bytes(bytes(max(0, free - leave)))
            acknowledged.update(append_until_full(store, path, f"a{number}-"))
            assert store.counts().messages == len(acknowledged)
            filler.unlink()
            acknowledged.update(append_one(store, f"resumed{number}-", 0))
        assert set(ids_of(path)) == acknowledged
    # And a snapshot that is created where there is no space.
    first: Counter[str] = Counter()
    for left in (0, 4096, 8192):
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
        filler.write_bytes(bytes(max(0, free - left)))
        new = Path(folder, "new.json")
        first[outcome(lambda new=new: opened(new).close())["error"] or "created"] += 1  # type: ignore[misc]
        filler.unlink()
        opened(new).close()
        new.unlink()
    tell(["filled", len(acknowledged), first, sorted(each.name for each in Path(folder).iterdir())])


def test_a_small_disk(tmp_path: Path, start: Start, figure: Figure) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    folder, times = tmp_path / "disk", 30
    folder.mkdir()
    told = start(fill_a_small_disk, folder, times, wrapper=["unshare", "--mount"]).rest()
    if not told or told[0][0] == "cannot mount":
        pytest.skip(f"a small disk cannot be mounted here: {told}")
    _, acknowledged, first, left = told[0]
    figure(
        f"JSON disk full (tmpfs): {times} times, {acknowledged} acknowledged, all intact, resumed each time; "
        f"3 new snapshots: {first}"
    )
    assert set(first) == {"created", "StorageFullError"}
    assert left == ["data.json"]


def fill_under_limits(path: str, times: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    snapshot, unlimited = Path(path), resource.RLIM_INFINITY
    acknowledged: list[str] = []
    with opened(snapshot) as store:
        for number in range(times):
            resource.setrlimit(resource.RLIMIT_FSIZE, (snapshot.stat().st_size + 1571 * (number % 10), unlimited))
            acknowledged += append_until_full(store, snapshot, f"a{number}-")
            resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
            acknowledged += append_one(store, f"resumed{number}-", 0)
    tell(acknowledged)


def test_a_limit_of_the_system(snapshot: Path, start: Start, figure: Figure) -> None:
    """``RLIMIT_FSIZE``: a part of the new file is written before it is met."""
    times = 60
    (acknowledged,) = start(fill_under_limits, snapshot, times).rest()
    assert sorted(ids_of(snapshot)) == sorted(acknowledged)
    figure(f"JSON disk full (RLIMIT_FSIZE): {times} times, {len(acknowledged)} acknowledged, all intact, resumed")


# -- the lock ----------------------------------------------------------------------------------------------


def open_again_and_again(path: str, name: str, times: int) -> None:
    """Opens, reads, appends and closes until it was let in so many times."""
    listen()
    refused, acknowledged = 0, []
    for number in range(times):
        while True:
            try:
                with opened(Path(path)) as store:
                    expected = store.counts().messages
                    acknowledged += append_one(store, f"{name}-", number * 10)
                    if number % 7 == 0 and not os.fork():
                        # A child that lives on for a moment keeps nothing.
                        found = outcome(store.counts)
                        os._exit(0 if found["error"] == "StoreBusyError" and not open_descriptors(path) else 1)
                    assert store.counts().messages == expected + 1
                break
            except StoreBusyError as error:
                if "open in another store" not in str(error):
                    raise
                refused += 1
    statuses = []
    while True:
        try:
            statuses.append(os.wait()[1])
        except ChildProcessError:
            break
    tell({"refused": refused, "acknowledged": acknowledged, "children": statuses})


def test_one_process_at_a_time_has_it(snapshot: Path, start: Start, figure: Figure) -> None:
    processes, times = 8, 40
    children = [start(open_again_and_again, snapshot, f"p{number}", times) for number in range(processes)]
    for child in children:
        child.say()
    told = [child.rest()[0] for child in children]
    acknowledged = sorted(own_id for each in told for own_id in each["acknowledged"])
    refused = sum(each["refused"] for each in told)
    forked = [status for each in told for status in each["children"]]
    figure(
        f"JSON lock: {processes} processes, {len(acknowledged)} times let in, {refused} times StoreBusyError, "
        f"{len(acknowledged) - len(ids_of(snapshot))} lost; {len(forked)} forked children refused"
    )
    assert sorted(ids_of(snapshot)) == acknowledged
    assert len(acknowledged) == processes * times
    assert refused > 0
    assert set(forked) == {0}


def test_the_measure_can_tell(snapshot: Path) -> None:
    """What the tests above look at would show a message lost, or one stored twice."""
    with opened(snapshot) as store:
        stored = [own_id for number in range(20) for own_id in append_one(store, "m", number)]
    assert sorted(ids_of(snapshot)) == sorted(stored)
    found: Any = read(snapshot)
    lost = found["room_messages"]["hall"].pop()
    snapshot.write_text(json.dumps(found))
    assert sorted([*ids_of(snapshot), lost["id"]]) == sorted(stored)
