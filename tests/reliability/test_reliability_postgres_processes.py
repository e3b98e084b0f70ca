"""Many processes and threads on one PostgreSQL server: first opens, read-modify-writes, a small pool."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.children import Child, listen, open_descriptors, outcome, tell, wait_until
from tests.moltnet_postgres.support import Place, a_message, a_room, in_threads, seconds_of, thread_message
from tests.postgres.cluster import Cluster

from moltnet_core import PageRequest, open_store
from moltnet_sql import transaction

Start = Callable[..., Child]
Figure = Callable[[str], None]


# -- first opens -------------------------------------------------------------------------------------------


def open_again_and_again() -> None:
    """Open each store that is named, at the moment at which all others do."""
    tell("ready")
    while url := listen():

        def use(url: str = url) -> None:
            with open_store(url, environ={}) as store:
                assert store.migration_status().is_current
                store.counts()

        tell(outcome(use))


def test_eight_processes_open_sixty_empty_schemas(cluster: Cluster, start: Start, figure: Figure) -> None:
    processes, schemas = 8, 60
    children = [start(open_again_and_again) for _ in range(processes)]
    for child in children:
        assert child.hear() == "ready"
    outcomes: Counter[str] = Counter()
    for _ in range(schemas):
        with Place(cluster) as place:
            for child in children:
                child.say(place.url())
            for child in children:
                found = child.hear()
                outcomes[found["error"] or "opened"] += 1
                assert found["error"] is None, found
            versions = place.query("SELECT version FROM schema_migrations ORDER BY version")
            assert versions == [(version,) for version in range(1, 9)]
    for child in children:
        child.say("")
        child.end()
    errors = sum(outcomes.values()) - outcomes["opened"]
    figure(
        f"PostgreSQL, first opens: {processes} processes x {schemas} schemas, {outcomes['opened']} opens, "
        f"{errors} errors"
    )
    assert outcomes == {"opened": processes * schemas}


# -- read, modify, write --------------------------------------------------------------------------------------


def count_up(url: str, name: str, times: int) -> None:
    """Three counters: a plugin's own table, the members of a room, and a thread's messages."""
    with open_store(url, environ={}) as store:
        tell("ready")
        listen()
        errors = []

        def once(number: int) -> None:
            with transaction(store) as database:
                before = database.execute_sql("SELECT value FROM counter_counter FOR UPDATE").fetchone()[0]
                database.execute_sql("UPDATE counter_counter SET value = %s", (before + 1,))
            store.append_message(thread_message(f"{name}-{number}"))
            if number % 10 == 0:
                store.update_room_members("hall", add=[f"{name}-{number}"], remove=[f"{name}-{number - 10}"])

        for number in range(times):
            found = outcome(lambda number=number: once(number))  # type: ignore[misc]
            if found["error"] is not None:
                errors.append(found)
        tell(errors)


def test_eight_processes_lose_no_update(place: Place, start: Start, figure: Figure) -> None:
    processes, times = 8, 500
    place.made().close()
    place.query("CREATE TABLE counter_counter (value integer)")
    place.query(f"GRANT ALL ON counter_counter TO {place.server.user['user']}")
    place.query("INSERT INTO counter_counter VALUES (0)")
    children = [start(count_up, place.url(), f"p{number}", times) for number in range(processes)]
    for child in children:
        assert child.hear() == "ready"
    for child in children:
        child.say()
    errors = [error for child in children for error in child.hear()]
    for child in children:
        child.end()
    ((value,),) = place.query("SELECT value FROM counter_counter")
    ((counted,),) = place.query("SELECT message_count FROM threads")
    ((messages,),) = place.query("SELECT count(*) FROM messages")
    ((members,),) = place.query("SELECT count(*) FROM room_members")
    figure(
        f"PostgreSQL, read-modify-write: {processes} processes x {times}, counter at {value}, thread counts {counted} "
        f"of {messages} messages, {members} members, {len(errors)} errors"
    )
    assert errors == []
    assert value == counted == messages == processes * times
    assert members == processes


def test_changing_a_room_is_not_starved_by_appends_to_it(place: Place, figure: Figure) -> None:
    """Each append keeps the room for itself and its like; there is never a moment without one."""
    store = place.made(pool_size=10)
    stop = threading.Event()
    appended = [0] * 8
    waits: list[float] = []

    def write(number: int) -> None:
        while not stop.is_set():
            appended[number] += 1
            store.append_message(a_message(f"t{number}-{appended[number]}"))

    def change() -> None:
        try:
            wait_until(lambda: all(appended), "all append")
            for number in range(20):
                seconds, error = seconds_of(lambda number=number: store.update_room_members("hall", add=[f"m{number}"]))  # type: ignore[misc]
                assert error is None, error
                waits.append(seconds)
        finally:
            stop.set()

    assert in_threads(9, lambda number: change() if number == 8 else write(number)) == []
    figure(
        f"PostgreSQL, fairness: {len(waits)} changes of a room beside {sum(appended)} appends, "
        f"the longest {max(waits) * 1000:.0f} ms"
    )
    assert max(waits) < 2


# -- threads ----------------------------------------------------------------------------------------------------


def test_a_hundred_threads_on_a_pool_of_five(place: Place, figure: Figure) -> None:
    threads, size, each = 100, 5, 5
    store = place.made(pool_size=size)
    place.connections()
    before = len(open_descriptors("socket:"))
    waits: list[float] = []
    most = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal most
        while not stop.is_set():
            most = max(most, place.connections())

    def work(number: int) -> None:
        for turn in range(each):
            began = time.monotonic()
            store.append_message(a_message(f"m{number}-{turn}"))
            store.list_room_messages("hall", PageRequest(limit=5))
            waits.append(time.monotonic() - began)

    watcher = threading.Thread(target=watch)
    watcher.start()
    errors = in_threads(threads, work)
    stop.set()
    watcher.join(30)
    more = len(open_descriptors("socket:")) - before
    store.close()
    wait_until(lambda: place.connections() == 0, "no session is left")
    left = len(open_descriptors("socket:"))
    figure(
        f"PostgreSQL, threads: {threads} on a pool of {size}, {len(place.stored())} appended, at most {most} sessions, "
        f"the longest append and page {max(waits):.2f} s, {more} sockets more than before, {left - before} after close"
    )
    assert errors == []
    assert most <= size + 1  # the server takes a moment to end one
    assert more <= 2 * (size - 1)
    assert left < before
    assert max(waits) < 10


def test_one_dead_connection_retires_all(place: Place, figure: Figure) -> None:
    size = 8
    store = place.made(pool_size=size)
    barrier = threading.Barrier(size)

    def occupy(_: int) -> None:
        with store.snapshot():
            barrier.wait(60)

    assert in_threads(size, occupy) == []
    ended = place.server.terminate_backends("moltnet-storage")
    wait_until(lambda: place.connections() == 0, "the sessions end")
    seconds, error = seconds_of(lambda: store.create_room(a_room("next")))
    assert place.connections() == 1
    figure(
        f"PostgreSQL, dead connections: {ended} ended while idle, the next call succeeded in {seconds * 1000:.0f} ms "
        "by one new connection"
    )
    assert ended == size
    assert error is None
