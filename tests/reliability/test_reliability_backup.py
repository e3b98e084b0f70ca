"""Backups under load, and imports and restores that are killed, or run out of space, at any moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.backends import LOCATIONS
from tests.children import Child, listen, outcome, peak_memory, tell
from tests.moltnet_sqlite.support import integrity, url_of
from tests.reliability.checks import a_batch, a_message_of, partial

from moltnet_conformance.building import everything
from moltnet_core import (
    Room,
    back_up_store,
    export_store,
    import_store,
    open_store,
    restore_store,
    store_digest,
)
from moltnet_core.transfer import importing

Start = Callable[..., Child]
Figure = Callable[[str], None]

IMPORTS_KILLED = 34  # on each of three backends
RESTORES_KILLED = 17  # each of six ways
KINDS = ("room", "thread", "dm")


def make_filled(url: str, messages: int) -> None:
    with open_store(url) as store:
        store.create_room(Room("hall", "net", members=["alice"]))
        for start in range(0, messages, 500):
            store.append_messages(
                a_message_of(KINDS[number % 3], f"m{number:06}") for number in range(start, min(messages, start + 500))
            )


# -- under load --------------------------------------------------------------------------------------------


def append_until_told(url: str, name: str) -> None:
    """Appends messages of every kind, and tells each one's id once it is acknowledged."""
    with open_store(url) as store:
        for number in count():
            if number % 10 == 9:
                batch = a_batch(f"{name}-{number}")
                store.append_messages(batch)
                tell([message.id for message in batch])
            else:
                message = a_message_of(KINDS[number % 3], f"{name}-{number}")
                store.append_message(message)
                tell([message.id])


@pytest.mark.parametrize("backend", ["sqlite", "postgres", "json"])
def test_a_backup_under_load_holds_what_was_acknowledged(
    path: Path, start: Start, figure: Figure, backend: str
) -> None:
    """Several processes append (JSON: one) while another one backs up, again and again."""
    url = LOCATIONS[backend](path)
    make_filled(url, 3000 if backend != "json" else 300)
    processes, backups = {"sqlite": (4, 12), "postgres": (2, 6), "json": (1, 12)}[backend]
    children = [start(append_until_told, url, f"p{number}") for number in range(processes)]
    acknowledged: set[str] = set()
    for number in range(backups):
        for child in children:
            for _ in range(40 if backend != "json" else 10):
                acknowledged.update(child.hear())
        known = set(acknowledged)
        folder = path.with_name(f"backup{number}")
        with open_store(url, read_only=True) as store:
            made = back_up_store(store, folder)
        assert made.digest is not None
        to = path.with_name(f"to{number}.db")
        assert restore_store(folder, url_of(to)).verified
        with open_store(url_of(to), read_only=True) as copy, copy.snapshot() as view:
            found = {record.id for record in view.records("message")}
        assert known <= found
        assert partial(to) == {}
        shutil.rmtree(folder)
        to.unlink()
    for child in children:
        child.kill()
    figure(
        f"backup under load ({backend}): {backups} backups beside {processes} writing processes, each with all of up "
        f"to {len(known)} messages that were acknowledged before, 0 partial"
    )


# -- killed ------------------------------------------------------------------------------------------------


def breed(work: str) -> None:
    """Forks a process that does some work, each time it is told to."""
    act: Callable[..., Any] = {"import": do_import, "restore": do_restore}[work]
    while True:
        arguments = listen()
        pid = os.fork()
        if not pid:
            try:
                act(*arguments)
            finally:
                os._exit(0)
        tell(pid)
        if listen() == "kill":  # a process that has ended keeps its number until it is waited for
            os.kill(pid, signal.SIGKILL)
        tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def do_import(path: str, url: str) -> None:
    importing._ROWS_AT_ONCE = 50  # type: ignore[misc]  # more places to be killed at
    with open_store(url) as store:
        import_store(store, path)


def do_restore(folder: str, url: str) -> None:
    restore_store(folder, url, replace=not url.startswith("postgres"))


def seconds_of(start: Start, work: str, *arguments: str) -> float:
    """How long the work takes when nobody kills it."""
    child = start(breed, work)
    began = time.monotonic()
    child.say(arguments)
    child.hear()
    child.say("wait")
    assert child.hear() == 0
    taken = time.monotonic() - began
    child.kill()
    return taken


