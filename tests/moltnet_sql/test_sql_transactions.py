"""``moltnet_sql.transaction``: plugins that keep tables of their own beside the store's."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import peewee
import pytest
from tests.children import chain

import moltnet_sql
from moltnet_core import (
    Actor,
    AppendResult,
    CorruptStoreError,
    DriverError,
    DuplicateMessageError,
    Message,
    MoltnetError,
    PageRequest,
    Part,
    ReadOnlyStoreError,
    Room,
    RoomExistsError,
    RoomNotFoundError,
    Store,
    StoreBusyError,
    StoreClosedError,
    Target,
    UnsupportedCapabilityError,
    hookimpl,
    open_store,
)
from moltnet_core.migrations import Migration


def message(message_id: str, target: Target | None = None) -> Message:
    return Message("net", target or Target.room("general"), Actor("agent", "ann"), [Part("text", "x")], id=message_id)


class Notes:
    """A plugin with a table, which notes every message that it is told of."""

    told: list[str]

    def __init__(self) -> None:
        self.told = []

    @hookimpl
    def moltnet_migrations(self, backend: Any) -> Sequence[Migration]:
        table = "CREATE TABLE notes_seen (message_id TEXT PRIMARY KEY)"
        return [Migration.of_statements("notes", 1, "seen", [table])]

    @hookimpl
    def moltnet_message_appended(self, result: AppendResult) -> None:
        self.told.append(result.message.id)


def note(database: peewee.Database, message_id: str) -> None:
    database.execute_sql(f"INSERT INTO notes_seen (message_id) VALUES ({database.param})", (message_id,))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def store(location: str, notes: Notes) -> Iterator[Store]:
    with open_store(location, environ={}, plugins=[notes]) as store:
        store.create_room(Room("general", "net"))
        yield store


def noted(store: Store) -> list[str]:
    with moltnet_sql.transaction(store) as database:
        return [row[0] for row in database.execute_sql("SELECT message_id FROM notes_seen ORDER BY 1")]


def test_own_rows_and_the_store_s_are_written_together(store: Store, location: str) -> None:
    with moltnet_sql.transaction(store) as database:
        note(database, "m1")
        store.append_message(message("m1", Target.thread("general", "t1")))
        store.append_messages([message("m2"), message("m3")])
        store.create_room(Room("other", "net"))
        with open_store(location, environ={}, migrate=False) as other:
            assert other.get_message("m1") is None
            assert other.get_room("other") is None
    assert noted(store) == ["m1"]
    assert store.counts().messages == 3
    assert store.get_room("other") is not None


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt, RoomNotFoundError])
def test_an_error_rolls_everything_back(store: Store, error: type[BaseException]) -> None:
    raised = error("x")

    def write_and_raise() -> None:
        with moltnet_sql.transaction(store) as database:
            note(database, "m1")
            store.append_message(message("m1", Target.thread("general", "t1")))
            store.update_room_members("general", add=["ann"])
            raise raised

    with pytest.raises(error) as caught:
        write_and_raise()
    assert caught.value is raised
    assert noted(store) == []
    assert store.counts().messages == store.counts().threads == store.counts().members == 0
    store.append_message(message("m1"))


def test_a_store_s_error_that_is_caught_undoes_its_own_call_only(store: Store) -> None:
    store.append_message(message("taken"))
    with moltnet_sql.transaction(store) as database:
        note(database, "m1")
        store.append_message(message("m1"))
        with pytest.raises(DuplicateMessageError):
            store.append_messages([message("m2"), message("taken")])
        with pytest.raises(RoomNotFoundError):
            store.append_messages([message("m2"), message("m3", Target.room("nowhere"))])
        with pytest.raises(RoomExistsError):
            store.create_room(Room("general", "net"))
        note(database, "m4")
        store.append_message(message("m4"))
    assert noted(store) == ["m1", "m4"]
    assert [item.id for item in store.list_room_messages("general").items] == ["taken", "m1", "m4"]


def test_reads_in_the_block_see_its_writes(store: Store) -> None:
    store.append_message(message("m0"))
    with moltnet_sql.transaction(store):
        store.append_message(message("m1"))
        assert store.get_message("m1") is not None
        assert store.get_room("general") is not None
        assert [item.id for item in store.list_room_messages("general").items] == ["m0", "m1"]
        assert [item.id for item in store.list_room_messages("general", PageRequest(after="m0")).items] == ["m1"]
        assert store.list_room_messages("general", PageRequest(after="m1")).items == ()
        assert store.counts().messages == 2
        store.append_message(message("m2"))
    assert store.counts().messages == 3


def test_a_block_within_a_block_is_undone_by_itself(store: Store) -> None:
    def write_and_raise() -> None:
        with moltnet_sql.transaction(store) as inner:
            note(inner, "m2")
            store.append_message(message("m2"))
            raise LookupError

    with moltnet_sql.transaction(store) as outer:
        note(outer, "m1")
        with pytest.raises(LookupError):
            write_and_raise()
        with moltnet_sql.transaction(store) as inner:
            note(inner, "m3")
    assert noted(store) == ["m1", "m3"]
    assert store.get_message("m2") is None


def test_observers_are_told_after_the_outer_commit(store: Store, notes: Notes) -> None:
    """What the specification promises them: after the commit."""
    with moltnet_sql.transaction(store):
        store.append_message(message("m1"))
        assert notes.told == []
    assert notes.told == ["m1"]


def test_observers_are_not_told_of_what_was_rolled_back(store: Store, notes: Notes) -> None:
    def append_and_raise() -> None:
        with moltnet_sql.transaction(store):
            store.append_message(message("m1"))
            raise LookupError

    with pytest.raises(LookupError):
        append_and_raise()
    assert store.get_message("m1") is None
    assert notes.told == []


def test_a_constraint_of_a_plugin_s_own_table_can_be_handled_in_the_block(store: Store) -> None:
    with moltnet_sql.transaction(store) as database:
        note(database, "m1")
        with pytest.raises(peewee.IntegrityError), database.atomic():
            note(database, "m1")
        note(database, "m2")
    assert noted(store) == ["m1", "m2"]


def test_models_of_a_plugin_s_own_work_in_the_block(store: Store) -> None:
    class Seen(peewee.Model):
        message_id = peewee.TextField(primary_key=True)

        class Meta:
            table_name = "notes_seen"

    with moltnet_sql.transaction(store) as database, Seen.bind_ctx(database):
        Seen.insert(message_id="m1").execute()
        assert [row.message_id for row in Seen.select()] == ["m1"]
    assert noted(store) == ["m1"]


def test_an_observer_may_write_its_own_rows(location: str) -> None:
    class Writing:
        @hookimpl
        def moltnet_message_appended(self, store: Store, result: AppendResult) -> None:
            with moltnet_sql.transaction(store) as database:
                note(database, result.message.id)

    with open_store(location, environ={}, plugins=[Notes(), Writing()]) as store:
        store.create_room(Room("general", "net"))
        store.append_messages([message("m1"), message("m2")])
        assert noted(store) == ["m1", "m2"]


def test_a_read_only_store_refuses(store: Store, location: str, notes: Notes) -> None:
    reader = open_store(location, environ={}, read_only=True, plugins=[notes])
    with reader, pytest.raises(ReadOnlyStoreError), moltnet_sql.transaction(reader):
        pass


def test_a_closed_store_refuses(store: Store) -> None:
    store.close()
    with pytest.raises(StoreClosedError), moltnet_sql.transaction(store):
        pass


def test_a_store_without_sql_has_no_such_power() -> None:
    with open_store("memory://", environ={}) as store:
        with pytest.raises(UnsupportedCapabilityError) as caught, moltnet_sql.transaction(store):
            pass
        assert caught.value.__dict__["backend"] == "memory"


def test_what_cannot_be_committed_is_said(store: Store, notes: Notes) -> None:
    """An engine that gives up the whole transaction for one failed statement must not seem to have committed it."""

    def write() -> None:
        with moltnet_sql.transaction(store) as database:
            note(database, "m1")
            store.append_message(message("m1"))
            with pytest.raises(peewee.IntegrityError):
                note(database, "m1")

    refused: list[MoltnetError] = []
    try:
        write()
    except MoltnetError as error:
        refused.append(error)
    assert all(error.committed is False and "atomic()" in str(error) for error in refused)
    written = [] if refused else ["m1"]
    assert noted(store) == written
    assert notes.told == written
    assert store.counts().messages == len(written)
    store.append_message(message("m2"))


# -- blocks that only read ---------------------------------------------------------------------------


def test_a_block_that_reads_sees_one_state(store: Store, location: str) -> None:
    with moltnet_sql.transaction(store, write=False) as database:
        assert database.execute_sql("SELECT count(*) FROM messages").fetchone() == (0,)
        with open_store(location, environ={}, migrate=False) as other:
            other.append_message(message("m1"))
        assert database.execute_sql("SELECT count(*) FROM messages").fetchone() == (0,)
        assert store.get_message("m1") is None
    assert store.get_message("m1") is not None


def test_a_block_that_reads_works_in_a_read_only_store(store: Store, location: str, notes: Notes) -> None:
    with moltnet_sql.transaction(store) as database:
        note(database, "m1")
    reader = open_store(location, environ={}, read_only=True, plugins=[notes])
    with reader, moltnet_sql.transaction(reader, write=False) as database:
        assert database.execute_sql("SELECT message_id FROM notes_seen").fetchall() == [("m1",)]


@pytest.mark.parametrize("how", ["a block", "a call"])
def test_nothing_is_written_in_a_block_that_reads(store: Store, how: str) -> None:
    def write() -> None:
        if how == "a call":
            store.append_message(message("m1"))
        else:
            with moltnet_sql.transaction(store) as database:
                note(database, "m1")

    with moltnet_sql.transaction(store, write=False):
        with pytest.raises(ReadOnlyStoreError, match="write=True"):
            write()
        assert store.get_room("general") is not None
    assert noted(store) == []
    store.append_message(message("m1"))


def test_a_block_that_reads_may_be_within_one_that_writes(store: Store) -> None:
    with moltnet_sql.transaction(store) as outer:
        note(outer, "m1")
        with moltnet_sql.transaction(store, write=False) as inner:
            assert inner.execute_sql("SELECT message_id FROM notes_seen").fetchall() == [("m1",)]
        store.append_message(message("m1"))
    assert noted(store) == ["m1"]


# -- statements that the engine refuses --------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO notes_seen (message_id) VALUES ('secret'), ('secret')",
        "INSERT INTO notes_nosuch VALUES ('secret')",
        "SELECT secret FROM notes_seen",
        "SELECT 'secret' FROM FROM",
    ],
)
def test_a_refused_statement_is_the_plugin_s_own_error(store: Store, sql: str) -> None:
    def write() -> None:
        with moltnet_sql.transaction(store) as database:
            note(database, "m1")
            store.append_message(message("m1"))
            with pytest.raises(peewee.PeeweeException) as inside:
                database.execute_sql(sql)
            raise inside.value

    with pytest.raises(moltnet_sql.StatementError) as caught:
        write()
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.committed, error.code) == (False, caught.value.code)
    cause = caught.value.__cause__
    assert isinstance(cause, DriverError)
    assert cause.code == error.code
    assert not [each for each in chain(caught.value) if not isinstance(each, MoltnetError)]
    assert not [each for each in chain(caught.value) if "secret" in str(each)]
    assert noted(store) == []
    assert store.get_message("m1") is None


def test_a_statement_refused_in_a_block_within_undoes_that_block(store: Store) -> None:
    def write() -> None:
        with moltnet_sql.transaction(store) as inner:
            note(inner, "m2")
            note(inner, "m1")

    with moltnet_sql.transaction(store) as database:
        note(database, "m1")
        with pytest.raises(moltnet_sql.StatementError):
            write()
    assert noted(store) == ["m1"]


def test_a_store_s_own_damage_stays_the_store_s_error(store: Store) -> None:
    with moltnet_sql.transaction(store) as database:
        database.execute_sql("DROP TABLE artifacts")
    with pytest.raises(CorruptStoreError), moltnet_sql.transaction(store):
        store.list_artifacts()


def test_a_lock_that_is_not_had_stays_the_store_s_error(location: str, notes: Notes) -> None:
    hasty = f"{location}{'&' if '?' in location else '?'}busy_timeout=0.1"
    with (
        open_store(location, environ={}, plugins=[notes]) as store,
        open_store(hasty, environ={}, plugins=[notes]) as other,
        moltnet_sql.transaction(store) as database,
    ):
        note(database, "m1")
        with pytest.raises(StoreBusyError), moltnet_sql.transaction(other) as blocked:
            note(blocked, "m1")
