"""Many processes on one file: first opens, read-modify-writes, and files that only SQLite has open."""

from __future__ import annotations

import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.children import Child, listen, outcome, tell
from tests.moltnet_sqlite.support import a_message, a_room, integrity, make_store, query, thread_message, url_of

from moltnet_core import open_store
from moltnet_sql import transaction

Start = Callable[..., Child]
Figure = Callable[[str], None]


# -- first opens -------------------------------------------------------------------------------------------


def open_again_and_again() -> None:
    """Open each file that is named, at the moment at which all others do."""
    tell("ready")
    while path := listen():

        def use(path: str = path) -> None:
            with open_store(url_of(Path(path))) as store:
                assert store.migration_status().is_current
                store.counts()

        tell(outcome(use))


def test_sixteen_processes_open_sixty_new_files(path: Path, start: Start, figure: Figure) -> None:
    """The default wait, nothing else: no error, and one history of migrations."""
    processes, files = 16, 60
    children = [start(open_again_and_again) for _ in range(processes)]
    for child in children:
        assert child.hear() == "ready"
    outcomes: Counter[str] = Counter()
    for number in range(files):
        made = path.parent / f"new-{number}" / "moltnet.db"
        for child in children:
            child.say(str(made))
        for child in children:
            told = child.hear()
            outcomes[told["error"] or "opened"] += 1
        versions = query(made, "SELECT version FROM schema_migrations ORDER BY version")
        assert versions == [(version,) for version in range(1, 9)]
        assert query(made, "SELECT series, version FROM moltnet_ext_migrations") == [("sqlite", 1)]
        assert integrity(made) == []
        assert made.stat().st_mode & 0o777 == 0o600
        shutil.rmtree(made.parent)
    for child in children:
        child.say("")
        child.end()
    errors = sum(outcomes.values()) - outcomes["opened"]
    figure(f"first opens: {processes} processes x {files} files, {outcomes['opened']} opens, {errors} errors")
    assert outcomes == {"opened": processes * files}


# -- read, modify, write --------------------------------------------------------------------------------------


def count_up(path: str, name: str, times: int) -> None:
    """Three counters: a plugin's own table, the members of a room, and a thread's messages."""
    with open_store(url_of(Path(path))) as store:
        tell("ready")
        listen()
        errors = []

        def once(number: int) -> None:
            with transaction(store) as database:
                before = database.execute_sql("SELECT value FROM counter_counter").fetchone()[0]
                database.execute_sql("UPDATE counter_counter SET value = ?", (before + 1,))
            store.append_message(thread_message(f"{name}-{number}"))

        for number in range(times):
            told = outcome(lambda number=number: once(number))  # type: ignore[misc]
            if told["error"] is not None:
                errors.append(told["error"])
        tell(errors)


def test_eight_processes_lose_no_update(path: Path, start: Start, figure: Figure) -> None:
    processes, times = 8, 500
    make_store(path)
    query(path, "CREATE TABLE counter_counter (value INTEGER)")
    query(path, "INSERT INTO counter_counter VALUES (0)")
    children = [start(count_up, path, f"p{number}", times) for number in range(processes)]
    for child in children:
        assert child.hear() == "ready"
    for child in children:
        child.say()
    errors = Counter(error for child in children for error in child.hear())
    for child in children:
        child.end()
    ((value,),) = query(path, "SELECT value FROM counter_counter")
    ((counted,),) = query(path, "SELECT message_count FROM threads")
    ((messages,),) = query(path, "SELECT count(*) FROM messages")
    figure(
        f"read-modify-write: {processes} processes x {times}, counter at {value}, thread counts {counted} of "
        f"{messages} messages, {errors.total()} errors"
    )
    assert errors == {}
    assert value == counted == messages == processes * times
    assert integrity(path) == []


def write_without_a_pause(path: str, threads: int) -> None:
    """A process whose threads hand the lock on to each other."""
    stop = threading.Event()
    with open_store(url_of(Path(path))) as store:
        counts = [0] * threads
        errors: list[str] = []

        def write(name: int) -> None:
            while not stop.is_set():
                told = outcome(lambda: store.append_message(a_message(f"t{name}-{counts[name]}")))
                if told["error"]:
                    errors.append(told["error"])
                else:
                    counts[name] += 1

        writers = [threading.Thread(target=write, args=(name,)) for name in range(threads)]
        for writer in writers:
            writer.start()
        tell("writing")
        listen()
        stop.set()
        for writer in writers:
            writer.join()
        tell([sum(counts), errors])


def test_a_busy_process_does_not_starve_another(path: Path, start: Start, figure: Figure) -> None:
    """With the default wait, while another process writes all the time."""
    make_store(path)
    busy = start(write_without_a_pause, path, 4)
    assert busy.hear() == "writing"
    appends, refused = 200, 0
    with open_store(url_of(path)) as store:
        for number in range(appends):
            refused += outcome(lambda number=number: store.append_message(a_message(f"m{number}")))["error"] is not None  # type: ignore[misc]
    busy.say()
    by_the_other, refused_there = busy.hear()
    busy.end()
    figure(f"fairness: {appends} appends beside {by_the_other} of a process with 4 threads, {refused} refused")
    assert refused == 0
    assert refused_there == []


# -- who opens the file ------------------------------------------------------------------------------------------


def live_a_whole_life(path: str) -> None:
    for number in range(3):
        with open_store(url_of(Path(path))) as store:
            store.create_room(a_room(f"room-{number}"))
            store.append_message(a_message("m", room_id=f"room-{number}"), retry=True) if not number else None
            outcome(lambda store=store: store.append_message(a_message("m", "another", room_id="room-0")))  # type: ignore[misc]
            with store.snapshot() as snapshot:
                list(snapshot.records())
            store.describe()
        with open_store(url_of(Path(path), mode="ro")) as store:
            store.counts()


def test_python_opens_the_file_only_to_create_it(path: Path, tmp_path: Path, start: Start, figure: Figure) -> None:
    """Counted by the system: one open that creates, closed at once; every other one is SQLite's, for reading and
    writing and not to be inherited, or for reading where the store is read-only."""
    if shutil.which("strace") is None:
        pytest.fail("strace is needed to count system calls; on Debian: apt-get install strace")
    trace = tmp_path / "trace"
    tracer = ["strace", "-f", "-qq", "-y", "-e", "trace=open,openat,creat,unlink,unlinkat,close", "-o", str(trace)]
    start(live_a_whole_life, path, wrapper=tracer).end()
    calls = [line for line in trace.read_text(encoding="utf-8", errors="replace").splitlines() if f'{path}"' in line]
    opens = [line for line in calls if "open" in line]
    creating = [line for line in opens if "O_CREAT" in line]
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    figure(
        f"opens of the database: {len(opens)}, of which {len(creating)} created it; {len(calls) - len(opens)} others"
    )
    assert len(creating) == 1
    assert opens[0] == creating[0]
    assert "O_EXCL" in creating[0]
    assert "0600" in creating[0]
    # It is closed before SQLite opens it.
    created = re.search(r"= (\d+)<", creating[0])
    assert created is not None
    after = lines[lines.index(creating[0]) + 1 :]
    following = next(line for line in after if f'{path}"' in line or f"close({created[1]}<" in line)
    assert f"close({created[1]}<" in following
    assert all(re.search(r"O_RDWR|O_RDONLY", line) and "O_CLOEXEC" in line for line in opens[1:])
    assert not any("unlink" in line for line in calls)
    assert integrity(path) == []
