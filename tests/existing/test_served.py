"""Every store that the server wrote opens, is upgraded where there is a schema, and reads as the server served it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from moltnet_core import Store, open_store

from .case import Case
from .cases import CASES
from .comparing import SIZES, Comparison, compare
from .sqlite_case import DATABASES, SQLiteCase, url_of

Figures = Callable[[Comparison], None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_upgraded_and_reads_as_served(case: Case, tmp_path: Path, figures: Figures) -> None:
    with open_store(case.place(tmp_path / "own")) as store:
        assert store.migration_status().is_current
        result = compare(case.name, store, case.expected(tmp_path))
    figures(result)
    assert result.differences == []
    assert result.read == result.served
    assert min(result.read[kind] for kind in ("rooms", "messages", "threads", "dms", "artifacts", "agents")) > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_reads_the_same_when_opened_again(case: Case, tmp_path: Path) -> None:
    url = case.place(tmp_path / "own")
    open_store(url).close()
    with open_store(url, migrate=False) as store:
        assert compare(case.name, store, case.expected(tmp_path), SIZES[-1:]).differences == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_registrations_read_as_stored(case: Case, tmp_path: Path) -> None:
    with open_store(case.place(tmp_path / "own")) as store:
        read = {agent.agent_id: agent for agent in store.list_agents().items}
    stored = case.beneath(tmp_path / "beneath").agents
    assert len(stored) == len(read)
    for entry in stored:
        agent = read[entry["agent_id"]]
        key, name = entry.get("credential_key", ""), entry.get("display_name", "")
        found = (agent.network_id, agent.actor_uid, agent.actor_uri, agent.display_name or "", agent.credential_key)
        assert found == (entry["network_id"], entry["actor_uid"], entry["actor_uri"], name, key)
        assert not key or key not in repr(agent)


def _room_messages(store: Store, room_id: str) -> list[str]:
    return [message.id for message in store.list_room_messages(room_id).items]


@pytest.mark.parametrize("case", [case for case in CASES if case.removed], ids=lambda case: case.name)
def test_the_history_of_a_removed_room_is_readable(case: Case, tmp_path: Path) -> None:
    assert case.removed is not None
    removed, count = case.removed
    with open_store(case.place(tmp_path)) as store:
        assert store.get_room(removed) is None
        assert removed not in [room.id for room in store.list_rooms().items]
        assert len(_room_messages(store, removed)) == count
        assert store.counts().removed_rooms == 1
        assert not any(removed in member.rooms for member in store.list_members().items)


@pytest.mark.parametrize("case", [case for case in DATABASES if case.has_wal], ids=lambda case: case.name)
def test_what_is_still_in_the_wal_is_read(case: SQLiteCase, tmp_path: Path) -> None:
    late = {f"late_{number}" for number in range(40)}
    with open_store(case.place(tmp_path / "whole")) as store:
        assert store.counts().messages == 285
        assert late <= set(_room_messages(store, "general"))
    # The database alone does not hold them: this shows that they came from the -wal.
    alone = case.database(tmp_path / "alone")
    alone.with_name(f"{alone.name}-wal").unlink()
    with open_store(url_of(alone)) as store:
        assert not late & set(_room_messages(store, "general"))
