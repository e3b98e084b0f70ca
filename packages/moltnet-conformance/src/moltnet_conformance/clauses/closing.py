"""A closed store."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import (
    fill,
)
from moltnet_conformance.calls import READS, WRITES
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_core import (
    Store,
    StoreClosedError,
)

clause = Group("stores")


@clause("STORE-003", "4.31", "5.7", "5.2")
def a_closed_store_says_so(store: Store) -> None:
    fill(store)
    store.close()
    for name, call in {**READS, **WRITES}.items():
        with case(name):
            store.close()
            with pytest.raises(StoreClosedError) as caught:
                call(store)
            assert caught.value.committed is False


@clause("STORE-004", "4.32")
def what_needs_no_data_works_on_a_closed_store(store: Store) -> None:
    store.close()
    assert store.capabilities == store.backend.capabilities
    assert "closed" in repr(store)
