"""What holds whatever the server is set to, and whatever others do at the same moment."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.postgres.server import Server

from moltnet_conformance.building import agent, message, room, thread
from moltnet_conformance.recording import record
from moltnet_core import AgentRegistration, Store, StoreUnavailableError, ValidationError, open_store
from moltnet_postgres.connections import PostgresSession
from moltnet_postgres.dialect import quoted
from moltnet_sql import transaction
from moltnet_sql.writing import Writer


@pytest.fixture
def schema(postgres_server: Server) -> str:
    return postgres_server.new_schema()


@pytest.fixture
def opened(postgres_server: Server, schema: str, request: pytest.FixtureRequest) -> Callable[..., Store]:
    """Opens stores of one schema, which are closed after the test."""

    def open_it(**changes: str) -> Store:
        store = open_store(postgres_server.url(schema=schema, **changes), environ={})
        request.addfinalizer(store.close)
        return store

    return open_it


def until_blocked(server: Server, schema: str) -> None:
    """Wait until a statement on the schema waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    while not server.execute(waiting, [f"%{schema}%"]):
        pass


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(call())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            found.append(error)

    started = threading.Thread(target=work)
    started.start()
    return started, found


# -- what the server is set to -----------------------------------------------------------------------


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_appends_do_not_depend_on_the_server_s_default_isolation(opened: Callable[..., Store], level: str) -> None:
    store = opened(default_transaction_isolation=level)
    store.create_room(room())

    def work(number: int) -> None:
        for index in range(20):
            store.append_message(message(f"m{number}-{index}", thread()))

    running = [in_thread(lambda number=number: work(number)) for number in range(4)]  # type: ignore[misc]
    for each, _ in running:
        each.join()
    assert [found for _, found in running] == [[None]] * 4
    line = store.get_thread("t1")
    assert line is not None
    assert line.message_count == 80


def test_writes_are_durable_where_the_server_stops_waiting_for_its_disk(
    postgres_server: Server, schema: str, opened: Callable[..., Store]
) -> None:
    """Also when it was set so after the store was opened: what each insert ran under is written down."""
    store = opened(pool_size="1", pool_lifetime="1")
    store.create_room(room())
    names = {"schema": f'"{schema}"', "role": f'"{postgres_server.user["user"]}"'}
    execute = postgres_server.execute
    execute("CREATE TABLE {schema}.seen (id text, waits text)".format(**names), (), postgres_server.database)
    execute(
        "CREATE FUNCTION {schema}.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
        "INSERT INTO {schema}.seen VALUES (NEW.id, current_setting('synchronous_commit')); RETURN NULL; END $$; "
        "CREATE TRIGGER see AFTER INSERT ON {schema}.messages FOR EACH ROW EXECUTE FUNCTION {schema}.see()".format(
            **names
        ),
        (),
        postgres_server.database,
    )
    store.append_message(message("before"))
    execute("ALTER ROLE {role} SET synchronous_commit = off".format(**names))
    try:
        other = opened(synchronous_commit="off")
        for number, each in enumerate((opened(), other)):
            each.append_message(message(f"one{number}"))
            each.append_messages([message(f"two{number}"), message(f"three{number}")])
        postgres_server.terminate_backends("moltnet-storage")  # whoever connects anew finds the new setting
        with suppress(StoreUnavailableError):
            store.ping()
        store.append_message(message("after"))
        store.append_messages([message("after1"), message("after2")])
        assert store.describe()["synchronous_commit"].startswith("on")
    finally:
        execute("ALTER ROLE {role} RESET synchronous_commit".format(**names))
    seen = dict(execute("SELECT id, waits FROM {schema}.seen".format(**names), (), postgres_server.database))
    asked = {"one1", "two1", "three1"}  # by a DSN that asks for it
    assert {key for key, waits in seen.items() if waits == "off"} == asked
    assert seen.keys() - asked == {"before", "one0", "two0", "three0", "after", "after1", "after2"}


