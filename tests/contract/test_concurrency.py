"""Many threads on one store. They switch at every line of the backend's own files, where a race would show."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.contract.building import Place, agent, dm, everything, message, records, room, thread, walk

from moltnet_core import (
    START,
    AgentCredentialError,
    DuplicateMessageError,
    MoltnetError,
    PageRequest,
    Part,
    RoomExistsError,
    RoomNotFoundError,
    Store,
    StoreClosedError,
)

THREADS = 8


def together(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """Runs ``work(0)``, ``work(1)``, … at once; the results, and errors of the contract, in order."""
    results: list[Any] = [None] * count
    unexpected: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        gate.wait(10)
        try:
            results[number] = work(number)
        except MoltnetError as error:
            results[number] = error
        except BaseException as error:  # noqa: BLE001 - raised below, where the test sees it
            unexpected.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
        assert not each.is_alive()
    if unexpected:
        raise unexpected[0]
    return results


@contextmanager
def switching_at_every_line(store: Store) -> Iterator[None]:
    """Threads started in the block give way to others at each line of the driver's packages."""
    packages = {base.__module__.partition(".")[0] for base in type(store.driver).__mro__}
    files = [sys.modules[name].__file__ for name in packages - {"builtins", "abc", "moltnet_core"}]
    folders = tuple(str(Path(file).parent) for file in files if file)

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(folders):
            return None
        if event == "line":
            time.sleep(0)
        return trace

    before = threading.gettrace()
    threading.settrace(trace)
    try:
        yield
    finally:
        threading.settrace(before)


@pytest.fixture
def store(store: Store) -> Iterator[Store]:
    store.create_room(room("general"))
    with switching_at_every_line(store):
        yield store


