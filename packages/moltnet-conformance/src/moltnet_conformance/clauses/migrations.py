"""Migrations: once, later, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from moltnet_conformance.building import fill, room
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_core import MigrationRequiredError

clause = Group("migrations")


@clause("MIGR-001", "4.32", needs=("migrations", "persistent"))
def a_store_is_migrated_once(place: Place) -> None:
    location = place.new_location()
    with place.open(location) as store:
        status = store.migration_status()
        assert status.is_current
        assert status.series
        assert all(series.applied == series.known > 0 for series in status.series)
        assert store.migrate() == ()
    with place.open(location, migrate=False) as store:
        assert store.migration_status() == status


@clause("MIGR-002", "5.9", needs=("migrations", "persistent"))
def without_migrating_a_new_store_is_not_opened(place: Place) -> None:
    location = place.new_location()
    for _ in range(2):
        with pytest.raises(MigrationRequiredError) as caught:
            place.open(location, migrate=False)
        assert caught.value.__dict__["pending"]


@clause("MIGR-003", "5.9", "4.32", needs=("migrations",))
def migrating_later(place: Place) -> None:
    store = place.open(migrate="later")
    store.ping()
    pending = store.migration_status().pending
    assert pending
    assert store.capabilities
    calls: tuple[Callable[[], object], ...] = (
        store.counts,
        lambda: store.get_room("general"),
        store.list_rooms,
        lambda: store.get_agent_by_credential(""),
        lambda: store.create_room(room()),
        lambda: store.append_messages([]),
        lambda: store.load([]),
        lambda: store.snapshot().__enter__(),
    )
    for call in calls:
        with pytest.raises(MigrationRequiredError):
            call()
    assert store.migrate() == pending
    fill(store)
    assert store.migrate() == ()
