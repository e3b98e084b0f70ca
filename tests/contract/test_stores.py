"""The store itself: opening, closing, counting, and powers that a backend does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.contract.building import (
    Place,
    agent,
    everything,
    fill,
    having,
    lacking,
    message,
    read_only,
    records,
    room,
)

from moltnet_core import (
    Counts,
    ReadOnlyStoreError,
    Store,
    StoreClosedError,
    UnsupportedCapabilityError,
)
from moltnet_core.plugins import load_backend

READS: dict[str, Callable[[Store], Any]] = {
    "ping": lambda store: store.ping(),
    "counts": lambda store: store.counts(),
    "get_room": lambda store: store.get_room("general"),
    "list_rooms": lambda store: store.list_rooms(),
    "get_message": lambda store: store.get_message("m1"),
    "list_room_messages": lambda store: store.list_room_messages("general"),
    "list_thread_messages": lambda store: store.list_thread_messages("t1"),
    "list_dm_messages": lambda store: store.list_dm_messages("d1"),
    "get_thread": lambda store: store.get_thread("t1"),
    "list_threads": lambda store: store.list_threads("general"),
    "get_dm": lambda store: store.get_dm("d1"),
    "list_dms": lambda store: store.list_dms(),
    "list_artifacts": lambda store: store.list_artifacts(),
    "get_agent": lambda store: store.get_agent("ann"),
    "get_agent_by_credential": lambda store: store.get_agent_by_credential("token:1"),
    "get_agent_by_no_credential": lambda store: store.get_agent_by_credential(""),
    "list_agents": lambda store: store.list_agents(),
    "get_member": lambda store: store.get_member("ann"),
    "list_members": lambda store: store.list_members(),
    "snapshot": records,
    "migration_status": lambda store: store.migration_status(),
}
WRITES: dict[str, Callable[[Store], Any]] = {
    "create_room": lambda store: store.create_room(room("new")),
    "reconcile_room": lambda store: store.reconcile_room(room("general")),
    "update_room_members": lambda store: store.update_room_members("general", add=["zoe"]),
    "remove_room": lambda store: store.remove_room("general"),
    "remove_agent_from_rooms": lambda store: store.remove_agent_from_rooms("ann"),
    "append_message": lambda store: store.append_message(message("new")),
    "append_messages": lambda store: store.append_messages([message("new"), message("new2")]),
    "append_nothing": lambda store: store.append_messages([]),
    "append_again": lambda store: store.append_message(message("m1", mentions=["ann"]), retry=True),
    "register_agent": lambda store: store.register_agent(agent("zoe")),
    "reconcile_agent": lambda store: store.reconcile_agent(agent("ann", "token:9")),
    "remove_agent": lambda store: store.remove_agent("ann"),
    "load": lambda store: store.load([]),
    "migrate": lambda store: store.migrate(),
}


@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_a_closed_store_says_so(store: Store, name: str) -> None:
    fill(store)
    store.close()
    store.close()
    with pytest.raises(StoreClosedError) as caught:
        {**READS, **WRITES}[name](store)
    assert caught.value.committed is False


def test_what_needs_no_data_works_on_a_closed_store(store: Store) -> None:
    store.close()
    assert store.capabilities == store.backend.capabilities
    assert "closed" in repr(store)


def test_a_store_is_a_context_manager(place: Place) -> None:
    with place.open() as store:
        store.ping()
    with pytest.raises(StoreClosedError):
        store.ping()
    with pytest.raises(LookupError), place.open() as another:
        raise LookupError
    with pytest.raises(StoreClosedError):
        another.ping()


def test_two_new_locations_share_nothing(place: Place) -> None:
    first, second = place.open(), place.open()
    fill(first)
    assert everything(second)[:2] == ([], Counts())
    second.create_room(room("general"))


def test_counts(store: Store) -> None:
    assert store.counts() == Counts()
    fill(store)
    assert store.counts() == Counts(
        rooms=2, removed_rooms=1, members=3, agents=2, threads=1, dms=1, messages=5, artifacts=4
    )
    store.remove_agent("bob")
    store.remove_agent_from_rooms("ann")
    assert (store.counts().agents, store.counts().members) == (1, 1)


def test_the_store_describes_its_backend(store: Store, backend: str) -> None:
    assert store.backend is load_backend(backend)[0]
    assert store.backend.name == backend
    assert store.capabilities == store.backend.traits | store.backend.powers
    assert store.backend.time_digits in (9, 6)
    assert backend in repr(store)


# -- powers that a backend does not have -------------------------------------------------------------


@lacking("read_only")
def test_without_read_only_such_an_open_is_refused(place: Place) -> None:
    location = place.new_location()
    with pytest.raises(UnsupportedCapabilityError) as caught:
        place.open(read_only(location))
    assert (caught.value.__dict__["capability"], caught.value.__dict__["backend"]) == ("read_only", place.backend)
    assert isinstance(caught.value, NotImplementedError)
    with pytest.raises(UnsupportedCapabilityError):
        place.open(location, read_only=True)


@lacking("online_backup")
def test_without_online_backup_it_is_refused(store: Store, tmp_path: Any) -> None:
    fill(store)
    before = everything(store)
    with pytest.raises(UnsupportedCapabilityError):
        store.backup(tmp_path / "backup")
    assert everything(store) == before
    assert not (tmp_path / "backup").exists()


@lacking("migrations")
def test_without_migrations_the_status_is_empty(store: Store) -> None:
    status = store.migration_status()
    assert (status.series, status.pending, status.is_current) == ((), (), True)
    assert store.migrate() == ()


@having("read_only")
@pytest.mark.parametrize("name", WRITES)
def test_a_read_only_store_refuses_to_write(place: Place, name: str) -> None:
    location = place.new_location()
    with place.open(location) as store:
        fill(store)
        before = everything(store)
    reader = place.open(read_only(location))
    assert reader.read_only
    with pytest.raises(ReadOnlyStoreError) as caught:
        WRITES[name](reader)
    assert caught.value.committed is False
    assert everything(reader) == before
    for read in READS.values():
        read(reader)
