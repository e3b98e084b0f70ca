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
from benchmarks.measuring import Row, print_table, seconds, write_json
from benchmarks.work import message

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

MESSAGES = 100_000
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


def backups(folder: Path, messages: int) -> Iterator[Row]:
    """Each work beside its floor, three times in turn; the round in the middle counts."""
    path = folder / "store.db"
    make(path, messages)
    bare, made = Bare(path, folder), folder / "made"
    export, url = folder / "made.jsonl", f"sqlite:///{folder}/to.db"

    def fresh() -> None:
        for left in (made, export, folder / "to.db"):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    with open_store(f"sqlite:///{path}?mode=ro") as store:

        def back_up(*, verify: bool) -> None:
            fresh()
            back_up_store(store, made, verify=verify)

        yield _row("back up, not verified", "floor", messages, lambda: back_up(verify=False), bare.back_up, 2)
        yield _row("back up and verify", "floor", messages, lambda: back_up(verify=True), bare.back_up_and_verify, 3)
        yield _row(
            "restore and verify", "floor", messages, lambda: _restore(made, url, folder / "to.db"), bare.restore, 3
        )
        yield _row("export", "floor", messages, lambda: export_store(store, export, overwrite=True), bare.export, 3)
    yield _row("check an export", "json.loads", messages, lambda: check_export(export), bare.check, 8)
    (folder / "to.db").unlink(missing_ok=True)

    def load() -> None:
        (folder / "to.db").unlink(missing_ok=True)
        with open_store(url) as store:
            import_store(store, export)

    yield _row(
        "import into SQLite, checked and verified", "its check", messages, load, lambda: check_export(export), 10
    )


def _restore(made: Path, url: str, to: Path) -> None:
    to.unlink(missing_ok=True)
    restore_store(made, url)


def _row(
    work: str, against: str, messages: int, ours: Callable[[], object], floor: Callable[[], object], goal: float
) -> Row:
    floor()  # it makes what the next ones read
    runs = sorted(((seconds(ours), seconds(floor)) for _ in range(3)), key=lambda times: times[0] / times[1])
    mine, its = runs[1]
    name = f"{work} ({messages:,} messages: {messages / mine:,.0f}/s)"
    return Row(name, against, mine, its, mine / its, f"≤ {goal:g} times", mine / its <= goal)


def main() -> int:
    """Measure; 1 if a goal is missed."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    with tempfile.TemporaryDirectory() as folder:
        rows = list(backups(Path(folder), messages))
    print_table(rows)
    write_json(rows, Path("build/bench/backups.json"))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
