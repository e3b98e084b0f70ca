"""An upgraded database that was written to: its schema is the server's, and what was there stays byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from moltnet_core import open_store

from . import forms, raw
from .sqlite_case import DATABASES, SQLiteCase, fresh, url_of
from .writing import changes_by_writing, write_everything

each_case = pytest.mark.parametrize("case", DATABASES, ids=lambda case: case.name, indirect=True)


def test_the_schema_is_that_of_the_servers_newest(case: SQLiteCase | None, database: Path, tmp_path: Path) -> None:
    with open_store(url_of(database)) as store:
        write_everything(store, case.known if case else None)
    newest = next(other for other in DATABASES if other.name == "sqlite-v8").database(tmp_path / "newest")
    schema = raw.schema(newest)
    assert len(schema) > 25
    assert raw.schema(database) == schema
    assert raw.structure(database) == raw.structure(newest)
    assert raw.rows(database, "PRAGMA integrity_check") == [("ok",)]
    assert raw.rows(database, "PRAGMA foreign_key_check") == []


@each_case
def test_rows_that_were_there_stay_as_they_are(case: SQLiteCase, database: Path, tmp_path: Path) -> None:
    before = raw.dump(case.database(tmp_path / "before"))
    assert raw.changes(before, raw.dump(database)) == {}
    with open_store(url_of(database)) as store:
        write_everything(store, case.known)
    assert raw.changes(before, raw.dump(database)) == changes_by_writing(case, before)


@each_case
def test_what_changes_in_them_has_the_servers_forms(case: SQLiteCase, database: Path) -> None:
    known = case.known
    with open_store(url_of(database)) as store:
        threads = store.get_thread(known.thread), store.get_dm(known.dm)
        write_everything(store, known)
        after = store.get_thread(known.thread), store.get_dm(known.dm)
    counts = [(old.message_count, new.message_count) for old, new in zip(threads, after, strict=True) if old and new]
    assert [new - old for old, new in counts] == [2, 3]
    dumped = raw.dump(database)
    changed: raw.Dump = {
        "threads": {(known.thread.encode(),): dumped["threads"][known.thread.encode(),]},
        "dm_conversations": {(known.dm.encode(),): dumped["dm_conversations"][known.dm.encode(),]},
    }
    assert forms.problems(changed) == []
    assert changed["threads"][known.thread.encode(),]["last_message_at"][1] == b"2027-06-01T12:00:04.500000000Z"
    assert changed["dm_conversations"][known.dm.encode(),]["last_message_at"][1] == b"2027-06-01T12:00:05.500000000Z"
    removed = dumped["rooms"][known.removable.encode(),]["deleted_at"]
    assert removed[0] == "text"
    assert removed[1].endswith(b"000Z")


@each_case
def test_records_that_are_loaded_have_the_servers_forms(case: SQLiteCase, database: Path, tmp_path: Path) -> None:
    path = fresh(tmp_path / "new")
    with open_store(url_of(database)) as source, source.snapshot() as snapshot, open_store(url_of(path)) as copy:
        copy.load(snapshot.records())
    dumped = raw.dump(path)
    assert forms.problems(dumped) == []
    assert len(dumped["messages"]) == len(raw.dump(database)["messages"])
