"""Watches: waiting, ending, and bearing with a store that is away; what every backend gives is in the clauses."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.children import starting, tell

from moltnet_core import (
    START,
    Actor,
    CorruptRecordError,
    InvalidCursorError,
    Message,
    Part,
    RecordKind,
    Room,
    Store,
    StoreClosedError,
    StoreUnavailableError,
    Target,
    ValidationError,
    Watch,
    open_store,
)
from moltnet_core.feeds import FeedPage
from moltnet_memory import CorruptRow
from moltnet_memory.feed import TablesFeed

PATIENCE = 30  # seconds that a thread may take


def said(own_id: str, room_id: str = "general") -> Message:
    return Message("local", Target.room(room_id), Actor("agent", "a"), [Part("text", own_id)], id=own_id)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("memory://", environ={}) as opened:
        opened.create_room(Room("general", "local"))
        yield opened


def listeners() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "moltnet-watch"]


def in_thread(call: Callable[[], Any]) -> Callable[[], Any]:
    """Make a call in a thread; gives what waits for its result."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(PATIENCE)
        assert not thread.is_alive()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    return result


def when_waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as a watch has nothing and is about to wait."""
    waits = threading.Event()
    real = TablesFeed.wait

    def wait(self: TablesFeed, timeout: float) -> bool:
        waits.set()
        return real(self, timeout)

    monkeypatch.setattr(TablesFeed, "wait", wait)
    return waits


# -- waiting and ending ------------------------------------------------------------------------------


def test_all_watches_of_a_store_wait_in_one_thread_which_ends_with_them(store: Store) -> None:
    watches = [store.watch() for _ in range(20)]
    results = [in_thread(watch.__next__) for watch in watches]
    store.append_message(said("m1"))
    assert {result().id for result in results} == {"m1"}
    (thread,) = listeners()
    for watch in watches:
        watch.close()
    thread.join(PATIENCE)
    assert listeners() == []


def test_a_watch_that_is_dropped_leaves_no_thread(store: Store) -> None:
    with open_store("memory://", environ={}) as other:
        other.create_room(Room("general", "local"))
        watch = other.watch()
        result = in_thread(watch.__next__)
        while not listeners():
            pass
        (thread,) = listeners()
        other.append_message(said("m1"))
        assert result().id == "m1"
        del watch, result
        gc.collect()
        thread.join(PATIENCE)
        assert listeners() == []


def test_a_store_that_is_closed_wakes_whoever_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = when_waiting(monkeypatch)
    result = in_thread(store.watch().__next__)
    assert waits.wait(PATIENCE)
    store.close()
    with pytest.raises(StoreClosedError):
        result()
    assert listeners() == []


def test_leaving_the_block_ends_what_another_thread_waits_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = when_waiting(monkeypatch)
    with store.watch() as watch:
        result = in_thread(lambda: list(watch))
        assert waits.wait(PATIENCE)
    assert result() == []
    assert list(watch) == []
    assert watch.token == START


def test_threads_share_a_watch(store: Store) -> None:
    with store.watch() as watch:
        results = [in_thread(lambda: [next(watch).id for _ in range(50)]) for _ in range(4)]
        for number in range(200):
            store.append_message(said(f"m{number:03}"))
        shares = [result() for result in results]
    assert sorted(each for share in shares for each in share) == [f"m{number:03}" for number in range(200)]
    assert all(share == sorted(share) for share in shares)


def test_a_timeout_ends_the_loop_and_not_the_watch(store: Store) -> None:
    watch = store.watch(timeout=0.01)
    assert list(watch) == []
    store.append_message(said("m1"))
    assert [each.id for each in watch] == ["m1"]
    store.append_message(said("m2"))
    assert [each.id for each in watch] == ["m2"]
    watch.close()


def test_the_token_is_behind_what_was_handed_out(store: Store) -> None:
    store.create_room(Room("other", "local"))
    watch = store.watch(room_id="general", timeout=0)
    tokens = [watch.token]
    store.append_messages([said("m1"), said("m2"), said("o1", "other")])
    for own_id in ("m1", "m2"):
        assert next(watch).id == own_id
        tokens.append(watch.token)
    assert tokens == [START, "m1", "o1"]  # nothing of the room is between m2 and o1
    assert store.watch().token == "o1"
    assert [each.id for each in store.watch(after="m1", timeout=0)] == ["m2", "o1"]


def test_within_a_fork_it_says_that_it_is_the_parents() -> None:
    with starting() as start:  # a process of its own: one that forks should have no threads but those in question
        child = start(fork_beside_watches)
        assert child.hear() == "done"
        child.end()


def fork_beside_watches() -> None:
    with open_store("memory://", environ={}) as store:
        store.create_room(Room("general", "local"))
        watch, other = store.watch(timeout=0.01), store.watch(timeout=PATIENCE)
        store.append_message(said("m1"))
        assert next(watch).id == next(other).id == "m1"
        assert list(watch) == []
        child = os.fork()
        if not child:
            status = 1
            try:
                next(watch)
            except StoreClosedError as error:
                status = 0 if "its token" in str(error) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        result = in_thread(other.__next__)
        store.append_message(said("m2"))
        assert next(watch).id == result().id == "m2"
    tell("done")


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("watch", {"room_id": "a", "thread_id": "b"}),
        ("room_id", {"room_id": 3}),
        ("dm_id", {"dm_id": "\ud800"}),
        ("after", {"after": 3}),
        ("timeout", {"timeout": float("nan")}),
        ("timeout", {"timeout": True}),
        ("patience", {"patience": -0.1}),
        ("page_size", {"page_size": 1001}),
        ("on_corrupt", {"on_corrupt": "ignore"}),
    ],
)
def test_wrong_arguments(store: Store, field: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        store.watch(**options)
    assert caught.value.field == field


def test_limits_that_are_none(store: Store) -> None:
    with store.watch(timeout=float("inf"), patience=1e300, after=START) as watch:
        result = in_thread(watch.__next__)
        store.append_message(said("m1"))
        assert result().id == "m1"


def test_what_an_unknown_token_says(store: Store) -> None:
    with pytest.raises(InvalidCursorError, match=r"no message .nosuch.*START"):
        store.watch(after="nosuch")


# -- corrupt messages --------------------------------------------------------------------------------


def corrupt(store: Store, own_id: str) -> None:
    driver: Any = store.driver
    driver._tables.apply({(RecordKind.MESSAGE, own_id): CorruptRow("messages", own_id, "odd", ("room", "general"))})


def test_after_one_that_cannot_be_decoded_comes_the_next(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    watch = store.watch(timeout=0)
    store.append_message(said("m1"))
    corrupt(store, "m2")
    store.append_message(said("m3"))
    assert next(watch).id == "m1"
    with pytest.raises(CorruptRecordError) as caught:
        next(watch)
    assert (caught.value.record_id, watch.token) == ("m2", "m2")
    assert [each.id for each in watch] == ["m3"]
    with caplog.at_level(logging.WARNING):
        assert [each.id for each in store.watch(after="m1", timeout=0, on_corrupt="skip")] == ["m3"]
    assert "m2" in caplog.text


# -- a store that is away ----------------------------------------------------------------------------


class Away:
    """Stands before a store's feed: as many reads fail as there are in ``left``."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self.tries = 0
        real = store._read_feed

        def read(*arguments: Any) -> FeedPage:
            self.tries += 1
            if self.left:
                self.left -= 1
                raise StoreUnavailableError("the server is gone")
            return real(*arguments)

        monkeypatch.setattr(store, "_read_feed", read)