def kill_some_time_after(child: Child, arguments: tuple[str, ...], seconds: float) -> bool:
    """Whether the work was killed before its end."""
    child.say(arguments)
    child.hear()
    time.sleep(seconds)
    child.say("kill")
    return bool(child.hear() == -signal.SIGKILL)


@pytest.mark.parametrize("backend", ["sqlite", "json", "postgres"])
def test_an_import_that_is_killed_goes_on(path: Path, start: Start, figure: Figure, backend: str) -> None:
    source, export = path.with_name("source.db"), path.with_name("chat.jsonl")
    make_filled(url_of(source), 1500)
    with open_store(url_of(source)) as store:
        export_store(store, export, with_credentials=True)
        whole = everything(store)
    chance = random.Random(backend)
    probe = LOCATIONS[backend](path.with_name("probe"))
    taken = seconds_of(start, "import", str(export), probe)
    child = start(breed, "import")
    killed = targets = resumed = 0
    while killed < IMPORTS_KILLED:
        targets += 1
        target = LOCATIONS[backend](path.with_name(f"to{targets}"))
        for _ in range(3):  # and killed again when it goes on
            killed += kill_some_time_after(child, (str(export), target), chance.uniform(0, taken))
        with open_store(target) as store:
            result = import_store(store, export)
            resumed += result.unchanged > 0
            assert result.verified
            if targets % 5 == 0 or killed >= IMPORTS_KILLED:
                assert everything(store) == whole
            assert store_digest(store).kinds.keys() == result.digest.kinds.keys()
        for left in path.parent.glob(f"to{targets}*"):
            left.unlink()
    figure(
        f"kill -9 of imports ({backend}): {killed} kills, {targets} stores, of which {resumed} were gone on with, all "
        "verified equal"
    )


@pytest.mark.parametrize("backend", ["sqlite", "json", "postgres"])
@pytest.mark.parametrize("backed_up", ["sqlite", "postgres"])
def test_a_restore_that_is_killed_leaves_old_or_new(
    path: Path, start: Start, figure: Figure, backed_up: str, backend: str
) -> None:
    source, folder = LOCATIONS[backed_up](path.with_name("source")), path.with_name("backup")
    make_filled(source, 1000)
    with open_store(source) as store:
        back_up_store(store, folder)
        whole = store_digest(store, time_digits=6).text
    is_file = backend != "postgres"
    target = LOCATIONS[backend](path.with_name("to"))
    if is_file:
        make_filled(target, 20)
        with open_store(target, read_only=True) as store:
            mine = store_digest(store, time_digits=6).text
    chance = random.Random(f"{backed_up} {backend}")
    taken = seconds_of(start, "restore", str(folder), LOCATIONS[backend](path.with_name("probe")))
    child = start(breed, "restore")
    killed = old = new = 0
    while killed < RESTORES_KILLED:
        killed += kill_some_time_after(child, (str(folder), target), chance.uniform(0, 1.1 * taken))
        if is_file:
            with open_store(target) as store:  # to write: the kill may have cut off a write to the old one
                found = store_digest(store, time_digits=6).text
            assert found in (mine, whole)
            old, new = old + (found == mine), new + (found == whole)
        else:
            assert restore_store(folder, target).verified
            target = LOCATIONS[backend](path)
    if is_file:
        assert restore_store(folder, target, replace=True).verified
        with open_store(target, read_only=True) as store:
            assert store_digest(store, time_digits=6).text == whole
        kept = [
            each
            for each in path.parent.glob("to*before-restore*")
            if not each.name.endswith(("-wal", "-shm", "-journal"))
        ]
        digests = set()
        for each in kept:
            with open_store(f"{backend}:///{each}") as store:
                digests.add(store_digest(store, time_digits=6).text)
        assert mine in digests, "what was there first is kept"
        assert digests <= {mine, whole}
        assert [each for each in path.parent.iterdir() if each.name.endswith(".tmp")] == []
        if backend == "sqlite":
            assert integrity(path.with_name("to.db")) == []
    told = f"{old} times the old store was there, {new} times the new one" if is_file else "each gone on with"
    figure(f"kill -9 of restores ({backed_up} into {backend}): {killed} kills, {told}, all verified equal in the end")


