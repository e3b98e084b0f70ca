"""Ids that are longer than a key can be are found, and are in order."""

from pathlib import Path

import pytest

from moltnet_core import START, AgentRegistration, PageRequest, Record, Room, Store, ValidationError, open_store
from moltnet_core.types.paging import Start

LONG = [f"molt://{'n' * 600}{tail}/agents/{agent}" for tail in ("", "a", "z", "é") for agent in ("b", "a", "a-1")]
IDS = ["molt://n/agents/a", f"molt://{'n' * 121}", f"molt://{'n' * 122}", "zed", *LONG]


def test_long_member_ids_are_listed_by_code_point(tmp_path: Path) -> None:
    members = [each for each in IDS if each not in IDS[1:3]]
    with open_store(f"lmdb:///{tmp_path}/a.lmdb") as store:
        store.create_room(Room("r1", "net", members=members))
        store.create_room(Room("r2", "net", members=LONG))
        for member in members:
            store.register_agent(AgentRegistration(member, "net", credential_key=f"key of {member}"))

        for listing in (store.list_members, store.list_agents):
            positions: list[str | Start] = [START, *sorted(members)[:-1]]
            pages = [listing(PageRequest(limit=1, after=position)) for position in positions]
            assert [_id(page.items[0]) for page in pages] == sorted(members)
            pages = [listing(PageRequest(limit=1, before=position)) for position in sorted(members)[1:]]
            assert [_id(page.items[0]) for page in pages] == sorted(members)[:-1]
            assert [_id(item) for item in listing(PageRequest(limit=5)).items] == sorted(members)[-5:]

        for member in members:
            assert _rooms(store, member) == (("r1", "r2") if member in LONG else ("r1",))
            assert store.get_agent_by_credential(f"key of {member}") == store.get_agent(member)
        store.remove_agent_from_rooms(LONG[1])
        assert _rooms(store, LONG[1]) is None
        assert len(store.list_members().items) == len(members) - 1


def test_a_position_may_be_of_any_length(tmp_path: Path) -> None:
    with open_store(f"lmdb:///{tmp_path}/a.lmdb") as store:
        store.create_room(Room("a", "net"))
        store.create_room(Room("nn", "net"))
        assert [room.id for room in store.list_rooms(PageRequest(after="m" * 1000)).items] == ["nn"]
        assert [room.id for room in store.list_rooms(PageRequest(before="m" * 1000)).items] == ["a"]
        assert store.get_room("n" * 1000) is None


def test_a_member_of_many_rooms(tmp_path: Path) -> None:
    rooms = [
        Record("room", Room(f"r{n:04}", "net", members=["a"]), {"created_at": "2026-01-01T00:00:00Z"})
        for n in range(1200)
    ]
    with open_store(f"lmdb:///{tmp_path}/a.lmdb") as store:
        store.load(rooms)
        assert len(_rooms(store, "a") or ()) == 1200


def test_a_loaded_message_s_id_must_fit_into_keys(tmp_path: Path) -> None:
    with open_store("memory://") as source, open_store(f"lmdb:///{tmp_path}/a.lmdb") as store:
        source.create_room(Room("r", "net"))
        with source.snapshot() as snapshot:
            store.load(snapshot.records("room"))
        store.load([_message("m" * 128)])
        with pytest.raises(ValidationError, match="128 bytes"):
            store.load([_message("m" * 129)])
        assert store.counts().messages == 1


def _message(message_id: str) -> Record:
    return Record.from_json(
        {
            "kind": "message",
            "id": message_id,
            "network_id": "net",
            "created_at": "2026-01-01T00:00:00Z",
            "target": {"kind": "room", "room_id": "r"},
            "from": {"type": "agent", "id": "a"},
            "parts": [{"kind": "text", "text": "x"}],
        }
    )


def _rooms(store: Store, member: str) -> tuple[str, ...] | None:
    found = store.get_member(member)
    return tuple(found.rooms) if found else None


def _id(item: object) -> str:
    return str(getattr(item, "agent_id", None) or item.id)  # type: ignore[attr-defined]
