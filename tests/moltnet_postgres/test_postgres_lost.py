"""Connections that are lost: what was acknowledged is there, what was not is said to be so, nothing is there twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from tests.children import foreign_in_chain, wait_until
from tests.moltnet_postgres.faults import end_sessions_in_mid_append
from tests.moltnet_postgres.support import Place, a_message, dm_message, in_threads, thread_message
from tests.postgres.link import How
from tests.postgres.proxy import Proxy

from moltnet_core import Message, Store, StoreUnavailableError

AUTOCOMMIT, COMMIT = r"WITH \w+ AS .*INSERT INTO", r"^COMMIT"
ONE = pytest.param(lambda: [a_message("m1")], AUTOCOMMIT, id="one")
THREAD = pytest.param(lambda: [thread_message("m1")], AUTOCOMMIT, id="thread")
DM = pytest.param(lambda: [dm_message("m1")], AUTOCOMMIT, id="dm")
BATCH = pytest.param(lambda: [a_message("m1"), dm_message("m2"), thread_message("m3")], COMMIT, id="batch")
KINDS = pytest.mark.parametrize(("make", "statement"), [ONE, THREAD, DM, BATCH])


def append(store: Store, messages: Sequence[Message], *, retry: bool = False) -> list[bool]:
    """Append one or many; which of them were there already."""
    if len(messages) == 1:
        return [store.append_message(messages[0], retry=retry).replayed]
    return [result.replayed for result in store.append_messages(messages, retry=retry)]


@pytest.mark.parametrize("how", ["close", "reset"])
@KINDS
def test_an_answer_that_is_lost_leaves_one_row_and_says_so(
    place: Place, proxy: Proxy, make: Callable[[], list[Message]], statement: str, how: How
) -> None:
    store, messages = place.made(**proxy.login), make()
    cut = proxy.cut(statement, how=how)
    with pytest.raises(StoreUnavailableError) as caught:
        append(store, messages)
    assert cut.done.is_set()
    assert caught.value.committed is None
    assert foreign_in_chain(caught.value) == []
    ids = [message.id for message in messages]
    assert place.stored() == ids
    assert append(store, messages, retry=True) == [True] * len(ids)
    assert place.stored() == ids


@KINDS
def test_a_statement_that_never_arrives_leaves_no_row(
    place: Place, proxy: Proxy, make: Callable[[], list[Message]], statement: str
) -> None:
    store, messages = place.made(**proxy.login), make()
    proxy.cut(statement, answered=False)
    with pytest.raises(StoreUnavailableError) as caught:
        append(store, messages)
    assert caught.value.committed is None
    assert place.stored() == []
    assert append(store, messages, retry=True) == [False] * len(messages)
    assert place.stored() == [message.id for message in messages]


def test_what_is_lost_before_the_commit_was_not_committed(place: Place, proxy: Proxy) -> None:
    store = place.made(**proxy.login)
    proxy.cut("INSERT INTO")
    with pytest.raises(StoreUnavailableError) as caught:
        store.append_messages([a_message("m1"), a_message("m2")])
    assert caught.value.committed is False
    proxy.cut("SELECT")
    with pytest.raises(StoreUnavailableError) as caught:
        store.get_message("m1")
    assert caught.value.committed is False
    assert place.stored() == []


def test_sessions_ended_in_mid_append_lose_nothing(place: Place) -> None:
    found = end_sessions_in_mid_append(place, writers=4, terminations=6)
    assert found.failed > 0


def test_idle_connections_that_were_ended_are_not_used(place: Place, proxy: Proxy) -> None:
    """All but one were ended while nobody looked: no call fails."""
    store = place.made(pool_size=5, **proxy.login)
    barrier = threading.Barrier(5)

    def look(number: int) -> None:
        with store.snapshot():
            barrier.wait(30)

    assert in_threads(5, look) == []
    assert proxy.connections == 5
    place.server.terminate_backends("moltnet-storage")
    wait_until(lambda: proxy.connections == 0, "the sessions end")
    store.append_message(a_message("m1"))
    assert place.stored() == ["m1"]
    assert proxy.connections == 1