# -- no space ----------------------------------------------------------------------------------------------


def fill_the_disk(folder: str, megabytes: int, source: str) -> None:
    """In a mount namespace of its own: exports, backups, imports and restores with more or less space."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        tell(["cannot mount", mounted.stderr.decode(errors="replace")])
        return
    disk, outside = Path(folder), Path(source).parent
    filler = disk / "filler"
    with open_store(url_of(Path(source)), read_only=True) as store:
        export_store(store, outside / "chat.jsonl", with_credentials=True)
        back_up_store(store, outside / "backup")
        whole = store_digest(store).text
    size = (outside / "backup" / "moltnet.db").stat().st_size
    results: dict[str, dict[str, int]] = {}
    for number in range(12):
        leave = size * number // 6
        for name in ("export", "backup", "restore", "import"):
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
            filler.write_bytes(bytes(max(0, free - leave)))
            to = url_of(disk / "to.db")

            def act(name: str = name, to: str = to) -> None:
                with open_store(url_of(Path(source)), read_only=True) as store:
                    match name:
                        case "export":
                            export_store(store, disk / "made.jsonl")
                        case "backup":
                            back_up_store(store, disk / "made")
                        case "restore":
                            restore_store(outside / "backup", to)
                        case "import":
                            with open_store(to) as target:
                                import_store(target, outside / "chat.jsonl")

            told = outcome(act)
            ended = told["error"] or "made"
            assert ended in ("made", "StorageFullError"), (name, number, told)
            assert not told.get("foreign"), told
            results.setdefault(name, {}).setdefault(ended, 0)
            results[name][ended] += 1
            left = {each.name for each in disk.iterdir()} - {"filler"}
            filler.unlink()
            if ended != "made":
                assert left <= ({"to.db", "to.db-wal", "to.db-shm"} if name == "import" else set()), (name, left)
            if name == "import":  # there is room again
                with open_store(to) as target:
                    assert import_store(target, outside / "chat.jsonl").verified
                    assert store_digest(target).text == whole
            for each in disk.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
    tell(["filled", results])


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path, start: Start, figure: Figure) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    folder, source = tmp_path / "disk", tmp_path / "outside" / "source.db"
    folder.mkdir()
    source.parent.mkdir()
    make_filled(url_of(source), 3000)
    told = start(fill_the_disk, folder, 48, source, wrapper=["unshare", "--mount"]).rest()
    if not told or told[0][0] == "cannot mount":
        pytest.skip(f"a small disk cannot be mounted here: {told}")
    results = told[0][1]
    figure(f"disk full: {results}; nothing half made was left, and imports went on")
    assert all(set(each) == {"made", "StorageFullError"} for each in results.values())


# -- memory ------------------------------------------------------------------------------------------------


def work_on(folder: str, work: str) -> None:
    where = Path(folder)
    match work:
        case "export":
            with open_store(url_of(where / "source.db"), read_only=True) as store:
                export_store(store, where / "chat.jsonl.gz", with_credentials=True, overwrite=True)
        case "import":
            with open_store(url_of(where / "imported.db")) as store:
                import_store(store, where / "chat.jsonl.gz")
        case "backup":
            with open_store(url_of(where / "source.db"), read_only=True) as store:
                back_up_store(store, where / "backup")
        case "restore":
            restore_store(where / "backup", url_of(where / "restored.db"))
    tell(peak_memory())


def test_memory_is_flat(tmp_path: Path, start: Start, figure: Figure) -> None:
    peaks: dict[str, list[int]] = {}
    for messages in (5_000, 50_000):
        folder = tmp_path / str(messages)
        folder.mkdir()
        make_filled(url_of(folder / "source.db"), messages)
        for work in ("export", "import", "backup", "restore"):
            peaks.setdefault(work, []).extend(start(work_on, folder, work).rest())
    shown = ", ".join(f"{work} {one // 1024} and {ten // 1024} MiB" for work, (one, ten) in peaks.items())
    figure(f"peak memory at 5,000 and 50,000 messages: {shown}")
    assert all(ten < 1.35 * one for one, ten in peaks.values())
