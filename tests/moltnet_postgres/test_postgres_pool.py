"""The pool: who waits is served in turn, nothing leaks, what is dead or old goes, an interrupted call costs nothing."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from tests.children import open_descriptors, wait_until
from tests.moltnet_postgres.support import Place, a_message, in_threads, seconds_of
from tests.postgres.proxy import Proxy

from moltnet_core import StoreBusyError, StoreClosedError
from moltnet_postgres.connections import Connection
from moltnet_postgres.pool import PostgresPool
from moltnet_postgres.watchdog import Watchdog


class FakeConnection:
    """As much of a connection as the pool looks at."""

    def __init__(self) -> None:
        self.made_at = self.used_at = time.monotonic()
        self.generation = 0
        self.closed = 0
        self.has_news = False
        self.is_usable = True
        self.answers = True

    def check(self, patience: float) -> None:
        if not self.answers:
            self.closed = 2
            raise ConnectionError("gone")

    def close(self) -> None:
        self.closed = 1


class Pool(PostgresPool):
    """A pool of fakes; ``made`` are all of them, also those that nobody holds any more."""

    def __init__(self, size: int = 2, timeout: float = 30.0, lifetime: float = 60.0) -> None:
        self.made = 0
        self.failures: list[Exception] = []
        super().__init__(
            self._make,
            Watchdog(),
            place="a server",
            size=size,
            timeout=timeout,
            lifetime=lifetime,
            check_after=60.0,
            check_patience=1.0,
        )

    def _make(self) -> Connection:
        self.made += 1
        if self.failures:
            raise self.failures.pop()
        return cast(Connection, FakeConnection())

    def is_full(self) -> bool:
        return not self._has_room()

    def waiting(self) -> int:
        return len(self._waiting)


def fake(connection: Connection) -> FakeConnection:
    return cast(FakeConnection, connection)


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def all_places_are_free(pool: Pool, size: int = 2) -> bool:
    taken = [pool.take() for _ in range(size)]
    for connection in taken:
        pool.give(connection)
    return True


# -- turns -------------------------------------------------------------------------------------------------


def test_who_waits_is_served_in_the_order_of_coming() -> None:
    pool = Pool(size=1)
    first = pool.take()
    served: list[int] = []

    def wait(number: int) -> None:
        connection = pool.take()
        served.append(number)
        pool.give(connection)

    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        wait_until(lambda number=number: pool.waiting() == number + 1, "it waits")  # type: ignore[misc]
    pool.give(first)
    for thread in threads:
        thread.join(30)
    assert served == list(range(20))
    assert pool.made == 1
    pool.close()


def test_nobody_overtakes_who_waits() -> None:
    """A place became free, and is for who waits for it, though another asks at the same moment."""
    pool = Pool(size=1)
    first = pool.take()
    taken: list[Connection] = []
    waiter = threading.Thread(target=lambda: taken.append(pool.take()))
    waiter.start()
    wait_until(lambda: pool.waiting() == 1, "it waits")
    pool.give(first)
    assert pool.is_full()
    waiter.join(30)
    assert taken == [first]
    pool.give(first)
    pool.close()


def test_a_full_pool_is_waited_for_and_then_busy() -> None:
    pool = Pool(size=1, timeout=0.05)
    held = pool.take()
    with pytest.raises(StoreBusyError, match="pool_size"):
        pool.take()
    pool.give(held)
    assert all_places_are_free(pool, 1)
    pool.close()


def test_closing_ends_the_wait() -> None:
    pool = Pool(size=1)
    held = pool.take()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            pool.take()
        except StoreClosedError as error:
            errors.append(error)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: pool.waiting() == 3, "they wait")
    pool.close()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 3
    pool.give(held)
    assert fake(held).closed
    with pytest.raises(StoreClosedError):
        pool.take()


def test_a_connection_that_cannot_be_made_leaves_its_place(pool: Pool) -> None:
    pool.failures = [ConnectionError("refused"), ConnectionError("refused"), ConnectionError("refused")]
    for _ in range(3):
        with pytest.raises(ConnectionError):
            pool.take()
    assert all_places_are_free(pool)


def test_who_waits_gets_the_place_of_a_connection_that_could_not_be_made() -> None:
    pool = Pool(size=1)
    entered, proceed = threading.Event(), threading.Event()
    made: Callable[[], Connection] = pool._connect

    def fail() -> Connection:
        entered.set()
        assert proceed.wait(30)
        raise ConnectionError("refused")

    pool._connect = fail
    errors: list[list[BaseException]] = []
    failing = threading.Thread(target=lambda: errors.append(in_threads(1, lambda _: pool.take())))
    failing.start()
    assert entered.wait(30)
    pool._connect = made
    taken: list[Connection] = []
    waiter = threading.Thread(target=lambda: taken.append(pool.take()))
    waiter.start()
    wait_until(lambda: pool.waiting() == 1, "it waits")
    proceed.set()
    waiter.join(30)
    failing.join(30)
    assert [type(error) for error in errors[0]] == [ConnectionError]
    assert len(taken) == 1
    pool.give(taken[0])
    pool.close()


# -- interrupts --------------------------------------------------------------------------------------------


class Interrupting:
    """An event whose wait is interrupted, by Ctrl+C say; the turn may have come at that moment or not."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile = meanwhile

    def wait(self, timeout: float) -> bool:
        self._meanwhile()
        raise KeyboardInterrupt

    def set(self) -> None: ...

    def is_set(self) -> bool:
        return False


