"""The core's tools for whole stores know nothing of this backend, and copy it like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from moltnet_conformance.building import everything, fill, message
from moltnet_core import CopyRefusedError, copy_store, open_store, store_digest, verify_stores


def test_there_and_back(tmp_path: Path) -> None:
    with (
        open_store("memory://") as source,
        open_store(f"lmdb:///{tmp_path}/store") as store,
        open_store("memory://") as back,
    ):
        fill(source)
        source.append_messages([message(f"more-{number}", second=10 + number) for number in range(2500)])
        assert copy_store(source, store).verified
        assert copy_store(store, back).verified
        assert verify_stores(source, store).equal
        assert everything(back) == everything(store) == everything(source)
        assert store_digest(store) == store_digest(source)


def test_a_copy_goes_on(tmp_path: Path) -> None:
    with open_store("memory://") as source, open_store(f"lmdb:///{tmp_path}/store") as store:
        fill(source)
        first = copy_store(source, store)
        source.append_message(message("later", second=99))
        result = copy_store(source, store)
        assert (result.copied, result.present) == (1, first.copied)
        store.append_message(message("foreign", second=100))
        with pytest.raises(CopyRefusedError):
            copy_store(source, store)
