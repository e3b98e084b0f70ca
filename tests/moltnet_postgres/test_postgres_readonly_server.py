"""Servers that take no writes: standbys, and those set to read-only, from the start or in mid-life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.children import foreign_in_chain, wait_until
from tests.moltnet_postgres.support import Place, a_message, a_room, all_messages, told
from tests.postgres.cluster import Cluster
from tests.postgres.proxy import Proxy
from tests.postgres.replicas import Standby, both, replicated

from moltnet_core import AgentRegistration, ReadOnlyStoreError, Store, StoreUnavailableError
from moltnet_sql import transaction

WRITES: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.append_message(a_message("refused")),
    "batch": lambda store: store.append_messages([a_message("refused"), a_message("refused-too")]),
    "room": lambda store: store.create_room(a_room("refused")),
    "members": lambda store: store.update_room_members("hall", add=["refused"]),
    "removal": lambda store: store.remove_room("hall"),
    "agent": lambda store: store.register_agent(AgentRegistration("refused", "net", "token:1")),
}


def raw(store: Store) -> None:
    with transaction(store) as database:
        database.execute_sql("CREATE TABLE refused (x int)")


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Cluster, Standby]]:
    with replicated() as pair:
        yield pair


@pytest.fixture
def place(pair: tuple[Cluster, Standby]) -> Iterator[Place]:
    """In the primary."""
    with Place(pair[0]) as place:
        yield place


@pytest.fixture
def copied(place: Place, pair: tuple[Cluster, Standby]) -> Iterator[Place]:
    """The same in the standby, with a room and a message."""
    place.made().append_message(a_message("m1"))
    copied = Place(pair[1], place.schema)
    yield copied
    copied.close_stores()


def set_to_read_only(primary: Cluster, store: Any) -> None:
    """Change a server's settings, and return when a store's connection has noticed."""
    primary.configure(default_transaction_read_only="on")
    pool = store.driver._pool

    def is_read_only() -> bool:
        connection = pool.take()
        with connection.cursor() as cursor:
            cursor.execute("SHOW default_transaction_read_only")
            found: list[tuple[str]] = cursor.fetchall()
        pool.give(connection)
        return found == [("on",)]

    wait_until(is_read_only, "the session heeds the setting")


@pytest.fixture
def own_settings(pair: tuple[Cluster, Standby]) -> Iterator[Cluster]:
    """The primary, which takes writes again afterwards."""
    primary, _ = pair
    yield primary
    primary.configure(default_transaction_read_only="off")
    # Sessions that begin before the server has noticed could not tidy up.
    wait_until(lambda: primary.execute("SHOW default_transaction_read_only") == [("off",)], "the setting is heeded")


def test_a_standby_is_refused_at_once_unless_it_is_to_be_read(copied: Place) -> None:
    for migrate in (True, False, "later"):
        with pytest.raises(ReadOnlyStoreError, match="standby"):
            copied.open(migrate=migrate)
    store = copied.open(mode="ro")
    assert all_messages(store) == ["m1"]
    assert [message.id for message in store.list_room_messages("hall").items] == ["m1"]
    assert store.describe()["role"] == "standby"
    assert isinstance(told(lambda: store.append_message(a_message("m2"))), ReadOnlyStoreError)


@pytest.mark.parametrize("named", [True, False], ids=["named", "by itself"])
def test_of_several_servers_the_one_that_takes_writes_is_found(
    pair: tuple[Cluster, Standby], place: Place, named: bool
) -> None:
    """Also where the standby comes first."""
    login = both(pair[1], pair[0])
    if not named:
        del login["target_session_attrs"]
    store = place.made(**login)
    store.append_message(a_message("m1"))
    assert place.stored() == ["m1"]


@pytest.mark.parametrize("write", WRITES)
def test_a_server_that_was_set_to_read_only_refuses_every_write(
    place: Place, own_settings: Cluster, write: str
) -> None:
    store = place.made()
    before = place.query("SELECT * FROM rooms, room_members")
    set_to_read_only(own_settings, store)
    error = told(lambda: WRITES[write](store))
    assert isinstance(error, ReadOnlyStoreError)
    assert error.committed is False
    assert foreign_in_chain(error) == []
    assert store.get_room("hall") is not None
    assert (place.stored(), place.query("SELECT * FROM rooms, room_members")) == ([], before)


def test_so_does_a_plugins_transaction(place: Place, own_settings: Cluster) -> None:
    store = place.made()
    set_to_read_only(own_settings, store)
    assert isinstance(told(lambda: raw(store)), ReadOnlyStoreError)


@pytest.mark.parametrize("write", WRITES)
def test_a_standby_that_a_writing_store_meets_in_mid_life_refuses_every_write(
    place: Place, copied: Place, write: str
) -> None:
    """As where an address moves from one server to the other."""
    with Proxy(place.address) as proxy:
        store = place.open(**proxy.login)
        store.ping()
        proxy.target = copied.address
        proxy.cut_all()
        error = told(lambda: WRITES[write](store))
        assert isinstance(error, ReadOnlyStoreError)
        assert error.committed is False
        assert all_messages(store) == ["m1"]
        # That read was by a new connection to the standby. The next write to fail ends that, too.
        proxy.target = place.address
        assert isinstance(told(lambda: WRITES[write](store)), ReadOnlyStoreError)
        store.append_message(a_message("m2"))
        assert place.stored() == ["m1", "m2"]
        store.close()


def test_the_pool_turns_to_the_server_that_takes_writes() -> None:
    with replicated() as (primary, standby), Place(primary) as place:
        store = place.made(**both(primary, standby))
        store.append_message(a_message("m1"))
        set_to_read_only(primary, store)
        assert isinstance(told(lambda: store.append_message(a_message("m2"))), ReadOnlyStoreError)
        error = told(lambda: store.append_message(a_message("m2")))
        assert isinstance(error, StoreUnavailableError)
        assert "target_session_attrs" in str(error)
        standby.promote()
        store.append_message(a_message("m2"))
        store.append_messages([a_message("m3"), a_message("m4")])
        assert Place(standby, place.schema).stored() == ["m1", "m2", "m3", "m4"]
        assert place.stored() == ["m1"]
        # Nobody follows it any more, and the place is tidied up.
        primary.configure(synchronous_standby_names="", default_transaction_read_only="off")
        wait_until(lambda: primary.execute("SHOW default_transaction_read_only") == [("off",)], "it is heeded")


def test_a_standby_is_followed(copied: Place, place: Place) -> None:
    primary = place.open()
    primary.watch().close()
    wait_until(lambda: copied.query("SELECT to_regclass('moltnet_ext_feed')") != [(None,)], "the standby has the feed")
    with copied.open(mode="ro").watch(timeout=60) as watch:
        for number in range(3):
            primary.append_message(a_message(f"followed{number}"))
            assert next(watch).id == f"followed{number}"
