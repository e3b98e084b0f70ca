"""How watches wait: who is told, over which connections, and what becomes of them when those are lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from tests.children import listen, starting, tell, wait_until
from tests.moltnet_postgres.conftest import PASSWORD, Refused
from tests.moltnet_postgres.serving import serving
from tests.moltnet_postgres.support import Place, a_message
from tests.moltnet_postgres.test_postgres_fork import forked
from tests.postgres.cluster import Cluster
from tests.postgres.pooler import Pooler
from tests.postgres.proxy import Proxy

from moltnet_core import START, Message, ReadOnlyStoreError, Store, open_store


class Follower:
    """Takes messages from a watch in a thread of its own."""

    def __init__(self, watch: Iterator[Message]) -> None:
        self._watch = watch
        self.found: list[str] = []
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for message in self._watch:
                self.found.append(message.id)
        except BaseException as error:  # noqa: BLE001 - asked for
            self.error = error

    def wait_for(self, *message_ids: str) -> None:
        """Return when these were found, and no others."""
        wait_until(lambda: len(self.found) >= len(message_ids) or self.error, f"{message_ids} come")
        assert self.found == list(message_ids), self.error

    def end(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert self.error is None


@contextmanager
def following(store: Store, **options: Any) -> Iterator[Follower]:
    """Follow new messages in the block."""
    with store.watch(**options) as watch:
        follower = Follower(watch)
        yield follower
    follower.end()


def asks(place: Place) -> bool:
    """Whether somebody asked to be told of the next message."""
    return place.query("SELECT last_value = 2 FROM moltnet_ext_feed_waiting") == [(True,)]


def nobody_looks(place: Place) -> bool:
    """Whether stores have not asked their server for anything for a while."""
    sql = """SELECT max(query_start) < clock_timestamp() - interval '0.3 s' FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'moltnet-storage'"""
    return place.query(sql) == [(True,)]


def all_ask(place: Place) -> None:
    """Wait until somebody asked."""
    wait_until(lambda: asks(place), "somebody asks to be told")


# -- being told --------------------------------------------------------------------------------------


def test_whoever_waits_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking besides would be too late for this test."""
    monkeypatch.setattr("moltnet_postgres.listening._WHEN_TOLD", 600)
    monkeypatch.setattr("moltnet_postgres.listening._WITHOUT_BEING_TOLD", 0.05)
    with following(place.made()) as follower, serving(place) as server:
        for number in range(3):
            all_ask(place)
            wait_until(lambda: nobody_looks(place), "whoever waits only listens")
            server.insert(f"m{number}").commit()
            follower.wait_for(*(f"m{each}" for each in range(number + 1)))


