"""Powers that a backend declares and those that it does not, and reading only."""

from __future__ import annotations

from typing import Any

import pytest

from moltnet_conformance.building import (
    everything,
    fill,
    read_only,
)
from moltnet_conformance.calls import READS, WRITES
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import (
    ReadOnlyStoreError,
    Store,
    UnsupportedCapabilityError,
)
from moltnet_core.driver import SupportsBackup, SupportsMigrations, SupportsWatch

clause = Group("powers")


# What the core asks of a driver, by the power that it stands for.
PROTOCOLS: dict[str, tuple[type, str]] = {
    "migrations": (SupportsMigrations, "migration_log"),
    "online_backup": (SupportsBackup, "backup"),
    "watch": (SupportsWatch, "feed"),
}


@clause("POWER-001", "0.1", "0.2", "5.12", lacks="read_only")
def without_read_only_such_an_open_is_refused(place: Place) -> None:
    location = place.new_location()
    with pytest.raises(UnsupportedCapabilityError) as caught:
        place.open(read_only(location))
    assert (caught.value.__dict__["capability"], caught.value.__dict__["backend"]) == ("read_only", place.backend)
    assert isinstance(caught.value, NotImplementedError)
    with pytest.raises(UnsupportedCapabilityError):
        place.open(location, read_only=True)


@clause("POWER-002", "0.1", "0.2", "5.12", lacks="online_backup")
def without_online_backup_it_is_refused(store: Store, tmp_path: Any) -> None:
    fill(store)
    before = everything(store)
    with pytest.raises(UnsupportedCapabilityError) as caught:
        store.backup(tmp_path / "backup")
    assert (caught.value.__dict__["capability"], caught.value.__dict__["backend"]) == (
        "online_backup",
        store.backend.name,
    )
    assert caught.value.committed is False
    assert everything(store) == before
    assert not (tmp_path / "backup").exists()


@clause("POWER-003", "0.1", "0.2", "4.32", lacks="migrations")
def without_migrations_the_status_is_empty(store: Store) -> None:
    status = store.migration_status()
    assert (status.series, status.pending, status.is_current) == ((), (), True)
    assert store.migrate() == ()


@clause("POWER-004", "5.7", "5.13", "5.2", needs=("read_only",))
def a_read_only_store_refuses_to_write(place: Place) -> None:
    location = place.new_location()
    with place.open(location) as store:
        fill(store)
        before = everything(store)
    reader = place.open(read_only(location))
    assert reader.read_only
    assert reader.counts() == before[1], f"{place.backend} declares read_only, and what was written is not read so"
    assert everything(reader) == before
    for name, write in WRITES.items():
        with case(name):
            with pytest.raises(ReadOnlyStoreError) as caught:
                write(reader)
            assert caught.value.committed is False
            assert everything(reader) == before
    for name, read in READS.items():
        with case(name):
            read(reader)


@clause("POWER-011", "0.2")
def what_is_declared_is_there(store: Store) -> None:
    for power, (protocol, name) in PROTOCOLS.items():
        if power in store.capabilities:
            assert isinstance(store.driver, protocol), (
                f"{store.backend.name} declares {power}, and its {type(store.driver).__name__} has no {name}"
            )
    if "migrations" in store.capabilities:
        assert store.migration_status().series, f"{store.backend.name} declares migrations, and has none"
