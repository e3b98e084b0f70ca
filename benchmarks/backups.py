"""The rows for exports and backups: ``python -m benchmarks.backups [MESSAGES]`` prints them, with rates.

The floor of a backup is SQLite's own, synced, then read to its end: ``integrity_check``, and each message decoded. That
of an export and an import is the least that has the same lines of JSON: written from the rows, and decoded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.floor import COLUMNS, decode
from benchmarks.measuring import (
    Row,
    in_process,
    memory_row,
    print_measured,
    print_table,
    ratio_row,
    seconds,
    write_json,
)
from benchmarks.work import MILLION, message

from moltnet_core import (
    Room,
    Target,
    back_up_store,
    check_export,
    export_store,
    import_store,
    open_store,
    restore_store,
)
from moltnet_sqlite.engine import sqlite3

__all__ = ["backups"]

BATCH = 1000


def make(path: Path, messages: int) -> None:
    """A store of so many messages in one room."""
    with open_store(f"sqlite:///{path}?synchronous=normal") as store:
        store.create_room(Room("general", "local"))
        for _ in range(messages // BATCH):
            store.append_messages(message(Target.room("general")) for _ in range(BATCH))


class Bare:
    """The floors, on the same file."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder

    def back_up(self) -> None:
        """SQLite's backup, on the disk."""
        copy = self._folder / "bare.db"
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        _sync(copy)

    def verify(self) -> None:
        """The engine's check, and every message decoded and hashed, once."""
        with closing(sqlite3.connect(self._folder / "bare.db")) as connection:
            connection.execute("PRAGMA integrity_check").fetchall()
            for row in connection.execute(f"SELECT {COLUMNS} FROM messages ORDER BY created_at, id"):
                hashlib.sha256(json.dumps(decode(row)).encode())

    def back_up_and_verify(self) -> None:
        """Both."""
        self.back_up()
        self.verify()

    def restore(self) -> None:
        """A copy of the file, on the disk, and verified."""
        shutil.copyfile(self._folder / "bare.db", self._folder / "restored.db")
        _sync(self._folder / "restored.db")
        self.verify()

    def export(self) -> None:
        """Each message decoded, hashed and written as a line, on the disk."""
        with (
            closing(sqlite3.connect(self._path)) as connection,
            (self._folder / "bare.jsonl").open("w", encoding="utf-8") as file,
        ):
            for row in connection.execute(f"SELECT {COLUMNS} FROM messages ORDER BY created_at, id"):
                line = json.dumps(decode(row), ensure_ascii=False)
                hashlib.sha256(line.encode())
                file.write(f"{line}\n")
        _sync(self._folder / "bare.jsonl")

    def check(self) -> None:
        """Each line decoded and hashed."""
        with (self._folder / "bare.jsonl").open("rb") as file:
            for line in file:
                hashlib.sha256(json.dumps(json.loads(line)).encode())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


# -- in a process of its own -------------------------------------------------------------------------


def back_up(folder: str, *, verify: bool = True) -> None:
    """A backup, in the place of the last."""
    made = Path(folder, "made")
    if made.exists():
        shutil.rmtree(made)
    with open_store(f"sqlite:///{folder}/store.db?mode=ro") as store:
        back_up_store(store, made, verify=verify)


def back_up_only(folder: str) -> None:
    """One that is not verified."""
    back_up(folder, verify=False)


def restore(folder: str) -> None:
    """A restore of the backup."""
    Path(folder, "to.db").unlink(missing_ok=True)
    restore_store(Path(folder, "made"), f"sqlite:///{folder}/to.db")


def export(folder: str) -> None:
    """An export."""
    with open_store(f"sqlite:///{folder}/store.db?mode=ro") as store:
        export_store(store, Path(folder, "made.jsonl"), overwrite=True)


def check(folder: str) -> None:
    """A look at all of the export."""
    check_export(Path(folder, "made.jsonl"))


def load(folder: str) -> None:
    """An import of it, checked and verified."""
    Path(folder, "to.db").unlink(missing_ok=True)
    with open_store(f"sqlite:///{folder}/to.db") as store:
        import_store(store, Path(folder, "made.jsonl"))


WORKS: dict[str, Callable[[str], None]] = {
    each.__name__: each for each in (back_up, back_up_only, restore, export, check, load)
}

# -- measuring ---------------------------------------------------------------------------------------


def backups(folder: Path, messages: int) -> Iterator[Row]:
    """Each work beside its floor, once, as a round of it is long enough; and with fewer messages for its memory."""
    lesser = folder / "few"
    lesser.mkdir()
    make(lesser / "store.db", messages // 10)
    make(folder / "store.db", messages)
    bare = Bare(folder / "store.db", folder)
    few: dict[str, float] = {}
    many: dict[str, float] = {}

    def row(work: Callable[[str], None], title: str, against: str, floor: Callable[[], object], goal: float) -> Row:
        nonlocal few, many
        few, many = run(work, lesser), run(work, folder)
        name = f"{title} ({messages:,} messages: {messages / many['seconds']:,.0f}/s)"
        return ratio_row(name, against, (many["seconds"], seconds(floor)), goal)

    def memory(title: str) -> Row:
        return memory_row(title, (messages // 10, few["peak"]), (messages, many["peak"]))

    yield row(back_up_only, "back up, not verified", "floor", bare.back_up, 2)
    yield row(back_up, "back up and verify", "floor", bare.back_up_and_verify, 3)
    yield memory("back up and verify")
    yield row(restore, "restore and verify", "floor", bare.restore, 3)
    yield memory("restore and verify")
    yield row(export, "export", "floor", bare.export, 3)
    yield memory("export")
    yield row(check, "check an export", "json.loads", bare.check, 8)
    yield memory("check an export")
    few, many = run(load, lesser), run(check, lesser)  # an import is many times as long: a tenth will do
    times = (few["seconds"], many["seconds"])
    rate = f"{messages // 10:,} messages: {messages / 10 / few['seconds']:,.0f}/s"
    yield ratio_row(f"import into SQLite, checked and verified ({rate})", "its check", times, 10)


def run(work: Callable[[str], None], folder: Path) -> dict[str, float]:
    """A piece of work in a process of its own: seconds, and its peak memory in MiB."""
    return in_process("benchmarks.backups", work.__name__, str(folder))


def main() -> int:
    """Measure; 1 if a goal is missed."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MILLION
    with tempfile.TemporaryDirectory() as folder:
        rows = list(backups(Path(folder), messages))
    print_table(rows)
    write_json(rows, Path("build/bench/backups.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print_measured({"seconds": seconds(lambda: WORKS[sys.argv[1]](sys.argv[2]))})
    else:
        sys.exit(main())