def test_a_writer_that_did_not_see_who_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stored its message before somebody asked, and committed after that."""
    monkeypatch.setattr("moltnet_postgres.listening._WHEN_TOLD", 600)
    store = place.made()
    store.watch().close()
    with serving(place) as server:
        server.insert("m1")
        with following(store) as follower:
            all_ask(place)
            server.commit()
            follower.wait_for("m1")


def test_who_asked_is_forgotten_by_a_writer_that_rolls_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moltnet_postgres.listening._WHEN_TOLD", 0.2)
    with following(place.made()) as follower, serving(place) as server:
        all_ask(place)
        server.insert("never").roll_back()
        server.insert("m1").commit()
        follower.wait_for("m1")


def test_only_the_first_of_many_messages_tells(place: Place) -> None:
    store = place.made()
    store.watch().close()
    with serving(place) as listener, serving(place) as server:
        ((table,),) = listener.execute("SELECT 'messages'::regclass::oid")
        listener.execute(f"LISTEN moltnet_ext_feed_{table}")
        listener.commit()
        server.insert("m0").commit()
        server.execute("SELECT setval('moltnet_ext_feed_waiting', 2)")
        for number in (1, 2, 3):
            server.insert(f"m{number}").commit()
        listener.execute("SELECT 1")
        assert len(listener.notifications) == 1


def test_nobody_is_told_where_that_could_make_a_commit_fail(own_cluster: Cluster) -> None:
    """A prepared transaction may not notify."""
    own_cluster.configure(max_prepared_transactions="2")
    own_cluster.restart()
    try:
        with Place(own_cluster) as place, following(place.made()) as follower, serving(place) as server:
            all_ask(place)
            server.insert("m1")
            server.execute("PREPARE TRANSACTION 'watched'")
            server.commit()
            server.insert("m2").commit()
            server.commit()
            assert follower.found == [], "an earlier transaction is still there to be committed"
            place.server.execute("COMMIT PREPARED 'watched'")
            follower.wait_for("m1", "m2")
    finally:
        own_cluster.configure(max_prepared_transactions="0")
        own_cluster.restart()


def test_a_hundred_watches_share_one_connection_which_the_store_closes(place: Place) -> None:
    store = place.made(pool_size=2)
    watches = [store.watch(after=START, timeout=60) for _ in range(100)]
    followers = [Follower(watch) for watch in watches]
    all_ask(place)
    store.append_message(a_message("m1"))
    for follower in followers:
        follower.wait_for("m1")
    assert place.connections() <= 3
    for watch in watches:
        watch.close()
    for follower in followers:
        follower.end()
    store.close()
    wait_until(lambda: place.connections() == 0, "no connection is left")


# -- losing connections ------------------------------------------------------------------------------


def test_sessions_that_are_ended_while_a_watch_waits(place: Place) -> None:
    with following(place.made()) as follower, serving(place) as server:
        for number in range(5):
            server.insert(f"m{number}-before").commit()
            place.server.terminate_backends("moltnet-storage")
            server.insert(f"m{number}-after").commit()
        follower.wait_for(*(f"m{number}-{when}" for number in range(5) for when in ("before", "after")))


def test_a_server_that_is_killed_and_started_again(cluster: Cluster, place: Place) -> None:
    with following(place.made()) as follower:
        with serving(place) as server:
            server.insert("m1").commit()
            follower.wait_for("m1")
        cluster.kill()
        cluster.start()
        with serving(place) as server:
            server.insert("m2").commit()
            follower.wait_for("m1", "m2")


def test_a_server_that_does_not_answer_the_listener(place: Place, proxy: Proxy) -> None:
    with following(place.made(call_timeout=0.5, **proxy.login)) as follower, serving(place) as server:
        server.insert("m1").commit()
        follower.wait_for("m1")
        proxy.hold()
        server.insert("m2").commit()
        time.sleep(1.0)  # longer than a call may take: what was asked meanwhile is given up
        proxy.release()
        follower.wait_for("m1", "m2")


def test_a_fork_while_a_watch_waits(place: Place) -> None:
    place.made()
    with starting() as start:
        child = start(fork_beside_a_watch, place.url())
        child.hear()
        with serving(place) as server:
            server.insert("m1").commit()
            child.say()
            assert child.hear() == ["m1", 0, "m2"]


def fork_beside_a_watch(url: str) -> None:
    store = open_store(url, environ={})
    with store.watch() as watch:
        tell()
        listen()
        first = next(watch).id

        def work() -> None:
            with store.watch(after=START, timeout=0) as own:
                assert [message.id for message in own] == ["m1"]
            store.append_message(a_message("m2"))

        tell([first, forked(work), next(watch).id])
    store.close()


# -- first watches -----------------------------------------------------------------------------------


def watch_first(url: str, number: int) -> None:
    """Open a store, wait for the others, watch, and append."""
    with open_store(url, environ={}) as store:
        tell()
        listen()
        with store.watch(after=START, timeout=60) as watch:
            store.append_message(a_message(f"m{number}"))
            tell(sorted(next(watch).id for _ in range(8)))


def test_eight_processes_watch_for_the_first_time_at_once(place: Place) -> None:
    place.made()
    with starting() as start:
        children = [start(watch_first, place.url(), number) for number in range(8)]
        for child in children:
            child.hear()
        for child in children:
            child.say()
        for child in children:
            assert child.rest() == [[f"m{number}" for number in range(8)]]


# -- who may, and by which way -----------------------------------------------------------------------


@contextmanager
def granted(place: Place, role: str, *rights: str) -> Iterator[dict[str, str]]:
    """What a role may do, as long as the block lasts; its login."""
    for right in (f"USAGE ON SCHEMA {place.schema}", *rights):
        place.query(f"GRANT {right} TO {role}")
    try:
        yield {"user": role, "password": PASSWORD}
    finally:
        place.query(f"DROP OWNED BY {role} CASCADE")


def test_a_role_that_may_not_make_it_is_told_what_it_needs(own_cluster: Cluster, refused: Refused) -> None:
    with Place(own_cluster) as place:
        place.made()
        with granted(
            place, "nobody", f"SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {place.schema}"
        ) as login:
            store = place.open(migrate=False, **login)
            refused(ReadOnlyStoreError, store.watch, "CREATE ON SCHEMA", "TRIGGER ON")
            place.query(f"GRANT CREATE ON SCHEMA {place.schema} TO nobody")
            refused(ReadOnlyStoreError, store.watch, "CREATE ON SCHEMA", "TRIGGER ON")
            place.query("GRANT TRIGGER ON messages TO nobody")
            with store.watch(timeout=0) as watch:
                place.open().append_message(a_message("m1"))
                assert [message.id for message in watch] == ["m1"]
            store.close()


def test_roles_that_may_read_messages_may_follow_them(own_cluster: Cluster) -> None:
    with Place(own_cluster) as place:
        store = place.made()
        tables = f"ON ALL TABLES IN SCHEMA {place.schema}"
        with (
            granted(place, "reader", f"SELECT {tables}") as reads,
            granted(place, "nobody", f"SELECT, INSERT, UPDATE, DELETE {tables}") as writes,
        ):
            store.watch().close()
            reader, writer = place.open(mode="ro", **reads), place.open(migrate=False, **writes)
            with following(reader) as read, following(writer) as written, serving(place, **writes) as server:
                all_ask(place)
                server.insert("m1").commit()  # by a role that has no right to write to the feed
                writer.append_message(a_message("m2"))
                read.wait_for("m1", "m2")
                written.wait_for("m1", "m2")
            place.close_stores()


def test_a_gap_that_a_role_may_not_close_is_tried_once(own_cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    with Place(own_cluster) as place:
        store = place.made()
        rights = f"SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {place.schema}"
        with granted(place, "nobody", rights) as login, serving(place) as server:
            store.watch().close()
            place.query("ALTER TABLE moltnet_ext_feed ADD CONSTRAINT refusing CHECK (message_id <> 'lost')")
            server.insert("lost").commit()
            place.query("ALTER TABLE moltnet_ext_feed DROP CONSTRAINT refusing")
            worker = place.open(migrate=False, **login)
            for _ in range(2):
                worker.watch().close()
            server.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")  # who tried again would wait
            worker.watch().close()
            assert caplog.text.count("are not followed") == 1
            server.commit()
            with store.watch(after=START, timeout=0) as watch:
                assert [message.id for message in watch] == ["lost"]
            place.close_stores()


def test_a_read_only_store_that_nobody_watched_before(place: Place, refused: Refused) -> None:
    place.made()
    reader = place.open(mode="ro")
    refused(ReadOnlyStoreError, reader.watch, "let one that may write begin a watch")
    place.open().watch().close()
    assert list(reader.watch(timeout=0)) == []


def test_through_a_pooler_nothing_is_left_in_its_sessions(cluster: Cluster, place: Place) -> None:
    place.made()
    with Pooler(cluster, sessions=1) as pooler:
        store = place.open(**pooler.login)
        with following(store) as follower:
            for number in range(3):
                store.append_message(a_message(f"m{number}"))
                follower.wait_for(*(f"m{each}" for each in range(number + 1)))
        with closing(psycopg2.connect(cluster.dsn(**pooler.login))) as client, client.cursor() as cursor:
            cursor.execute("SELECT pg_listening_channels()")
            assert cursor.fetchall() == []


def test_two_stores_in_one_database_do_not_wake_each_other(cluster: Cluster, place: Place) -> None:
    with Place(cluster) as other, following(place.made()) as here, following(other.made()) as there:
        all_ask(place)
        all_ask(other)
        place.open().append_message(a_message("m1"))
        here.wait_for("m1")
        assert asks(other)
        other.open().append_message(a_message("m2"))
        there.wait_for("m2")
        assert here.found == ["m1"]
