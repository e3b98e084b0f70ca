"""A backend of which only records and listings can be read is checked by these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from tests.checking.places import fill

from moltnet_core import Backend, CorruptRecordError, Record, RecordKind, Store, check_store, hookimpl, open_store
from moltnet_core.config import bare_url
from moltnet_core.driver import DriverSnapshot, SupportsRecordCheck
from moltnet_memory import CorruptRow, Tables
from moltnet_memory.driver import MemoryDriver

LATE = "2090-01-01T00:00:00.000000000Z"


class Scan:
    """Nothing but what the interface asks for."""

    def __init__(self, view: DriverSnapshot) -> None:
        self._view = view

    def scan(self, kind: RecordKind, after: str | None, limit: int) -> Sequence[Record | CorruptRecordError]:
        return self._view.scan(kind, after, limit)


class ScannedDriver(MemoryDriver):
    """Of another author, so to speak."""

    @property
    def tables(self) -> Tables:
        return self._tables

    @contextmanager
    def snapshot(self) -> Iterator[DriverSnapshot]:
        with super().snapshot() as view:
            yield Scan(view)


@attrs.frozen
class Settings:
    """None."""


class Plugin:
    @hookimpl
    def moltnet_register_backend(self) -> Backend:
        return Backend(
            name="scanned",
            summary="for tests",
            durability="none",
            settings=Settings,
            open=lambda settings, **_: ScannedDriver(),
            from_url=bare_url,
        )


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("scanned://", plugins=[Plugin()], environ={}) as found:
        fill(found)
        yield found


def found_in(store: Store) -> dict[tuple[str, str], list[str]]:
    with store.driver.snapshot() as view:
        assert not isinstance(view, SupportsRecordCheck)
    return {(each.code, each.kind): [item.id for item in each.items] for each in check_store(store).findings}


def _set(tables: Tables, kind: RecordKind, key: str, change: Callable[..., object]) -> None:
    tables.rows[kind][key] = change(tables.rows[kind][key])


def _count(tables: Tables) -> None:
    def change(row: Any) -> Any:
        return attrs.evolve(row, thread=attrs.evolve(row.thread, message_count=9))

    _set(tables, RecordKind.THREAD, "t1", change)


def _date(tables: Tables) -> None:
    _set(tables, RecordKind.DM, "d1", lambda row: attrs.evolve(row, last_message_at=LATE))


def _stranger(tables: Tables) -> None:
    def change(row: Any) -> Any:
        return attrs.evolve(row, dm=attrs.evolve(row.dm, participant_ids=("alice", "mallory")))

    _set(tables, RecordKind.DM, "d1", change)


def _corrupt(tables: Tables) -> None:
    row = tables.rows[RecordKind.MESSAGE]["m4"]
    tables.rows[RecordKind.MESSAGE]["m4"] = CorruptRow("messages", "m4", "it is odd", ("thread", "t1"), row.created_at)


def _lose_room(tables: Tables) -> None:
    del tables.rows[RecordKind.ROOM]["other"]
    tables.ids[RecordKind.ROOM].discard("other")
    tables.live_rooms.discard("other")


def _lose_thread(tables: Tables) -> None:
    del tables.rows[RecordKind.THREAD]["t1"]
    tables.ids[RecordKind.THREAD].discard("t1")


def _artifacts(tables: Tables, change: str) -> None:
    place, artifact = tables.artifacts["art_m2_0"]
    if change == "missing":
        tables.artifacts_of["all", None].discard(place)
    elif change == "different":
        tables.artifact_at[place] = attrs.evolve(artifact, url="https://example.org/b")
    else:
        own_id = "art_m2_7"
        stray = attrs.evolve(artifact, id=own_id, part_index=7)
        new = (*place[:2], 7)
        tables.artifacts[own_id], tables.artifact_at[new] = (new, stray), stray
        tables.artifacts_of["all", None].add(new)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda tables: None, {}),
        (_count, {("counter-drift", "thread"): ["t1"]}),
        (_date, {("last-message-drift", "dm"): ["d1"]}),
        (_stranger, {("participant-missing", "dm"): ["d1"], ("participant-stray", "dm"): ["d1"]}),
        (_corrupt, {("undecodable", "message"): ["m4"]}),
        (_lose_room, {("orphan", "message"): ["o1"]}),
        (_lose_thread, {("orphan", "message"): ["m3", "m4"]}),
        (lambda tables: _artifacts(tables, "missing"), {("artifact-missing", "artifact"): [""]}),
        (lambda tables: _artifacts(tables, "different"), {("artifact-different", "artifact"): ["art_m2_0"]}),
        (lambda tables: _artifacts(tables, "stray"), {("artifact-stray", "artifact"): ["art_m2_7"]}),
    ],
)
def test_what_scanning_finds(
    store: Store, spoil: Callable[[Tables], None], expected: dict[tuple[str, str], list[str]]
) -> None:
    assert isinstance(store.driver, ScannedDriver)
    spoil(store.driver.tables)
    assert found_in(store) == expected
