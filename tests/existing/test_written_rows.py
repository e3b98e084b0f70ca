"""What this project writes has the forms that the server reads."""

from __future__ import annotations

from pathlib import Path

from moltnet_core import open_store

from . import forms, raw
from .sqlite_case import SQLiteCase, url_of
from .writing import NEW, write_everything


def _added(before: raw.Dump, after: raw.Dump) -> raw.Dump:
    return {
        table: {key: row for key, row in rows.items() if key not in before.get(table, {})}
        for table, rows in after.items()
    }


def test_rows_that_are_written_have_the_servers_forms(case: SQLiteCase | None, database: Path) -> None:
    before = raw.dump(database)
    with open_store(url_of(database)) as store:
        write_everything(store, case.known if case else None)
    added = _added(before, raw.dump(database))
    rounds = 2 if case else 1
    assert {table: len(added[table]) for table in ("messages", "rooms", "artifacts")} == {
        "messages": 6 * rounds,
        "rooms": 3,
        "artifacts": 6 * 5 * rounds,
    }
    assert forms.problems(added) == []
    texts = {name: {row[name] for row in added["artifacts"].values()} for name in ("media_type", "filename", "url")}
    assert all(("text", b"") in found for found in texts.values())
    assert ("text", b"") in {row["display_name"] for row in added["agents"].values()}
    assert added["threads"][(NEW.thread.encode(),)]["parent_message_id"] == ("text", b"")
    assert {row["mentions_json"] for row in added["messages"].values()} >= {("text", b"null")}