@pytest.fixture
def away(store: Store, monkeypatch: pytest.MonkeyPatch) -> Away:
    monkeypatch.setattr("moltnet_core._follower._PAUSES", (0.001, 0.002))
    return Away(store, monkeypatch)


def test_it_tries_again_and_goes_on(store: Store, away: Away, caplog: pytest.LogCaptureFixture) -> None:
    with store.watch() as watch, caplog.at_level(logging.INFO):
        store.append_messages([said("m1"), said("m2")])
        assert next(watch).id == "m1"
        away.left = 5
        assert next(watch).id == "m2"
        store.append_message(said("m3"))
        assert (next(watch).id, away.left) == ("m3", 0)
    assert caplog.text.count("interrupted") == 1
    assert caplog.text.count("goes on") == 1


def test_without_patience_the_error_comes_at_once_and_nothing_is_lost(store: Store, away: Away) -> None:
    watch = store.watch(patience=0)
    store.append_message(said("m1"))
    for _ in range(3):
        away.left = 1
        with pytest.raises(StoreUnavailableError):
            next(watch)
    assert next(watch).id == "m1"
    watch.close()


def test_a_timeout_does_not_hide_that_the_store_is_away(store: Store, away: Away) -> None:
    watch: Watch = store.watch(timeout=0)
    store.append_message(said("m1"))
    away.left = 1
    with pytest.raises(StoreUnavailableError):
        list(watch)
    assert [each.id for each in watch] == ["m1"]


