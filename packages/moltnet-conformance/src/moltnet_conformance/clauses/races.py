"""Many threads on one store. They switch at every line of the backend's own files, where a race would show."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from moltnet_conformance.building import agent, dm, message, records, room, thread, walk
from moltnet_conformance.clause import Group
from moltnet_conformance.racing import THREADS, raced, together
from moltnet_core import (
    START,
    AgentCredentialError,
    DuplicateMessageError,
    Message,
    MoltnetError,
    PageRequest,
    Part,
    RoomExistsError,
    RoomNotFoundError,
    Store,
    ThreadRoomMismatchError,
)

clause = Group("threads", given=raced)


@clause("RACE-001", "4.29", "4.33")
def of_concurrent_registrations_exactly_one_wins(store: Store) -> None:
    for attempt in range(10):
        agent_id = f"agent{attempt}"
        results = together(lambda number: store.register_agent(agent(agent_id, f"token:{number}")))  # noqa: B023
        winners = [result for result in results if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert sum(isinstance(result, AgentCredentialError) for result in results) == THREADS - 1
        assert store.get_agent(agent_id) == winners[0]


@clause("RACE-002", "4.33", "5.6")
def of_concurrent_creations_exactly_one_wins(store: Store) -> None:
    for attempt in range(10):
        room_id = f"room{attempt}"
        results = together(lambda number: store.create_room(room(room_id, members=[f"m{number}"])))  # noqa: B023
        winners = [result for result in results if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert sum(isinstance(result, RoomExistsError) for result in results) == THREADS - 1
        assert store.get_room(room_id) == winners[0]


@clause("RACE-003", "4.33", "4.18")
def of_concurrent_appends_of_one_id_exactly_one_wins(store: Store) -> None:
    for attempt in range(10):
        message_id = f"m{attempt}"
        results = together(lambda number: store.append_message(message(message_id, thread(), mentions=[f"{number}"])))  # noqa: B023
        winners = [result for result in results if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert sum(isinstance(result, DuplicateMessageError) for result in results) == THREADS - 1
        assert store.get_message(message_id) == winners[0].message
        assert sum(bool(result.thread_created) for result in winners) == (attempt == 0)
    found = store.get_thread("t1")
    assert found is not None
    assert found.message_count == 10


@clause("RACE-004", "4.33", "4.17")
def no_append_is_lost_and_none_counted_twice(store: Store) -> None:
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


@clause("RACE-005", "4.33", "4.5")
def no_change_of_members_is_lost(store: Store) -> None:
    store.update_room_members("general", add=[f"old{number}" for number in range(THREADS)])
    together(lambda number: store.update_room_members("general", add=[f"new{number}"], remove=[f"old{number}"]))
    found = store.get_room("general")
    assert found is not None
    assert found.members == tuple(f"new{number}" for number in range(THREADS))


@clause("RACE-006", "4.11", "4.33")
def nothing_is_appended_after_a_removal_has_returned(store: Store) -> None:
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


@clause("RACE-007", "4.1", "4.33")
def readers_beside_writers_see_whole_batches_in_order(store: Store) -> None:
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


@clause("RACE-010", "4.33", "4.18", "4.11")
def each_concurrent_append_is_told_of_its_own(store: Store) -> None:
    each = 6
    store.create_room(room("other"))
    store.append_messages([message("taken"), message("first", thread())])
    wrong: list[tuple[type[MoltnetError], Callable[[str], list[Message]]]] = [
        (DuplicateMessageError, lambda name: [message("taken", second=9, mentions=[name])]),
        (RoomNotFoundError, lambda name: [message(f"{name}-bad"), message(name, "nowhere")]),
        (ThreadRoomMismatchError, lambda name: [message(name, thread("t1", "other"))]),
    ]

    def work(number: int) -> list[Any]:
        told: list[Any] = []
        for index in range(each):
            name = f"{number}-{index}"
            told.append(store.append_message(message(f"{name}-good", thread(), index)).message.id)
            expected, batch = wrong[(number + index) % len(wrong)]
            try:
                told += store.append_messages(batch(name))
            except expected as error:
                told.append(error.committed)
        return told

    for number, told in enumerate(together(work)):
        assert told == [said for index in range(each) for said in (f"{number}-{index}-good", False)]
    found = store.get_thread("t1")
    assert found is not None
    assert found.message_count == 1 + THREADS * each
    stored = {record.id for record in records(store) if record.kind == "message"}
    assert stored == {"taken", "first", *(f"{n}-{index}-good" for n in range(THREADS) for index in range(each))}
