"""What survives kill -9: everything that was acknowledged, and nothing by halves."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import threading
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from tests.children import WAIT, Child, listen, tell
from tests.moltnet_sqlite.support import (
    be_killed_at_each_statement,
    dump,
    integrity,
    make_store,
    make_version,
    query,
    schema,
    url_of,
)
from tests.reliability.checks import a_batch, a_message_of, partial, stored

from moltnet_core import Store, open_store

Start = Callable[..., Child]
Figure = Callable[[str], None]


# -- in mid-append -----------------------------------------------------------------------------------------


def append_for_ever(path: str, name: str) -> None:
    """Threads that append messages of every kind, and tell each one's id once it is acknowledged."""
    store = open_store(url_of(Path(path), busy_timeout=WAIT))

    def work(kind: str) -> None:
        for number in count():
            message_id = f"{name}-{kind}-{number}"
            if kind == "batch":
                batch = a_batch(message_id)
                store.append_messages(batch)
                tell(["stored", *(message.id for message in batch)])
            else:
                store.append_message(a_message_of(kind, message_id))
                tell(["stored", message_id])
            if number % 10 == 0:
                store.list_room_messages("hall")

    def run(kind: str) -> None:
        try:
            work(kind)
        except BaseException:  # noqa: BLE001 - told, and the process ends with it
            tell(["failed", traceback.format_exc()])
            os._exit(1)

    for kind in ("room", "thread", "dm", "batch"):
        threading.Thread(target=run, args=(kind,)).start()


def breed(path: str) -> None:
    """Forks a process that appends, each time it is told to, and tells its id and its end.

    This process itself never opens the database.
    """
    for number in count():
        name = listen()
        pid = os.fork()
        if not pid:
            try:
                append_for_ever(path, f"{name}{number}")
                threading.Event().wait()
            finally:
                os._exit(1)
        tell(["born", pid])
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        tell(["dead", status])


def append_beside(path: str) -> None:
    """A process that is not killed, and has the database open all the time."""
    with open_store(url_of(Path(path), busy_timeout=WAIT)) as store:
        for number in count():
            if not listen():
                return
            appended = [f"beside-{number}-{each}" for each in range(3)]
            for message_id in appended:
                store.append_message(a_message_of("dm", message_id))
            store.counts()
            tell(appended)


@pytest.mark.parametrize(("engine", "kills"), [(None, 200), ("sqlite3", 40)])
def test_kill_9_in_the_middle_of_appends(
    path: Path, start: Start, figure: Figure, engine: str | None, kills: int
) -> None:
    make_store(path)
    breeder = start(breed, path, engine=engine)
    bystander = start(append_beside, path, engine=engine)
    chance = random.Random(1)
    acknowledged: set[str] = set()
    for number in range(kills):
        breeder.say("k")
        said, pid = breeder.hear()
        assert said == "born"
        wanted = chance.randint(1, 40)
        while wanted:
            said, *ids = breeder.hear()
            assert said == "stored", ids
            acknowledged.update(ids)
            wanted -= 1
        os.kill(pid, signal.SIGKILL)
        while (told := breeder.hear())[0] != "dead":
            assert told[0] == "stored", told
            acknowledged.update(told[1:])
        assert told == ["dead", -signal.SIGKILL]
        # For half of the kills nobody else has the file open, and the next process recovers the log.
        if number < kills // 2:
            bystander.say(True)
            acknowledged.update(bystander.hear())
        elif number == kills // 2:
            bystander.say(False)
            bystander.end()
        if number % 10 == 0:
            assert partial(path) == {}
            assert acknowledged <= stored(path)
    found = stored(path)
    halves = partial(path)
    figure(
        f"kill -9 ({engine or 'the default engine'}): {kills} kills, {len(acknowledged)} acknowledged, "
        f"{len(found & acknowledged)} found, {len(found - acknowledged)} found that were not acknowledged yet, "
        f"{sum(map(len, halves.values()))} partial"
    )
    assert acknowledged <= found
    assert halves == {}
    # What was on its way when its process was killed may be there or not: at most one append a thread.
    assert len(found - acknowledged) <= kills * (3 + 5)


# -- on the disk -------------------------------------------------------------------------------------------


def append_one_by_one(path: str, appends: int, synchronous: str) -> None:
    with open_store(url_of(Path(path), synchronous=synchronous)) as store:
        tell("begin")
        append_kinds(store, appends)
        tell("end")