def test_patience_has_an_end(store: Store, away: Away) -> None:
    watch = store.watch(patience=0.05)
    away.left = 1_000_000
    with pytest.raises(StoreUnavailableError):
        next(watch)
    assert away.tries > 2
    watch.close()


def test_closing_ends_a_watch_that_is_patient(store: Store, away: Away) -> None:
    watch = store.watch(patience=None)
    away.left = 1_000_000
    result = in_thread(lambda: list(watch))
    while away.tries < 3:
        pass
    watch.close()
    assert result() == []


def test_an_interrupt_while_the_thread_is_started_leaves_none_that_nobody_knows_of(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    interrupts = [KeyboardInterrupt()]
    started: list[threading.Thread] = []

    def interrupted_start(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "moltnet-watch":
            started.append(thread)
            if interrupts:
                raise interrupts.pop()

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    waits = when_waiting(monkeypatch)
    with store.watch() as watch:
        with pytest.raises(KeyboardInterrupt):
            next(watch)
        started[0].join(PATIENCE)
        assert not started[0].is_alive()
        assert not waits.is_set()
        result = in_thread(watch.__next__)
        assert waits.wait(PATIENCE)
        store.append_message(said("m1"))
        assert result().id == "m1"


def test_a_thread_that_did_not_end_before_a_fork_goes_on_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, goes_on = threading.Event(), threading.Event()
    real = TablesFeed.wait

    def wait(self: TablesFeed, timeout: float) -> bool:
        waits.set()
        assert goes_on.wait(PATIENCE)
        return real(self, timeout)

    monkeypatch.setattr(TablesFeed, "wait", wait)
    monkeypatch.setattr("moltnet_core._bell._FORK_PATIENCE", 0.01)
    monkeypatch.setattr("moltnet_core._bell.until_gone", list)
    with store.watch() as watch:
        result = in_thread(watch.__next__)
        assert waits.wait(PATIENCE)
        watch._bell.before_fork()
        watch._bell.after_fork_in_parent()
        goes_on.set()
        store.append_message(said("m1"))
        assert result().id == "m1"
        assert len(listeners()) == 1


def test_waiting_that_fails_is_tried_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fails = iter([StoreUnavailableError("the server is gone"), RuntimeError("secret"), None, None, None])
    real = TablesFeed.wait

    def wait(self: TablesFeed, timeout: float) -> bool:
        error = next(fails, None)
        if error is not None:
            raise error
        return real(self, timeout)

    monkeypatch.setattr(TablesFeed, "wait", wait)
    monkeypatch.setattr("moltnet_core._bell._PAUSES", (0.001, 0.002))
    with store.watch() as watch:
        result = in_thread(watch.__next__)
        while next(fails, 1) is not None:
            pass
        store.append_message(said("m1"))
        assert result().id == "m1"
    assert "secret" not in caplog.text
