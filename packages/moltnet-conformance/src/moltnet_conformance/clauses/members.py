"""Members: the agents that rooms name, registered or not."""

from __future__ import annotations

from moltnet_conformance.building import agent, room
from moltnet_conformance.clause import Group
from moltnet_core import AgentSummary, Store

clause = Group("agents")


@clause("MEMBER-001", "1.16", "4.30")
def a_member_has_the_rooms_it_is_in(store: Store) -> None:
    store.create_room(room("z", network_id="net2", members=["ann"]))
    store.create_room(room("a", network_id="net1", members=["ann", "bob"]))
    store.create_room(room("B", network_id="net3", members=["bob"]))
    ann = AgentSummary("ann", "net1", "molt://net1/agents/ann", ("a", "z"))
    bob = AgentSummary("bob", "net3", "molt://net3/agents/bob", ("B", "a"))  # by code point B comes first
    assert store.list_members().items == (ann, bob)
    assert (store.get_member("ann"), store.get_member("bob")) == (ann, bob)
    assert store.get_member("cid") is None


@clause("MEMBER-002", "1.16")
def network_and_full_id_are_the_member_id_s_own_where_it_names_them(store: Store) -> None:
    members = ["ann", "far:ann", "far:a:b", "molt://far/agents/ann"]
    store.create_room(room("a", members=members))
    assert store.list_members().items == (
        AgentSummary("ann", "net", "molt://net/agents/ann", ("a",)),
        AgentSummary("far:a:b", "far", "molt://far/agents/a:b", ("a",)),
        AgentSummary("far:ann", "far", "molt://far/agents/ann", ("a",)),
        AgentSummary("molt://far/agents/ann", "far", "molt://far/agents/ann", ("a",)),
    )


@clause("MEMBER-003", "1.16")
def its_network_follows_its_first_room(store: Store) -> None:
    store.create_room(room("a", network_id="net1", members=["ann"]))
    store.create_room(room("b", network_id="net2", members=["ann"]))
    store.remove_room("a")
    assert store.get_member("ann") == AgentSummary("ann", "net2", "molt://net2/agents/ann", ("b",))
    store.update_room_members("b", remove=["ann"])
    assert store.get_member("ann") is None
    assert store.list_members().items == ()


@clause("MEMBER-004", "4.30")
def registering_makes_no_member(store: Store) -> None:
    store.register_agent(agent("ann"))
    assert store.list_members().items == ()
    store.create_room(room("a", members=["ann"]))
    store.remove_agent("ann")
    assert store.get_member("ann") is not None