def test_of_concurrent_registrations_exactly_one_wins(store: Store) -> None:
    for attempt in range(10):
        agent_id = f"agent{attempt}"
        results = together(lambda number: store.register_agent(agent(agent_id, f"token:{number}")))  # noqa: B023
        winners = [result for result in results if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert Counter(type(result) for result in results)[AgentCredentialError] == THREADS - 1
        assert store.get_agent(agent_id) == winners[0]


def test_of_concurrent_creations_exactly_one_wins(store: Store) -> None:
    for attempt in range(10):
        room_id = f"room{attempt}"
        results = together(lambda number: store.create_room(room(room_id, members=[f"m{number}"])))  # noqa: B023
        winners = [result for result in results if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert Counter(type(result) for result in results)[RoomExistsError] == THREADS - 1
        assert store.get_room(room_id) == winners[0]


def test_of_concurrent_appends_of_one_id_exactly_one_wins(store: Store) -> None:
    for attempt in range(10):
        message_id = f"m{attempt}"
        results = together(lambda number: store.append_message(message(message_id, thread(), mentions=[f"{number}"])))  # noqa: B023
        winners = [result for result in results if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert Counter(type(result) for result in results)[DuplicateMessageError] == THREADS - 1
        assert store.get_message(message_id) == winners[0].message
        assert sum(bool(result.thread_created) for result in winners) == (attempt == 0)
    found = store.get_thread("t1")
    assert found is not None
    assert found.message_count == 10


def test_no_append_is_lost_and_none_counted_twice(store: Store) -> None:
    each, file = 10, Part("file", filename="f")

    def work(number: int) -> list[Any]:
        created: list[Any] = []
        for index in range(each):
            name = f"{number}-{index}"
            batch = [
                message(f"r{name}", "general", index),
                message(f"t{name}", thread(), index, parts=[file]),
                message(f"d{name}", dm("d1", f"p{number}", "bob"), index),
            ]
            created += [result for result in store.append_messages(batch) if result.thread_created or result.dm_created]
        return created

    created = [result for results in together(work) for result in results]
    assert sorted(bool(result.thread_created) for result in created) == [False, True]
    total = THREADS * each
    found, direct = store.get_thread("t1"), store.get_dm("d1")
    assert found is not None
    assert direct is not None
    assert (found.message_count, direct.message_count) == (total, total)
    assert direct.participant_ids == tuple(sorted(["ann", "bob", *(f"p{number}" for number in range(THREADS))]))
    for read in (
        lambda page: store.list_room_messages("general", page),
        lambda page: store.list_thread_messages("t1", page),
        lambda page: store.list_dm_messages("d1", page),
        lambda page: store.list_artifacts(page=page),
    ):
        seen = [item.id for page in walk(read, 7, forwards=True) for item in page.items]
        assert len(seen) == len(set(seen)) == total


def test_no_change_of_members_is_lost(store: Store) -> None:
    store.update_room_members("general", add=[f"old{number}" for number in range(THREADS)])
    together(lambda number: store.update_room_members("general", add=[f"new{number}"], remove=[f"old{number}"]))
    found = store.get_room("general")
    assert found is not None
    assert found.members == tuple(f"new{number}" for number in range(THREADS))


def test_nothing_is_appended_after_a_removal_has_returned(store: Store) -> None:
    for attempt in range(5):
        room_id = f"room{attempt}"
        store.create_room(room(room_id))
        removed = threading.Event()

        def work(number: int, room_id: str = room_id, removed: threading.Event = removed) -> tuple[int, int]:
            appended = late = 0
            if number == 0:
                time.sleep(0.002)
                store.remove_room(room_id)
                removed.set()
                return 0, 0
            for index in range(1000):
                over = removed.is_set()
                try:
                    store.append_message(message(f"{room_id}-{number}-{index}", thread(f"t-{room_id}", room_id)))
                except RoomNotFoundError:
                    break
                appended += 1
                late += over
            return appended, late

        results = together(work, 4)
        assert sum(late for _, late in results) == 0
        assert len(store.list_thread_messages(f"t-{room_id}", PageRequest(limit=1000)).items) == min(
            1000, sum(appended for appended, _ in results)
        )


def test_readers_beside_writers_see_whole_batches_in_order(store: Store) -> None:
    writers, batches, size = 2, 12, 3
    done = threading.Event()

    def write(number: int) -> None:
        for index in range(batches):
            store.append_messages(
                [message(f"{number}-{index:02}-{item}", thread(), index, parts=[Part("file")]) for item in range(size)]
            )

    def read() -> None:
        while not done.is_set():
            found = store.get_thread("t1")
            line = store.list_thread_messages("t1", PageRequest(after=START, limit=1000)).items
            if found is not None:
                assert found.message_count % size == 0
                assert len(line) >= found.message_count
            assert len(line) % size == 0
            assert [each.id for each in line] == [
                each.id for each in sorted(line, key=lambda each: (each.created_at, each.id))
            ]
            assert store.counts().artifacts % size == 0
            kinds = Counter(str(record.kind) for record in records(store))
            assert kinds["message"] % size == 0

    def work(number: int) -> None:
        if number >= writers:
            read()
            return
        try:
            write(number)
        finally:
            done.set()

    assert together(work, 5) == [None] * 5
    assert store.counts().messages == writers * batches * size


def test_closing_waits_for_calls_and_stops_others(place: Place) -> None:
    store = place.open()
    store.create_room(room("general"))
    appended: list[str] = []

    def work(number: int) -> str:
        if number == 0:
            time.sleep(0.02)
            store.close()
            return "closed"
        for index in range(100_000):
            name = f"{number}-{index}"
            store.append_message(message(name))
            appended.append(name)
        return "never stopped"

    with switching_at_every_line(store):
        results = together(work, 4)
    assert results[0] == "closed"
    assert all(isinstance(result, StoreClosedError) for result in results[1:])


def test_a_store_may_be_used_and_closed_by_threads_that_come_and_go(place: Place) -> None:
    store = place.open()
    store.create_room(room("general"))
    for number in range(50):
        each = threading.Thread(target=store.append_message, args=(message(f"m{number}"),))
        each.start()
        each.join()
    assert store.counts().messages == 50
    before = everything(store)
    assert before[1].messages == 50
    closing = threading.Thread(target=store.close)
    closing.start()
    closing.join()
    with pytest.raises(StoreClosedError):
        store.ping()
