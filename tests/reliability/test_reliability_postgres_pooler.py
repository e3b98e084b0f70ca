"""Through PgBouncer in transaction mode, where sessions are shared: nothing is left in one, nothing is looked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from tests.moltnet_postgres.support import Place, a_message, all_messages, dm_message, in_threads, thread_message, told
from tests.postgres.cluster import Cluster
from tests.postgres.pooler import Pooler
from tests.postgres.proxy import Proxy

from moltnet_core import AgentRegistration, DuplicateMessageError, PageRequest, ReadOnlyStoreError, Store
from moltnet_sql import transaction

Figure = Callable[[str], None]
# What stays in a session when its transaction has ended.
OF_A_SESSION = (
    r"\bSET\s+(?!LOCAL\b)(?!\w+ = )(?:SESSION\s+)?\w+\s*(?:=|TO)",
    r"\bpg_(?:try_)?advisory_(?:lock|unlock)",
    r"\bPREPARE\b|\bEXECUTE\b|\bDISCARD\b|\bRESET\b",
    r"\b(?:LISTEN|UNLISTEN|NOTIFY)\b",
    r"\bTEMP(?:ORARY)?\b",
    r"\bWITH\s+HOLD\b",
    r"\bset_config\b",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(fsync=True) as cluster:
        yield cluster


def use(store: Store, name: str) -> None:
    """A little of everything."""
    store.append_message(a_message(f"{name}-room"))
    store.append_message(thread_message(f"{name}-thread"))
    store.append_messages([dm_message(f"{name}-dm"), a_message(f"{name}-batch")])
    assert isinstance(told(lambda: store.append_message(a_message(f"{name}-room", "another"))), DuplicateMessageError)
    assert len(store.list_room_messages("hall", PageRequest(limit=2)).items) == 2
    store.register_agent(AgentRegistration(f"agent-{name}", "net", "token:1"))
    store.update_room_members("hall", add=[name])
    store.counts()
    with transaction(store) as database:
        database.execute_sql("SELECT count(*) FROM rooms")
    store.describe()


def test_two_stores_share_one_session(cluster: Cluster, figure: Figure) -> None:
    """With schemas and limits of their own; whatever one left behind, the other would find."""
    with Pooler(cluster, sessions=1) as pooler, Place(cluster) as one, Place(cluster) as other:
        stores = [one.made(**pooler.login, busy_timeout=1), other.made(**pooler.login, call_timeout=60)]
        turns = 30
        for turn in range(turns):
            for store in stores:
                use(store, f"t{turn}")
        found = [all_messages(store) for store in stores]
        assert len(found[0]) == turns * 4
        assert found[0] == found[1]
        for place in (one, other):
            assert len(place.stored()) == turns * 4
        with (
            one.server.connect(**pooler.login, **{key: cluster.user[key] for key in ("user", "password")}) as session,
            session.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'client_encoding'"
            )
            left = cursor.fetchall()
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            locks = cursor.fetchone()
            cursor.execute(
                "SELECT (SELECT count(*) FROM pg_prepared_statements)"
                " + (SELECT count(*) FROM pg_cursors WHERE is_holdable)"
            )
            held = cursor.fetchone()
            cursor.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
            temporary = cursor.fetchone()
        figure(
            f"PostgreSQL, pooler: two stores on one session, {turns * 2} rounds, {len(found[0])} messages each; "
            f"left in the session: settings {left}, advisory locks {locks}, statements and cursors {held}, "
            f"tables {temporary}"
        )
        assert [
            name
            for name, _ in left
            if name not in ("application_name", "DateStyle", "TimeZone", "standard_conforming_strings")
        ] == []
        assert (locks, held, temporary) == ((0,), (0,), (0,))


def test_eight_threads_through_a_pooler(cluster: Cluster, figure: Figure) -> None:
    threads, each = 8, 25
    with Pooler(cluster, sessions=3) as pooler, Place(cluster) as place:
        store = place.made(**pooler.login)

        def work(number: int) -> None:
            for turn in range(each):
                use(store, f"n{number}-{turn}")
                if turn % 5 == 0:
                    with store.snapshot() as snapshot:
                        assert len(list(snapshot.records("message"))) >= turn * 4

        assert in_threads(threads, work, patience=300) == []
        expected = sorted(all_messages(store))
        store.close()
        reading = place.open(**pooler.login, mode="ro")
        assert sorted(all_messages(reading)) == expected
        assert isinstance(told(lambda: reading.append_message(a_message("no"))), ReadOnlyStoreError)
        figure(f"PostgreSQL, pooler: {threads} threads on 3 sessions, {len(expected)} messages, no error")
        assert expected == place.stored()
        assert len(expected) == threads * each * 4


def test_nothing_that_is_sent_outlives_its_transaction(cluster: Cluster, figure: Figure) -> None:
    with Proxy(cluster.address) as proxy, Place(cluster) as place:
        store = place.made(**proxy.login)
        use(store, "n")
        with store.snapshot() as snapshot:
            list(snapshot.records())
        store.close()
        place.open(**proxy.login, mode="ro").list_rooms()
        place.close_stores()
        # Without what was quoted: names and texts.
        sent = [re.sub(r"'[^']*'|\"[^\"]*\"", "", statement) for statement in proxy.statements]
        found = [
            statement for statement in sent for pattern in OF_A_SESSION if re.search(pattern, statement, re.IGNORECASE)
        ]
        found += [statement for statement in sent if re.match(r"\s*SET\b(?!\s+LOCAL)", statement, re.IGNORECASE)]
        figure(f"PostgreSQL, pooler: {len(sent)} statements sent, {len(found)} that outlive a transaction")
        assert found == []