@pytest.mark.parametrize("served", [False, True])
def test_an_interrupted_wait_loses_no_place(monkeypatch: pytest.MonkeyPatch, served: bool) -> None:
    pool = Pool(size=1)
    held = pool.take()
    meanwhile = (lambda: pool.give(held)) if served else (lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr("moltnet_postgres.pool.threading.Event", lambda: Interrupting(meanwhile))
        with pytest.raises(KeyboardInterrupt):
            pool.take()
    if not served:
        pool.give(held)
    assert pool.waiting() == 0
    assert all_places_are_free(pool, 1)
    assert pool.made == 1
    pool.close()


def test_a_connection_that_an_interrupt_lost_frees_its_place(pool: Pool) -> None:
    """Between the return from ``take`` and the assignment, say."""
    pool.take()
    pool.take()
    gc.collect()
    assert all_places_are_free(pool)


# -- what is dead or old -------------------------------------------------------------------------------------


def test_one_dead_connection_retires_all_that_are_as_old() -> None:
    pool = Pool(size=3)
    old = [pool.take() for _ in range(3)]
    pool.give(old[0])
    fake(old[1]).closed = 2
    pool.give(old[1])
    assert fake(old[0]).closed  # at once, though nobody asked for it
    new = pool.take()
    assert new not in old
    pool.give(old[2])  # it was in a call meanwhile
    assert fake(old[2]).closed
    pool.give(new)
    assert pool.take() is new
    pool.give(new)
    pool.close()


def test_a_lost_connection_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    pool = Pool(size=3)
    old = [pool.take() for _ in range(3)]
    assert pool.stats()["pool.in_use"] == pool.stats()["pool.opened"] == 3
    pool.give(old[0])
    for each in old[1:]:
        fake(each).closed = 2
        pool.give(each)
    (told,) = [vars(record) for record in caplog.records]
    assert (told["event"], told["server"], told["idle"]) == ("moltnet.postgres.connection_lost", "a server", 1)
    pool.give(pool.take())
    assert pool.stats() == {
        "pool.size": 3,
        "pool.in_use": 0,
        "pool.idle": 1,
        "pool.waiting": 0,
        "pool.opened": 4,
        "pool.replaced": 3,
    }
    pool.close()
    assert pool.stats()["pool.idle"] == 0


def test_what_is_closed_for_its_age_is_not_replaced_and_a_failover_is_told(caplog: pytest.LogCaptureFixture) -> None:
    pool = Pool(size=2, lifetime=60)
    connection = pool.take()
    fake(connection).made_at -= 61
    pool.give(connection)
    assert pool.stats()["pool.replaced"] == 0
    pool.give(pool.take())
    pool.retire_all()
    assert pool.stats()["pool.replaced"] == 1
    assert [vars(record)["event"] for record in caplog.records] == ["moltnet.postgres.wrong_server"]
    pool.close()


@pytest.mark.parametrize("answers", [False, True])
def test_one_with_news_is_tried_first(pool: Pool, answers: bool) -> None:
    first, second = pool.take(), pool.take()
    for each in (second, first):
        pool.give(each)
    fake(first).has_news, fake(first).answers = True, answers
    found = pool.take()
    assert (found is first) == answers
    assert bool(fake(second).closed) != answers
    pool.give(found)


def test_what_lives_too_long_is_closed_though_it_is_not_asked_for() -> None:
    pool = Pool(size=2, lifetime=60)
    busy, idle = pool.take(), pool.take()
    pool.give(idle)
    pool.give(busy)
    fake(idle).made_at -= 61
    again = pool.take()
    assert again is busy
    pool.give(again)
    assert fake(idle).closed
    assert not fake(busy).closed
    pool.close()


def test_one_that_is_not_usable_is_closed_before_its_place_is_given_on() -> None:
    pool = Pool(size=1)
    broken = pool.take()
    fake(broken).is_usable = False
    order: list[str] = []
    cast(Any, broken).close = lambda: order.append("closed")

    def make() -> Connection:
        order.append("opened")
        return cast(Connection, FakeConnection())

    pool._connect = make
    waiter = threading.Thread(target=lambda: pool.give(pool.take()))
    waiter.start()
    wait_until(lambda: pool.waiting() == 1, "it waits")
    pool.give(broken)
    waiter.join(30)
    assert order == ["closed", "opened"]
    pool.close()


# -- with a server ---------------------------------------------------------------------------------------------


def test_short_lived_threads_leak_no_connection(place: Place, proxy: Proxy) -> None:
    store = place.made(pool_size=5, **proxy.login)
    before = len(open_descriptors("socket:"))

    def work(number: int) -> None:
        store.append_message(a_message(f"m{number}"))
        store.list_room_messages("hall")
        store.get_room("hall")

    assert in_threads(50, work) == []
    assert len(place.stored()) == 50
    assert proxy.connections <= 5
    # A connection is two descriptors here, and two of the proxy's for each.
    assert len(open_descriptors("socket:")) - before <= 4 * 4
    store.close()
    wait_until(lambda: proxy.connections == 0, "all are closed")
    wait_until(lambda: len(open_descriptors("socket:")) < before, "no descriptor is left")


def test_a_store_whose_connections_are_all_in_use_is_busy(place: Place) -> None:
    store = place.made(pool_size=1, pool_timeout=0.2)
    with store.snapshot():
        seconds, error = seconds_of(store.ping)
    assert isinstance(error, StoreBusyError)
    assert "pool_size" in str(error)
    assert 0.2 <= seconds < 5
    store.ping()
