"""Connections, clients and servers that go in the middle of appends to PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import pytest
from tests.children import WAIT, Child, listen, tell, wait_until
from tests.moltnet_postgres.faults import Ledger, end_sessions_in_mid_append, settle
from tests.moltnet_postgres.support import Place, in_threads, told
from tests.postgres.cluster import Cluster
from tests.postgres.link import How
from tests.postgres.proxy import Proxy
from tests.reliability.checks import a_batch, a_message_of, partial_in

from moltnet_core import Message, Store, StoreUnavailableError, open_store

Start = Callable[..., Child]
Figure = Callable[[str], None]
KINDS = ("room", "thread", "dm", "batch")
HOWS: list[How] = ["close", "reset"]
STATEMENT = {"batch": "^COMMIT"}


def append(store: Store, messages: Sequence[Message], *, retry: bool = False) -> list[bool]:
    """Append one or many; which of them were there already."""
    if len(messages) == 1:
        return [store.append_message(messages[0], retry=retry).replayed]
    return [result.replayed for result in store.append_messages(messages, retry=retry)]


def test_sessions_ended_fifty_times(place: Place, figure: Figure) -> None:
    ledger = end_sessions_in_mid_append(place, writers=4, terminations=50)
    figure(
        f"PostgreSQL, sessions ended: 50 times, {len(ledger.acknowledged)} acknowledged and found, {ledger.failed} "
        f"failed, {len(ledger.unknown)} of them with an unknown outcome, resolved by retry; each next call succeeded"
    )
    assert ledger.failed >= 50


@pytest.mark.parametrize("answered", [True, False], ids=["after", "before"])
def test_the_connection_is_cut_at_the_commit_fifty_times(place: Place, figure: Figure, answered: bool) -> None:
    cuts, outcomes = 50, Counter[str]()
    with Proxy(place.address) as proxy:
        store = place.made(**proxy.login)
        for number in range(cuts):
            kind = KINDS[number % 4]
            messages = a_batch(f"m{number}") if kind == "batch" else [a_message_of(kind, f"m{number}")]
            cut = proxy.cut(STATEMENT.get(kind, "INSERT INTO"), answered=answered, how=("close", "reset")[number % 2])
            asked = len(proxy.statements)
            error = told(lambda messages=messages: append(store, messages))  # type: ignore[misc]
            assert isinstance(error, StoreUnavailableError)
            assert error.committed is None
            assert cut.done.is_set()
            sent = [statement for statement in proxy.statements[asked:] if "INSERT INTO" in statement]
            assert len([statement for statement in sent if '."messages"' in statement]) == 1, "it was sent again"
            rows = place.query("SELECT count(*) FROM messages WHERE id LIKE %s", [f"m{number}%"])[0][0]
            outcomes["stored" if rows else "not stored"] += 1
            assert append(store, messages, retry=True) == [answered] * len(messages)
            assert place.query(
                "SELECT count(*) FROM messages WHERE id = %s OR id LIKE %s", [f"m{number}", f"m{number}:%"]
            ) == [(len(messages),)]
    assert partial_in(place) == {}
    figure(
        f"PostgreSQL, cut {'after' if answered else 'before'} the commit: {cuts} times, {dict(outcomes)}, "
        "all retried to one row each"
    )
    assert outcomes == {"stored" if answered else "not stored": cuts}


# -- kill -9 ----------------------------------------------------------------------------------------------------


def append_for_ever(url: str, name: str) -> None:
    """Threads that append messages of every kind, and tell each one's id once it is acknowledged."""
    store = open_store(url, environ={})

    def work(kind: str) -> None:
        for number in count():
            message_id = f"{name}-{kind}-{number}"
            batch = a_batch(message_id) if kind == "batch" else [a_message_of(kind, message_id)]
            append(store, batch)
            tell(["stored", *(message.id for message in batch)])

    def run(kind: str) -> None:
        try:
            work(kind)
        except BaseException:  # noqa: BLE001 - told, and the process ends with it
            tell(["failed", traceback.format_exc()])
            os._exit(1)

    for kind in KINDS:
        threading.Thread(target=run, args=(kind,)).start()
    threading.Event().wait()


def breed(url: str) -> None:
    """Forks a process that appends, each time it is told to, and tells its id and its end."""
    for number in count():
        name = listen()
        pid = os.fork()
        if not pid:
            try:
                append_for_ever(url, f"{name}{number}")
            finally:
                os._exit(1)
        tell(["born", pid])
        tell(["dead", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])])


def test_clients_are_killed_in_the_middle_of_appends(place: Place, start: Start, figure: Figure) -> None:
    kills = 50
    place.made().close()
    breeder = start(breed, place.url(busy_timeout=WAIT, call_timeout=WAIT))
    chance = random.Random(1)
    acknowledged: set[str] = set()
    for _ in range(kills):
        breeder.say("k")
        said, pid = breeder.hear()
        assert said == "born"
        for _ in range(chance.randint(1, 40)):
            said, *ids = breeder.hear()
            assert said == "stored", ids
            acknowledged.update(ids)
        os.kill(pid, signal.SIGKILL)
        while (found := breeder.hear())[0] != "dead":
            assert found[0] == "stored", found
            acknowledged.update(found[1:])
        assert found[1] == -signal.SIGKILL
    wait_until(lambda: place.connections() == 0, "the server notices that the clients are gone")
    stored = set(place.stored())
    figure(
        f"PostgreSQL, kill -9 of clients: {kills} times, {len(acknowledged)} acknowledged, "
        f"{len(acknowledged - stored)} of them lost, {len(stored)} stored, partial: {partial_in(place)}"
    )
    assert acknowledged <= stored
    assert partial_in(place) == {}


def test_the_server_is_killed_in_the_middle_of_appends(place: Place, cluster: Cluster, figure: Figure) -> None:
    kills, writers = 10, 4
    store = place.made(connect_timeout=2)
    ledger, stop = Ledger(), threading.Event()
    done = [0] * writers

    def write(number: int) -> None:
        for name in count():
            if stop.is_set():
                return
            done[number] += ledger.append(store, a_message_of(KINDS[name % 3], f"t{number}-{name}"))

    def all_are_beyond(before: list[int]) -> bool:
        return all(now > then + 5 for now, then in zip(done, before, strict=True))

    def kill() -> None:
        try:
            for _ in range(kills):
                before = list(done)
                wait_until(partial(all_are_beyond, before), "all append")
                cluster.kill()
                cluster.start()
        finally:
            stop.set()

    assert in_threads(writers + 1, lambda number: kill() if number == writers else write(number), patience=600) == []
    found = set(place.stored())
    lost = ledger.acknowledged - found
    figure(
        f"PostgreSQL, kill -9 of the server: {kills} times, {len(ledger.acknowledged)} acknowledged, {len(lost)} of "
        f"them lost, {len(ledger.unknown)} with an unknown outcome, {len(ledger.unknown.keys() & found)} of them "
        f"stored, partial: {partial_in(place)}"
    )
    assert {type(error) for error in ledger.errors} == {StoreUnavailableError}
    expected = settle(store, ledger, found)
    assert set(place.stored()) == expected
    assert partial_in(place) == {}