def test_a_schema_s_name_is_a_name_whatever_the_server_takes_for_a_text(postgres_server: Server) -> None:
    postgres_server.execute("CREATE TABLE IF NOT EXISTS public.victim (id int)", (), postgres_server.database)
    for name in ("\\')THEN NULL;END IF;DROP TABLE public.victim;IF(1=1)THEN--", "a $create$ b", 'We "ird'):
        url = postgres_server.url(schema=name, standard_conforming_strings="off")
        with open_store(url, environ={}) as store:
            store.create_room(room())
            assert store.counts().rooms == 1
        postgres_server.execute(f"DROP SCHEMA {quoted(name)} CASCADE", (), postgres_server.database)
    assert postgres_server.execute("SELECT to_regclass('public.victim')::text", (), postgres_server.database) == [
        ("victim",)
    ]
    postgres_server.execute("DROP TABLE public.victim", (), postgres_server.database)


def test_what_an_index_cannot_hold_is_the_value_s_fault(opened: Callable[..., Store]) -> None:
    store = opened()
    with pytest.raises(ValidationError):
        store.load([record("room", room("".join(chr(0x100 + number % 5000) for number in range(6000))))])
    assert store.counts().rooms == 0


# -- what others do at the same moment ---------------------------------------------------------------


def test_a_batch_that_meets_another_s_message_in_mid_append(
    postgres_server: Server, schema: str, opened: Callable[..., Store]
) -> None:
    store, other = opened(), opened()
    store.create_room(room())
    store.append_message(message("m1"))
    with transaction(other):
        other.append_message(message("m2"))
        batch = [message("m1"), message("m2")]
        running, found = in_thread(lambda: store.append_messages(batch, retry=True))
        until_blocked(postgres_server, schema)
    running.join()
    assert [result.replayed for result in found[0]] == [True, True]
    assert store.counts().messages == 2


def test_a_load_that_meets_another_s_record_in_mid_load(
    postgres_server: Server, schema: str, opened: Callable[..., Store]
) -> None:
    store, other = opened(), opened()
    store.create_room(room())
    offered = [record("message", message("m1"))]
    with transaction(other):
        other.load(offered)
        running, found = in_thread(lambda: store.load(offered))
        until_blocked(postgres_server, schema)
    running.join()
    assert found[0].unchanged == 1
    assert store.counts().messages == 1


def test_a_registration_beside_a_removal_is_stored(
    opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = opened(), opened()
    insert = Writer._insert_agent
    meddled: list[AgentRegistration] = []

    def meet(self: Writer, registration: AgentRegistration, *times: Any) -> bool:
        """Before it, somebody else registers the agent; after it, and before the next look, removes it again."""
        if meddled:
            return insert(self, registration, *times)
        meddled.append(registration)
        other.register_agent(agent("ann", "token:2"))
        inserted = insert(self, registration, *times)
        other.remove_agent("ann")
        return inserted

    monkeypatch.setattr(Writer, "_insert_agent", meet)
    offered = store.register_agent(agent("ann", "token:1"))
    assert meddled
    assert store.get_agent("ann") == offered


# -- what it costs -----------------------------------------------------------------------------------


def test_members_are_found_along_the_index(
    postgres_server: Server, schema: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    for number in range(20):
        members = [f"{number}x{each}" for each in range(250)]
        store.create_room(room(f"r{number}", members=members))
    postgres_server.execute(f'ANALYZE "{schema}".room_members', (), postgres_server.database)
    sent: list[tuple[str, Any]] = []
    for name in ("fetch", "execute"):
        plain = getattr(PostgresSession, name)

        def noted(self: PostgresSession, sql: str, parameters: Any = (), plain: Any = plain) -> Any:
            sent.append((sql, parameters))
            return plain(self, sql, parameters)

        monkeypatch.setattr(PostgresSession, name, noted)
    assert store.get_member("7x7") is not None
    assert len(store.list_members().items) == 100
    store.remove_agent_from_rooms("7x8")
    monkeypatch.undo()
    by_code_point = re.compile(r'member_id COLLATE "C" (=|IN)')
    by_member = [(sql, parameters) for sql, parameters in sent if by_code_point.search(sql)]
    assert len(by_member) >= 3
    with postgres_server.connect(postgres_server.database) as connection:
        for sql, parameters in by_member:
            cursor = connection.cursor()
            cursor.execute(f"EXPLAIN {sql}", parameters)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "moltnet_ext_room_members_member" in plan, f"{sql}\n{plan}"
