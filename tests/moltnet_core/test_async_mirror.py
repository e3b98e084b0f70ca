"""``AsyncStore`` has what ``Store`` has, name for name, with the same arguments."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from moltnet_core import AsyncSnapshot, AsyncStore, AsyncWatch, Snapshot, Store, Watch, open_async_store, open_store

BENEATH = {
    "driver",  # blocks; run_sync leads to it
    "notify",  # no coroutine: the store's own thread calls it
    "held",  # for a backend's own package, in the thread that works: run_sync
}
ITERATES = {"records", "snapshot", "watch"} | {
    name for name in vars(Store.__mro__[1]) if not name.startswith(("_", "list_"))
}
PAIRS = [(Store, AsyncStore), (Snapshot, AsyncSnapshot), (Watch, AsyncWatch)]


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize(("cls", "mirror"), PAIRS)
def test_the_names_are_the_same(cls: type, mirror: type) -> None:
    assert public(cls) - BENEATH == public(mirror) - {"run_sync"} - BENEATH


@pytest.mark.parametrize(
    ("cls", "mirror", "name"), [(cls, mirror, name) for cls, mirror in PAIRS for name in sorted(public(cls) - BENEATH)]
)
def test_a_name_is_used_and_described_alike(cls: type, mirror: type, name: str) -> None:
    found, ours = getattr(cls, name), getattr(mirror, name)
    where = {base.__name__: base.__module__ for base in cls.__mro__}
    (target,) = re.findall(rf"See :(?:meth|attr):`{cls.__name__}\.{name} <(.*)>`", ours.__doc__)
    module, owner, attribute = target.rsplit(".", 2)
    assert (where[owner], attribute) == (module, name)
    if isinstance(found, property):
        assert isinstance(ours, property)
        found, ours = found.fget, ours.fget
    else:
        assert inspect.iscoroutinefunction(ours) == (name not in ITERATES)
    sync, mirrored = inspect.signature(found), inspect.signature(ours)
    assert list(mirrored.parameters.values()) == list(sync.parameters.values())
    expected: Any = sync.return_annotation
    if name == "snapshot":
        expected = "AbstractAsyncContextManager[AsyncSnapshot]"
    elif name in ITERATES:
        expected = f"Async{expected}"
    assert mirrored.return_annotation == expected


def test_opening_takes_the_same_arguments() -> None:
    taken = dict(inspect.signature(open_async_store).parameters)
    assert taken.pop("threads").default is None
    assert taken == dict(inspect.signature(open_store).parameters)
