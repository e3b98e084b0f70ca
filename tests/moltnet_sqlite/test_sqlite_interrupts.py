"""What Ctrl-C leaves of a repair, and that the engine's own long statements end by it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import CancelledError, Message, Part, Progress, Room, Store, Target, open_store, repair_store
from moltnet_core.types import Actor
from moltnet_sqlite.engine import interruptible, sqlite3

LONG = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
COUNT = 1500


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "chat.db"
    with open_store(f"sqlite:///{path}?synchronous=normal", environ={}) as store:
        store.create_room(Room("general", "local"))
        store.append_messages(
            Message("local", Target.room("general"), Actor("agent", "ann"), [Part("text", "hi")], id=f"m{number:04}")
            for number in range(COUNT)
        )
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE messages SET parts_json = '[' WHERE id < 'm0003'")
        yield store


def at(phase: str, done: int) -> Callable[[Progress], None]:
    """Ctrl-C in a phase."""

    def tell(progress: Progress) -> None:
        if progress.phase == phase and progress.done >= done:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize(("phase", "done"), [("plan", 1), ("copy", 0), ("verify", 1), ("repair", 0), ("repair", 1)])
def test_an_interrupted_repair_says_that_nothing_was_changed(store: Store, phase: str, done: int) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        repair_store(store, ["undecodable"], on_progress=at(phase, done))
    assert "nothing was changed: the store is as it was" in caught.value.__notes__
    assert len(repair_store(store, ["undecodable"], dry_run=True).changes) == 3
    assert store.counts().messages == COUNT


def test_an_interrupt_that_came_after_the_commit_says_that_all_was_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair = type(store.driver).repair  # type: ignore[attr-defined]

    def late(self: Any, codes: Any, check: Any, moved: Any) -> Any:
        changes = repair(self, codes, check, moved)
        if moved is not None:
            raise KeyboardInterrupt
        return changes

    monkeypatch.setattr(type(store.driver), "repair", late)
    with pytest.raises(KeyboardInterrupt) as caught:
        repair_store(store, ["undecodable"])
    assert "all 3 changes were made" in caught.value.__notes__
    assert any(note.startswith("the store as it was: ") for note in caught.value.__notes__)
    assert store.counts().messages == COUNT - 3


def test_a_long_statement_ends_by_what_is_asked_or_by_ctrl_c() -> None:
    def call_off() -> None:
        raise CancelledError("check")

    with closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(CancelledError), interruptible(connection, call_off):
            connection.execute(LONG).fetchone()
        with pytest.raises(KeyboardInterrupt), interruptible(connection, lambda: os.kill(os.getpid(), signal.SIGINT)):
            connection.execute(LONG).fetchone()
        with pytest.raises(sqlite3.OperationalError, match="no such table"), interruptible(connection):
            connection.execute("SELECT * FROM missing")
