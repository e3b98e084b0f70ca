"""Agents: who may register what, and what stays of the first registration."""

from __future__ import annotations

from itertools import pairwise

import pytest

from moltnet_conformance.building import agent, at, everything, ids, room
from moltnet_conformance.clause import Group
from moltnet_core import AgentCredentialError, AgentRegistration, PageRequest, Record, Store

clause = Group("agents")


@clause("AGENT-001", "4.23", "5.13")
def the_first_writer_wins(store: Store) -> None:
    first = store.register_agent(agent("ann", "token:1"))
    before = everything(store)
    with pytest.raises(AgentCredentialError) as caught:
        store.register_agent(agent("ann", "token:2", display_name="Mallory"))
    assert (caught.value.__dict__["agent_id"], caught.value.committed) == ("ann", False)
    assert isinstance(caught.value, PermissionError)
    assert "token" not in str(caught.value)
    assert everything(store) == before
    assert store.get_agent("ann") == first


def offered(credential: str = "token:1", display_name: str | None = "New") -> AgentRegistration:
    return AgentRegistration("ann", "net2", credential, display_name, "uid2", "uri2", at(50), at(60))


FIRST = AgentRegistration("ann", "net", "token:1", "Old", "uid", "uri", at(1), at(2))


@clause("AGENT-002", "4.23", "4.25")
def the_same_credential_updates_name_and_time_and_nothing_else(store: Store) -> None:
    store.register_agent(FIRST)
    updated = store.register_agent(offered())
    assert updated == AgentRegistration("ann", "net", "token:1", "New", "uid", "uri", at(1), at(60))
    assert store.get_agent("ann") == updated
    assert store.list_agents().items == (updated,)


@clause("AGENT-003", "4.25")
def an_empty_name_keeps_the_old_one(store: Store) -> None:
    store.register_agent(FIRST)
    for name in ("", None):
        updated = store.register_agent(offered(display_name=name))
        assert (updated.display_name, updated.updated_at) == ("Old", at(60))
        assert store.reconcile_agent(offered(display_name=name)).display_name == "Old"


@clause("AGENT-004", "4.25")
def an_earlier_time_is_taken_too(store: Store) -> None:
    store.register_agent(agent("ann", updated_at=at(9)))
    assert store.register_agent(agent("ann", updated_at=at(3))).updated_at == at(3)


@clause("AGENT-005", "4.24", "4.27")
def reconcile_rebinds_the_credential(store: Store) -> None:
    store.register_agent(FIRST)
    bound = store.reconcile_agent(offered("token:2"))
    assert bound == AgentRegistration("ann", "net", "token:2", "New", "uid", "uri", at(1), at(60))
    assert store.get_agent_by_credential("token:1") is None
    assert store.get_agent_by_credential("token:2") == bound
    with pytest.raises(AgentCredentialError):
        store.register_agent(FIRST)
    assert store.register_agent(offered("token:2", "Newest")).display_name == "Newest"


@clause("AGENT-006", "4.24")
def reconcile_registers_an_unknown_agent(store: Store) -> None:
    assert store.reconcile_agent(FIRST) == FIRST
    assert store.get_agent("ann") == FIRST


@clause("AGENT-007", "4.27")
def a_shared_credential_finds_the_lowest_id_by_code_point(store: Store) -> None:
    for agent_id in ("zoe", "bob", "ann", "Zed", "net:a", "9"):
        store.register_agent(agent(agent_id, "anonymous"))
    for lowest in ("9", "Zed", "ann", "bob", "net:a", "zoe"):
        found = store.get_agent_by_credential("anonymous")
        assert found is not None
        assert found.agent_id == lowest
        store.remove_agent(lowest)
    assert store.get_agent_by_credential("anonymous") is None


@clause("AGENT-008", "4.27", "4.23")
def credentials_are_matched_exactly(store: Store) -> None:
    store.register_agent(agent("ann", "Token:1 "))
    for key in ("token:1 ", "Token:1", " Token:1 ", "Token:1  ", "", "%", "Token:_ "):
        assert store.get_agent_by_credential(key) is None
        if key:
            with pytest.raises(AgentCredentialError):
                store.register_agent(agent("ann", key))


@clause("AGENT-009", "4.26")
def an_empty_stored_credential_equals_none_and_is_never_found(store: Store) -> None:
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    store.load([Record("agent", AgentRegistration("ann", "net", ""), times)])
    assert store.get_agent_by_credential("") is None
    before = everything(store)
    with pytest.raises(AgentCredentialError):
        store.register_agent(agent("ann", "token:1"))
    assert everything(store) == before
    assert store.reconcile_agent(agent("ann", "token:1")).credential_key == "token:1"


@clause("AGENT-010", "3.3", "4.27")
def agents_are_listed_by_id_by_code_point(store: Store) -> None:
    for agent_id in ("b", "a", "B", "net:a", "1"):
        store.register_agent(agent(agent_id))
    assert ids(store.list_agents()) == ["1", "B", "a", "b", "net:a"]


@clause("AGENT-011", "4.28")
def a_removed_agent_is_gone_and_its_id_free(store: Store) -> None:
    store.register_agent(FIRST)
    store.remove_agent("ann")
    store.remove_agent("ann")
    store.remove_agent("never")
    assert store.get_agent("ann") is store.get_agent_by_credential("token:1") is None
    assert store.list_agents().items == ()
    assert store.register_agent(offered("token:2")) == offered("token:2")


@clause("AGENT-012", "3.3", "4.27")
def long_ids_that_begin_alike_are_told_apart_and_in_order(store: Store) -> None:
    network = "n" * 600  # more than the keys of some engines can hold
    expected = sorted(f"molt://{network}{more}/agents/{name}" for more in ("", "a", "z") for name in ("b", "a"))
    store.create_room(room("r9", members=expected))
    for agent_id in reversed(expected):
        store.register_agent(agent(agent_id, f"key of {agent_id[-30:]}"))
    for listing in (store.list_agents, store.list_members):
        assert ids(listing()) == expected
        for cursor, following in pairwise(expected):
            assert ids(listing(PageRequest(after=cursor, limit=1))) == [following]
            assert ids(listing(PageRequest(before=following, limit=1))) == [cursor]
    store.remove_agent(expected[0])
    store.remove_agent_from_rooms(expected[1])
    assert ids(store.list_agents()) == expected[1:]
    assert ids(store.list_members()) == [expected[0], *expected[2:]]
