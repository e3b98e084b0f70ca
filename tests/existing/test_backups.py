"""Stores that the Go server wrote are exported and backed up as they are, of any version, and come back equal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from moltnet_core import (
    LOAD_ORDER,
    Store,
    back_up_store,
    export_store,
    import_store,
    open_store,
    restore_store,
    store_digest,
)

from .case import Case
from .cases import CASES, NEW_STORES

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def read_only(case: Case, folder: Path) -> str:
    url = case.place(folder)
    return f"{url}{'&' if '?' in url else '?'}mode=ro"


def digest(store: Store, case: Case, digits: int) -> str:
    return store_digest(store, time_digits=digits, on_corrupt=case.on_corrupt).text


@each_case
def test_exported_as_it_is_it_comes_back_in_every_backend(case: Case, tmp_path: Path) -> None:
    unreadable = len(case.expected(tmp_path).unreadable)
    with open_store(read_only(case, tmp_path / "own")) as store:
        export = tmp_path / "chat.jsonl.gz"
        result = export_store(store, export, with_credentials=True, on_corrupt=case.on_corrupt)
        assert result.skipped == unreadable
        assert result.digest.text == digest(store, case, store.backend.time_digits)
        wanted = {digits: digest(store, case, digits) for digits in (6, 9)}
    counted = Counter({str(kind): result.digest.kinds[kind].count for kind in LOAD_ORDER})
    counted["message"] += unreadable
    assert counted == Counter(case.beneath(tmp_path / "beneath").counts)
    for name, new in NEW_STORES.items():
        folder = tmp_path / name
        folder.mkdir()
        with open_store(new(folder)) as target:
            imported = import_store(target, export)
            assert imported.verified
            digits = min(target.backend.time_digits, case.time_digits)
            assert digest(target, case, digits) == wanted[digits]


@each_case
def test_backed_up_as_it_is_it_is_restored(case: Case, tmp_path: Path) -> None:
    unreadable = len(case.expected(tmp_path).unreadable)
    with open_store(read_only(case, tmp_path / "own")) as store:
        before = store.migration_status()
        made = back_up_store(store, tmp_path / "backup", on_corrupt=case.on_corrupt)
        wanted = {digits: digest(store, case, digits) for digits in (6, 9)}
        kind = store.backend.name
    assert made.corrupt == unreadable
    assert made.schema == {series.series: series.applied for series in before.series}
    if made.form == "file":
        same = f"{kind}:///{tmp_path}/same"
        assert restore_store(tmp_path / "backup", same).verified
        with open_store(same, read_only=True) as restored:
            assert digest(restored, case, 9) == wanted[9]
            assert restored.migration_status() == before
    other = f"{'json' if kind == 'sqlite' else 'sqlite'}:///{tmp_path}/other"
    assert restore_store(tmp_path / "backup", other, on_corrupt=case.on_corrupt).verified
    with open_store(other) as restored:
        assert digest(restored, case, 9) == wanted[9]
