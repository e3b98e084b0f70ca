"""``moltnet_message_appended``: told after the commit, in the caller's thread, and harmless."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import (
    Actor,
    AppendResult,
    DuplicateMessageError,
    Message,
    Part,
    Room,
    Store,
    Target,
    hookimpl,
    open_store,
)


def message(message_id: str, target: Target | None = None) -> Message:
    return Message(
        "net", target or Target.room("general"), Actor("agent", "ann"), [Part("text", "secret words")], id=message_id
    )


class Observer:
    def __init__(self, location: str) -> None:
        self.location = location
        self.results: list[AppendResult] = []
        self.threads: list[threading.Thread] = []
        self.committed: list[bool] = []

    @hookimpl
    def moltnet_message_appended(self, store: Store, result: AppendResult) -> None:
        self.results.append(result)
        self.threads.append(threading.current_thread())
        # Another store on the same file sees only what was committed.
        with open_store(self.location, environ={}, migrate=False) as other:
            self.committed.append(other.get_message(result.message.id) == result.message)
        assert store.get_message(result.message.id) == result.message


@pytest.fixture
def observer(tmp_path: Path) -> Observer:
    return Observer(f"sqlite:///{tmp_path}/chat.db")


@pytest.fixture
def store(observer: Observer) -> Any:
    with open_store(observer.location, environ={}, plugins=[observer]) as store:
        store.create_room(Room("general", "net"))
        yield store


def test_it_is_told_after_the_commit_in_the_caller_s_thread(store: Store, observer: Observer) -> None:
    result = store.append_message(message("m1"))
    assert observer.results == [result]
    assert observer.committed == [True]
    thread = threading.Thread(target=store.append_message, args=(message("m2"),))
    thread.start()
    thread.join()
    assert observer.threads == [threading.current_thread(), thread]


def test_it_is_told_of_each_message_of_a_batch_and_of_replays(store: Store, observer: Observer) -> None:
    batch = [message("m1"), message("m2", Target.thread("general", "t1")), message("m3")]
    results = store.append_messages(batch)
    assert observer.results == results
    again = store.append_messages(batch[:2], retry=True)
    assert observer.results == [*results, *again]
    assert [result.replayed for result in observer.results] == [False] * 3 + [True] * 2
    assert all(observer.committed)


def test_it_is_told_with_the_whole_call_s_results() -> None:
    """So that it can do one thing for a batch, at the last of it."""
    told: list[tuple[str, list[str], bool]] = []

    class Batching:
        @hookimpl
        def moltnet_message_appended(self, result: AppendResult, batch: Sequence[AppendResult]) -> None:
            told.append((result.message.id, [each.message.id for each in batch], result is batch[-1]))

    with open_store("memory://", environ={}, plugins=[Batching()]) as store:
        store.create_room(Room("general", "net"))
        store.append_messages([message("m1"), message("m2")])
        store.append_message(message("m3"))
    assert told == [("m1", ["m1", "m2"], False), ("m2", ["m1", "m2"], True), ("m3", ["m3"], True)]


def test_it_is_not_told_of_what_failed_or_of_reads(store: Store, observer: Observer) -> None:
    store.append_message(message("m1"))
    with pytest.raises(DuplicateMessageError):
        store.append_messages([message("m2"), message("m1")])
    store.list_room_messages("general")
    store.append_messages([])
    assert len(observer.results) == 1


def test_one_that_raises_is_logged_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    class Failing:
        @hookimpl
        def moltnet_message_appended(self, result: AppendResult) -> None:
            told.append("failing")
            raise ValueError(f"cannot index {result.message.parts[0].text}")

    class Working:
        @hookimpl
        def moltnet_message_appended(self) -> None:
            told.append("working")

    plugins = [Working(), Failing(), Working()]
    with open_store("memory://", environ={}, plugins=plugins) as store, caplog.at_level(logging.DEBUG):
        store.create_room(Room("general", "net"))
        result = store.append_message(message("m1"))
        assert store.get_message("m1") == result.message
    assert sorted(told) == ["failing", "working", "working"]
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "ValueError" in record.getMessage()
    assert record.exc_info is None
    assert "secret words" not in caplog.text


def test_one_that_changes_what_it_is_told_changes_nothing_stored() -> None:
    class Changing:
        @hookimpl
        def moltnet_message_appended(self, result: Any) -> None:
            result.message.parts[0].data["k"] = "changed"

    with open_store("memory://", environ={}, plugins=[Changing()]) as store:
        store.create_room(Room("general", "net"))
        part = Part("data", data={"k": "kept"})
        store.append_message(Message("net", Target.room("general"), Actor("agent", "ann"), [part], id="m1"))
        found = store.get_message("m1")
        assert found is not None
        assert found.parts == (Part("data", data={"k": "kept"}),)
        assert part.data == {"k": "kept"}


def test_one_may_append_itself() -> None:
    class Echo:
        @hookimpl
        def moltnet_message_appended(self, store: Store, result: AppendResult) -> None:
            if result.message.id == "m1":
                store.append_message(message("echo"))

    with open_store("memory://", environ={}, plugins=[Echo()]) as store:
        store.create_room(Room("general", "net"))
        store.append_message(message("m1"))
        assert store.counts().messages == 2


def test_all_hooks_are_called_in_pluggys_order() -> None:
    """The last one registered first; ``tryfirst`` and ``trylast`` come before and after all."""
    told: dict[str, list[str]] = {"opened": [], "appended": [], "closing": []}

    def plugin(name: str, *, tryfirst: bool = False, trylast: bool = False) -> object:
        class Telling:
            @hookimpl(tryfirst=tryfirst, trylast=trylast)
            def moltnet_store_opened(self) -> None:
                told["opened"].append(name)

            @hookimpl(tryfirst=tryfirst, trylast=trylast)
            def moltnet_message_appended(self) -> None:
                told["appended"].append(name)

            @hookimpl(tryfirst=tryfirst, trylast=trylast)
            def moltnet_store_closing(self) -> None:
                told["closing"].append(name)

        return Telling()

    plugins = [plugin("first", tryfirst=True), plugin("a"), plugin("b"), plugin("last", trylast=True)]
    with open_store("memory://", environ={}, plugins=plugins) as store:
        store.create_room(Room("general", "net"))
        store.append_message(message("m1"))
    assert told == {hook: ["first", "b", "a", "last"] for hook in told}