def append_kinds(store: Store, appends: int) -> None:
    for number in range(appends):
        if number % 10 == 9:
            store.append_messages(a_batch(f"b{number}"))
        else:
            store.append_message(a_message_of(("room", "thread", "dm")[number % 3], f"m{number}"))
        tell(f"stored {number}")


def syncs_of_each(trace: Path, appends: int) -> list[int]:
    """How often the system was told to write to the disk before each append was acknowledged."""
    syncs: list[int] = []
    since = 0
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if re.search(r"\b(fsync|fdatasync)\(\d+.*= 0$", line):
            since += 1
        elif re.search(r'write\(1, "\\"begin', line):
            since = 0
        elif re.search(r'write\(1, "\\"stored \d+', line):
            syncs.append(since)
            since = 0
    assert len(syncs) == appends, f"strace saw {len(syncs)} of {appends} acknowledgements"
    return syncs


def test_each_commit_is_on_the_disk_before_it_is_acknowledged(
    path: Path, tmp_path: Path, start: Start, figure: Figure
) -> None:
    """A kill cannot tell, as the system keeps what it was given: the system calls are counted."""
    if shutil.which("strace") is None:
        pytest.fail("strace is needed to count system calls; on Debian: apt-get install strace")
    appends = 200
    counted = {}
    for synchronous in ("full", "extra", "normal"):
        database = path.with_name(f"{synchronous}.db")
        make_store(database)
        trace = tmp_path / f"{synchronous}.trace"
        tracer = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-s", "24", "-o", str(trace)]
        child = start(append_one_by_one, database, appends, synchronous, wrapper=tracer)
        assert child.rest() == ["begin", *(f"stored {number}" for number in range(appends)), "end"]
        counted[synchronous] = syncs_of_each(trace, appends)
    figure(
        f"fsync: {appends} acknowledged commits, {sum(counted['full'])} fsyncs or fdatasyncs with synchronous=full, "
        f"{sum(counted['extra'])} with extra, {sum(counted['normal'])} with normal"
    )
    assert min(counted["full"]) >= 1
    assert min(counted["extra"]) >= 1
    # The measure can tell: this setting leaves most commits to the system.
    assert sum(counted["normal"]) < appends


# -- in mid-migration ----------------------------------------------------------------------------------------


def test_a_migration_killed_after_each_statement(path: Path, tmp_path: Path, start: Start, figure: Figure) -> None:
    """From every version, with the rows that were there, wholly old or wholly new."""
    own = ("schema_migrations", "moltnet_ext_migrations")
    expected = {}
    for version in range(9):
        made = tmp_path / f"version-{version}.db"
        make_version(made, version)
        expected[version, 0] = [row for row in schema(made) if row[1] not in own]
    make_store(tmp_path / "fresh.db")
    expected[8, 1] = [row for row in schema(tmp_path / "fresh.db") if row[1] not in own]
    outcomes: dict[str, int] = {"old": 0, "new": 0, "in between": 0}
    for version in range(9):
        child = start(be_killed_at_each_statement, path)
        make_version(path, version)
        rows = [row for row in dump(path) if row.startswith(("messages:", "room_members:"))]
        while (status := child.hear()) == -signal.SIGKILL:
            tables = {row[1] for row in schema(path)}
            applied = len(query(path, "SELECT * FROM schema_migrations")) if own[0] in tables else 0
            extension = len(query(path, "SELECT * FROM moltnet_ext_migrations")) if own[1] in tables else 0
            found = [row for row in schema(path) if row[1] not in own]
            if found != expected.get((applied, extension)) or integrity(path):
                outcomes["in between"] += 1
            else:
                outcomes["old" if applied == version else "new"] += 1
            kept = [row for row in dump(path) if row.startswith(("messages:", "room_members:"))]
            assert [row[:60] for row in kept] == [row[:60] for row in rows]
            for left in path.parent.iterdir():
                left.unlink()
            make_version(path, version)
            child.say()
        assert status == 0
        child.end()
        for left in path.parent.iterdir():
            left.unlink()
    figure(
        f"migrations: {sum(outcomes.values())} kills after each statement from versions 0 to 8, "
        + ", ".join(f"{number} {name}" for name, number in outcomes.items())
    )
    assert outcomes["in between"] == 0
    assert outcomes["old"] > 50
    assert outcomes["new"] > 50
