"""Rows that a backend's file held and could not be decoded keep their places among the others."""

from __future__ import annotations

import pytest

from moltnet_conformance.building import agent, dm, message, room, thread
from moltnet_core import (
    START,
    CorruptRecordError,
    DuplicateMessageError,
    PageRequest,
    RecordKind,
    RoomExistsError,
    RoomNotFoundError,
    Store,
)
from moltnet_core.plugins import load_backend
from moltnet_core.plugins.manager import Plugins
from moltnet_memory import CorruptRow, MemoryDriver, Tables


def corrupt(table: str, key: str, *conversation: str, at: str = "2026-01-01T00:00:02.5Z") -> CorruptRow:
    kind, own_id = conversation or (None, None)
    return CorruptRow(table, key, "it is broken", (kind, own_id) if kind else None, at)


@pytest.fixture
def store() -> Store:
    tables = Tables()
    tables.apply(
        {
            (RecordKind.ROOM, "broken"): corrupt("rooms", "broken"),
            (RecordKind.AGENT, "broken"): corrupt("agents", "broken"),
            (RecordKind.THREAD, "broken"): corrupt("threads", "broken", "room", "general"),
            (RecordKind.DM, "broken"): corrupt("direct_members", "broken"),
            (RecordKind.MESSAGE, "broken"): corrupt("messages", "broken", "room", "general"),
            (RecordKind.MESSAGE, "lost"): corrupt("messages", "lost", at="2026-01-01T00:00:01Z"),
        }
    )
    backend, module = load_backend("memory")
    store = Store(MemoryDriver(tables), backend, Plugins("memory", module, (), ()))
    store.create_room(room("general"))
    store.append_messages([message("m2", second=2), message("m3", second=3)])
    return store


def test_they_stand_in_their_places(store: Store) -> None:
    with pytest.raises(CorruptRecordError):
        store.list_room_messages("general")
    page = store.list_room_messages("general", PageRequest(after=START), on_corrupt="skip")
    assert ([item.id for item in page.items], page.skipped) == (["m2", "m3"], 1)
    before = store.list_room_messages("general", PageRequest(before="broken"))
    after = store.list_room_messages("general", PageRequest(after="broken"))
    assert ([item.id for item in before.items], [item.id for item in after.items]) == (["m2"], ["m3"])
    with store.snapshot() as snapshot:
        for kind in RecordKind:
            with pytest.raises(CorruptRecordError):
                list(snapshot.records(kind))
        assert [each.id for each in snapshot.scan("message", "broken")] == ["m3"]
    counts = store.counts()
    assert (counts.rooms, counts.agents, counts.threads, counts.dms, counts.messages) == (2, 1, 1, 1, 4)


def test_getting_one_is_its_error(store: Store) -> None:
    calls = (store.get_room, store.get_agent, store.get_thread, store.get_dm, store.get_message)
    for get in calls:
        with pytest.raises(CorruptRecordError) as caught:
            get("broken")
        assert caught.value.record_id == "broken"
    errors = []
    for _ in range(2):
        with pytest.raises(CorruptRecordError) as caught:
            store.get_room("broken")
        errors.append(caught.value)
    assert errors[0] is not errors[1]  # one that is raised again would carry both calls
    assert store.get_agent_by_credential("it is broken") is None


def test_what_a_write_makes_of_them(store: Store) -> None:
    with pytest.raises(RoomExistsError):
        store.create_room(room("broken"))
    with pytest.raises(DuplicateMessageError) as caught:
        store.append_message(message("broken"), retry=True)
    assert [each.identical for each in caught.value.duplicates] == [False]
    store.append_message(message("m9", "broken"))  # the room is there
    for write in (
        lambda: store.append_message(message("x", thread("broken"))),
        lambda: store.append_message(message("x", dm("broken"))),
        lambda: store.update_room_members("broken", add=["ann"]),
        lambda: store.register_agent(agent("broken")),
    ):
        with pytest.raises(CorruptRecordError) as refused:
            write()
        assert refused.value.committed is False
    assert store.get_message("x") is None
    store.remove_agent("broken")
    assert store.get_agent("broken") is None
    with pytest.raises(RoomNotFoundError):
        store.append_message(message("x", "nowhere"))
