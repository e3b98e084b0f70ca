"""Logs, at any level and of any logger, hold neither what was said nor a credential."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import peewee
import pytest
from tests.moltnet_sqlite.support import NETWORK, a_message, a_room, make_store, query, raw_connection, url_of

from moltnet_core import (
    Actor,
    AgentRegistration,
    AppendResult,
    ArtifactFilter,
    Message,
    MoltnetError,
    PageRequest,
    Part,
    Store,
    Target,
    hookimpl,
    open_store,
)
from moltnet_sql import transaction

SECRET = "hunter2-and-then-some"
CREDENTIAL = "agent-token:0123456789abcdef-secret"


class Kept(logging.Handler):
    """Every record, as a formatter shows it and as it came."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []
        self.loggers: set[str] = set()
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{self.format(record)} {record.__dict__!r} {record.args!r} {record.exc_info!r}")
        self.loggers.add(record.name)


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    root = logging.getLogger()
    loggers = [root, *(found for found in root.manager.loggerDict.values() if isinstance(found, logging.Logger))]
    levels = {found: (found.level, found.propagate, found.disabled) for found in loggers}
    for found in loggers:
        found.setLevel(logging.DEBUG)
        found.propagate = True
        found.disabled = False
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for found, (level, propagate, disabled) in levels.items():
        found.setLevel(level)
        found.propagate = propagate
        found.disabled = disabled


class Breaks:
    @hookimpl
    def moltnet_message_appended(self, store: Store, result: AppendResult) -> None:
        raise RuntimeError("an observer that fails")

    @hookimpl
    def moltnet_store_closing(self, store: Store) -> None:
        raise RuntimeError("an observer that fails")


def a_secret_message(message_id: str, target: Target) -> Message:
    parts = (
        Part("text", text=SECRET),
        Part("url", url=f"https://example.org/{SECRET}"),
        Part("file", filename=SECRET, media_type=f"text/{SECRET}"),
        Part("data", data={SECRET: [SECRET, {"deep": SECRET}]}),
    )
    return Message(NETWORK, target, Actor("agent", "alice", name=SECRET), parts, (SECRET,), id=message_id)


def work(path: Path) -> None:
    """All that a store does, with secrets in everything, and all that may go wrong with it."""
    with open_store(url_of(path, busy_timeout=0.05), plugins=[Breaks()]) as store:
        store.create_room(a_room(name=SECRET, members=("alice",)))
        store.register_agent(AgentRegistration("alice", NETWORK, CREDENTIAL, SECRET))
        store.reconcile_agent(AgentRegistration("alice", NETWORK, CREDENTIAL + "2", SECRET))
        targets = [Target.room("hall"), Target.thread("hall", "topic"), Target.dm("pair", ("alice", "bob"))]
        store.append_messages(a_secret_message(f"b{number}", target) for number, target in enumerate(targets))
        for number, target in enumerate(targets):
            store.append_message(a_secret_message(f"m{number}", target))
        store.list_room_messages("hall", PageRequest(before="m0"))
        store.list_thread_messages("topic")
        store.list_dm_messages("pair")
        store.list_artifacts(ArtifactFilter(room_id="hall"))
        store.get_agent_by_credential(CREDENTIAL + "2")
        store.list_agents()
        store.describe()
        repr(store)
        with store.snapshot() as snapshot:
            store.load(list(snapshot.records()))
        with transaction(store) as database:
            database.execute_sql("CREATE TABLE notes_notes (id INTEGER PRIMARY KEY, note TEXT)")
            database.execute_sql("INSERT INTO notes_notes (note) VALUES (?)", (SECRET,))

            class Note(peewee.Model):
                note = peewee.TextField()

                class Meta:
                    database = store.driver.database  # type: ignore[attr-defined]
                    table_name = "notes_notes"

            Note.create(note=SECRET)
            assert [row.note for row in Note.select().where(Note.note == SECRET)] == [SECRET] * 2
        for refused in refusals(store):
            with pytest.raises(MoltnetError):
                refused()
        with raw_connection(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(MoltnetError):
                store.append_message(a_secret_message("busy", targets[0]))
        query(path, "UPDATE messages SET parts_json = ? WHERE id = 'm0'", [f"[{SECRET}"])
        query(path, "UPDATE messages SET created_at = ? WHERE id = 'b0'", [SECRET])
        with pytest.raises(MoltnetError):
            store.list_room_messages("hall")
        assert store.list_room_messages("hall", on_corrupt="skip").skipped > 0
        with store.snapshot() as snapshot:
            snapshot.scan("message", on_corrupt="skip")
        query(path, f"CREATE TRIGGER t BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, '{SECRET}'); END")
        with pytest.raises(MoltnetError):
            store.append_message(a_secret_message("triggered", targets[0]))
    with open_store(url_of(path, mode="ro")) as store:
        store.list_agents()


def refusals(store: Store) -> list[Callable[[], object]]:
    return [
        lambda: store.append_message(a_message("m0", SECRET)),
        lambda: store.append_message(a_message("new", SECRET, room_id="nowhere")),
        lambda: store.append_message(a_message("new", SECRET + "\0")),
        lambda: store.register_agent(AgentRegistration("alice", NETWORK, CREDENTIAL)),
        lambda: store.register_agent(AgentRegistration("alice", NETWORK, CREDENTIAL * 1000)),
    ]


def test_nothing_that_was_said_is_logged(path: Path, kept: Kept, capfd: pytest.CaptureFixture[str]) -> None:
    work(path)
    # There was something to look at: statements, a corrupt record that was passed over, observers that failed.
    assert {"moltnet_sql"} <= kept.loggers
    assert any("INSERT INTO notes_notes" in text for text in kept.texts)
    assert any("failed with RuntimeError" in text for text in kept.texts)
    assert any("skipped" in text for text in kept.texts)
    for text in kept.texts:
        assert SECRET not in text
        assert CREDENTIAL not in text
    told = capfd.readouterr()
    assert SECRET not in told.out + told.err
    assert CREDENTIAL not in told.out + told.err


def test_peewees_own_logger_gets_no_parameters(path: Path, kept: Kept) -> None:
    make_store(path)
    with open_store(url_of(path)) as store, transaction(store) as database:
        database.execute_sql("SELECT ?", (SECRET,)).fetchall()
    assert any("SELECT ?" in text for text in kept.texts)
    assert not any(SECRET in text for text in kept.texts)


def test_the_path_of_a_failed_open_is_all_that_is_said_of_it(path: Path, kept: Kept) -> None:
    path.write_text(f"{SECRET}\n" * 1000, encoding="utf-8")
    with pytest.raises(MoltnetError) as caught:
        open_store(url_of(path))
    assert SECRET not in str(caught.value)
    assert not any(SECRET in text for text in kept.texts)
