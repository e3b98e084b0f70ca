"""The harness itself, and what a store says of itself."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import (
    everything,
    fill,
    room,
)
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import (
    Counts,
    Store,
    StoreClosedError,
)

clause = Group("harness")


@clause("STORE-001", "4.31", "5.7")
def a_store_is_a_context_manager(place: Place) -> None:
    with place.open() as store:
        store.ping()
    with pytest.raises(StoreClosedError):
        store.ping()
    with pytest.raises(LookupError), place.open() as another:
        raise LookupError
    with pytest.raises(StoreClosedError):
        another.ping()


@clause("HARN-001", "5.15", "4.1")
def two_new_locations_share_nothing(place: Place) -> None:
    first, second = place.open(), place.open()
    fill(first)
    assert everything(second)[:2] == ([], Counts())
    second.create_room(room("general"))


@clause("STORE-002", "4.32")
def counts(store: Store) -> None:
    assert store.counts() == Counts()
    fill(store)
    assert store.counts() == Counts(
        rooms=2, removed_rooms=1, members=3, agents=2, threads=1, dms=1, messages=5, artifacts=4
    )
    store.remove_agent("bob")
    store.remove_agent_from_rooms("ann")
    assert (store.counts().agents, store.counts().members) == (1, 1)


@clause("HARN-002", "4.32", "5.15")
def the_store_describes_its_backend(place: Place, store: Store) -> None:
    assert store.backend is place.described
    assert store.backend.name == place.backend
    assert store.capabilities == store.backend.traits | store.backend.powers
    assert store.backend.time_digits in (9, 6)
    assert place.backend in repr(store)
