"""The tally: current with each append, right again after what no hook told of."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from activity_support import fill, message, opened, tally, truth
from tests.children import WAIT, Child, listen, tell, tree

import moltnet_sql
from moltnet_activity import RoomActivity, busiest_rooms, plugin, reconcile, recount
from moltnet_activity.counting import Counted, count
from moltnet_core import (
    AppendResult,
    DuplicateMessageError,
    MigrationRequiredError,
    Room,
    RoomNotFoundError,
    Store,
    Target,
    UnsupportedCapabilityError,
    hookimpl,
)

Start = Callable[..., Child]


def test_it_is_current_after_each_append(location: str) -> None:
    with opened(location) as store:
        fill(store, 40)
        assert tally(store) == truth(store)
        assert sum(messages for messages, _ in tally(store).values()) == 30
        assert reconcile(store) == 0


def test_it_counts_nothing_twice_and_nothing_that_failed(location: str) -> None:
    with opened(location) as store:
        fill(store, 8)
        store.append_messages([message(number) for number in range(8)], retry=True)
        with pytest.raises(DuplicateMessageError):
            store.append_message(message(0))
        with pytest.raises(RoomNotFoundError):
            store.append_message(message(9, target=Target.room("nowhere")))
        with pytest.raises(LookupError), moltnet_sql.transaction(store):
            _append_and_raise(store)
        assert tally(store) == truth(store)


def _append_and_raise(store: Store) -> None:
    store.append_message(message(10))
    raise LookupError


def test_a_batch_larger_than_a_statement_has_parameters(location: str) -> None:
    with opened(location) as store:
        store.create_room(Room("general", "net"))
        batch = [message(0, f"b{number}") for number in range(2001)]
        store.append_messages(batch)
        assert tally(store) == {("general", "2026-03-01"): (2001, 0)}


def test_the_busiest_rooms(location: str) -> None:
    with opened(location) as store:
        fill(store, 7)
        # general: 0 2 4 6, ops: 1 5 (3 is a DM); 1 and 5 are in a thread
        assert busiest_rooms(store) == [
            RoomActivity("general", 4, 0, "2026-03-07"),
            RoomActivity("ops", 2, 2, "2026-03-06"),
        ]
        assert busiest_rooms(store, limit=1) == busiest_rooms(store)[:1]
        assert busiest_rooms(store, since=date(2026, 3, 6)) == [
            RoomActivity("general", 1, 0, "2026-03-07"),
            RoomActivity("ops", 1, 1, "2026-03-06"),
        ]
        night = datetime(2026, 3, 7, 1, tzinfo=timezone(timedelta(hours=5)))  # still the 6th in UTC
        assert busiest_rooms(store, since=night) == busiest_rooms(store, since=date(2026, 3, 6))
        assert busiest_rooms(store, since=date(2026, 3, 8)) == []


# -- what no hook told of ----------------------------------------------------------------------------


class Killing:
    """Kills the process after a commit, before the plugin hears of it."""

    @hookimpl(tryfirst=True)
    def moltnet_message_appended(self, result: AppendResult) -> None:
        if result.message.id == "late-2":
            os.kill(os.getpid(), signal.SIGKILL)


def append_and_die(location: str) -> None:
    with opened(location, [plugin, Killing()]) as store:
        fill(store, 6)
        fill(store, 6, "late")


def test_killed_between_the_commit_and_the_hook(location: str, start: Start) -> None:
    assert start(append_and_die, location).wait() == -signal.SIGKILL
    with opened(location, []) as store:
        left = truth(store)
        assert store.get_message("late-2") is not None
        assert tally(store) != left
    with opened(location) as store:
        assert tally(store) == left
        fill(store, 4, "more")
        assert tally(store) == truth(store)


def test_what_load_brings_is_counted_at_the_next_open(location: str, tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/source.db", []) as source:
        fill(source, 40, "loaded")
        rooms = source.list_rooms().items
        with source.snapshot() as snapshot:
            records = list(snapshot.records())
    with opened(location) as store:
        for room in rooms:
            store.create_room(room)
        later = datetime(2026, 4, 1, tzinfo=UTC)  # than all that is loaded
        store.append_messages([message(n, "own", target=Target.room("ops"), created_at=later) for n in range(50)])
        store.load(records)
        assert tally(store) != truth(store)
    with opened(location) as store:
        assert tally(store) == truth(store)


def test_without_the_plugin_the_store_works_and_with_it_again_the_tally(location: str) -> None:
    with opened(location) as store:
        fill(store, 10)
    with opened(location, [], migrate=False) as store:
        fill(store, 10, "unseen")
        assert ("activity", 2) in {(each.series, each.applied) for each in store.migration_status().series}
    with opened(location, migrate=False) as store:
        assert tally(store) == truth(store)


def test_more_than_a_page_that_nobody_counted(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moltnet_activity.reconciling._PAGE", 7)
    monkeypatch.setattr("moltnet_activity.reconciling._ROUND", 10)
    with opened(location, []) as store:
        fill(store, 60)
    with opened(location) as store:
        assert tally(store) == truth(store)


def test_messages_that_somebody_deleted(location: str) -> None:
    with opened(location) as store:
        fill(store, 24)
        with moltnet_sql.transaction(store) as database:
            database.execute_sql("DELETE FROM messages WHERE room_id = 'ops'")
        assert reconcile(store) > 0
        assert tally(store) == truth(store)
        with moltnet_sql.transaction(store) as database:
            database.execute_sql("UPDATE activity_day SET messages = messages + 1")
        recount(store)
        assert tally(store) == truth(store)


def test_an_open_that_finds_nothing_missing_writes_nothing(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/chat.db") as store:
        fill(store, 40)
    with opened(f"sqlite:///{tmp_path}/chat.db", []):  # keeps the -wal
        before = tree(tmp_path)
        opened(f"sqlite:///{tmp_path}/chat.db").close()
        assert {name: found for name, found in tree(tmp_path).items() if not name.endswith("-shm")} == {
            name: found for name, found in before.items() if not name.endswith("-shm")
        }


def test_a_tally_that_cannot_be_written_does_not_keep_the_store_shut(
    location: str, caplog: pytest.LogCaptureFixture
) -> None:
    opened(location).close()
    hasty = f"{location}{'&' if '?' in location else '?'}busy_timeout=0.05"
    with opened(location, []) as holder:
        fill(holder, 8)
        with moltnet_sql.transaction(holder) as database:
            for number in range(8):
                database.execute_sql(f"INSERT INTO activity_counted VALUES ('m-{number}')")
            with caplog.at_level(logging.WARNING), opened(hasty) as store:
                assert tally(store) == {}
            database.execute_sql("DELETE FROM activity_counted")
    assert "could not be brought up to date" in caplog.text
    with opened(location) as store:
        assert tally(store) == truth(store)


# -- several processes -------------------------------------------------------------------------------


def test_two_that_find_the_same_messages_count_them_once(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(location, []) as store:
        fill(store, 40)
    monkeypatch.setattr("moltnet_activity.plugin.reconcile", lambda store: 0)  # at the opens
    both_have_looked = threading.Barrier(2, timeout=WAIT)

    def count_later(store: Store, found: Sequence[Counted]) -> None:
        both_have_looked.wait()
        count(store, found)

    monkeypatch.setattr("moltnet_activity.reconciling.count", count_later)
    with opened(location) as one, opened(location) as other, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(reconcile, (one, other))) == [30, 30]
        assert tally(one) == truth(one)


def append_some(location: str, name: str) -> None:
    tell("ready")
    listen()
    with opened(location) as store:
        fill(store, 30, name)
        for number in range(10):
            reconcile(store)
            store.append_message(message(number, f"{name}x"))


def test_several_processes_count_together(location: str, start: Start) -> None:
    with opened(location, []) as store:
        fill(store, 50)  # which all of them find uncounted
    children = [start(append_some, location, f"p{number}") for number in range(3)]
    for child in children:
        child.hear()
    for child in children:
        child.say()
    for child in children:
        child.rest()
    with opened(location, []) as store:
        assert store.counts().messages == 50 + 3 * 40
        assert tally(store) == truth(store)


# -- where it does nothing ---------------------------------------------------------------------------


def test_a_read_only_store_has_its_tally_and_is_not_written(location: str) -> None:
    with opened(location) as store:
        fill(store, 10)
        wanted = busiest_rooms(store)
    with opened(location, []) as store:
        fill(store, 10, "unseen")
        left = tally(store)
    with opened(location, read_only=True) as reader:
        assert busiest_rooms(reader) == wanted
        assert tally(reader) == left


def test_a_read_only_store_without_a_tally_says_so(location: str) -> None:
    opened(location, []).close()
    with opened(location, read_only=True) as reader:
        assert reader.list_rooms().items == ()
        with pytest.raises(MigrationRequiredError, match="activity:1"):
            busiest_rooms(reader)


@pytest.mark.parametrize("place", ["memory://", "json:///{}/chat.json"])
def test_on_other_backends_it_does_nothing(place: str, tmp_path: Path) -> None:
    with opened(place.format(tmp_path)) as store:
        fill(store, 10)
        assert store.counts().messages == 10
        for ask in (busiest_rooms, reconcile, recount):
            with pytest.raises(UnsupportedCapabilityError):
                ask(store)
