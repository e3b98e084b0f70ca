"""Fork: the child works with connections of its own and leaves the parent's alone, whatever the parent was doing."""

from __future__ import annotations

import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable

import pytest
from tests.children import Child, starting, tell
from tests.moltnet_postgres.support import Place, a_message, all_messages

from moltnet_core import StoreClosedError, open_store
from moltnet_sql import transaction

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def forked(work: Callable[[], object], *, beside_a_thread: bool = False) -> int:
    """Run something in a fork, wait for its end, and return its status. 1 is an exception, which is printed."""
    sys.stdout.flush()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # Python 3.12 and newer warn of a thread, but swallow the error of that
        pid = os.fork()
    if pid:
        assert beside_a_thread or not caught, caught[0].message
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 0
    try:
        work()
    except BaseException:  # noqa: BLE001 - this process is about to end
        traceback.print_exc()
        status = 1
    os._exit(status)


def fork_in_turn(url: str) -> None:
    """After each call, with the watchdog's thread still there."""
    store = open_store(url, environ={})
    for number in range(20):
        store.append_message(a_message(f"parent-{number}"))
        assert forked(lambda number=number: store.append_message(a_message(f"child-{number}"))) == 0  # type: ignore[misc]
        assert f"child-{number}" in all_messages(store)
    store.close()
    tell(threading.active_count())


def fork_in_a_transaction(url: str) -> None:
    store = open_store(url, environ={})

    def work() -> None:
        assert all_messages(store) == []
        store.append_message(a_message("by-child"))

    with transaction(store):
        store.append_message(a_message("by-parent"))
        assert forked(work) == 0
    with store.snapshot() as snapshot:
        before = [record.id for record in snapshot.records("message")]

        def scan() -> None:
            with pytest.raises(StoreClosedError):
                snapshot.scan("message")
            store.append_message(a_message("by-second-child"))

        assert forked(scan) == 0
        assert [record.id for record in snapshot.records("message")] == before
    store.close()


def fork_beside_a_call(url: str) -> None:
    """Another thread waits in libpq, under the eyes of the watchdog, holding the pool's only connection."""
    store = open_store(f"{url}&pool_size=1&call_timeout=20", environ={})
    began = threading.Event()

    def sleep() -> None:
        with transaction(store) as database:
            began.set()
            database.execute_sql("SELECT pg_sleep(1)")
            store.append_message(a_message("by-thread"))

    thread = threading.Thread(target=sleep)
    thread.start()
    assert began.wait(30)
    assert forked(lambda: store.append_message(a_message("by-child")), beside_a_thread=True) == 0
    thread.join(30)
    store.append_message(a_message("by-parent"))
    store.close()


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (fork_in_turn, [f"{who}-{number}" for who in ("child", "parent") for number in range(20)]),
        (fork_in_a_transaction, ["by-child", "by-parent", "by-second-child"]),
        (fork_beside_a_call, ["by-child", "by-parent", "by-thread"]),
    ],
)
def test_a_child_uses_connections_of_its_own(place: Place, work: Callable[[str], None], expected: list[str]) -> None:
    place.made().close()
    with starting() as start:
        child: Child = start(work, place.url())
        told = child.rest()
    assert told in ([], [1])
    assert place.stored() == sorted(expected)
