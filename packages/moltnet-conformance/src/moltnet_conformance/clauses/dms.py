"""Direct conversations follow from their messages."""

from __future__ import annotations

from moltnet_conformance.building import at, dm, dm_of, ids, message, two_rooms
from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_core import (
    Actor,
    DirectConversation,
    PageRequest,
    Store,
)

clause = Group("DMs", given=two_rooms)


@clause("DM-001", "4.14", "4.21")
def a_dm_is_created_by_its_first_message(store: Store) -> None:
    result = store.append_message(message("m1", dm("d1", "zoe", "bob"), 5))
    created = DirectConversation(
        "d1", "net", "molt://net/dms/d1", ("ann", "bob", "zoe"), message_count=1, last_message_at=at(5)
    )
    assert result.dm_created == created
    assert result.thread_created is None
    assert dm_of(store) == created
    assert store.list_dms().items == (created,)


@clause("DM-002", "4.15")
def participants_are_the_union_over_the_messages(store: Store) -> None:
    store.append_message(message("m1", dm("d1", "bob", "zoe")))
    store.append_message(message("m2", dm("d1", "cid", "bob"), sender=Actor("agent", "dan")))
    store.append_messages(
        [
            message("m3", dm("d1", "eve", "bob"), sender=Actor("agent", "bob")),
            message("m4", dm("d1", "fay", "bob"), sender=Actor("agent", "bob")),
        ]
    )
    assert dm_of(store).participant_ids == ("ann", "bob", "cid", "dan", "eve", "fay", "zoe")


@clause("DM-003", "4.15")
@for_each(
    enumerate(
        [
            (Actor("agent", "ann"), "ann"),
            (Actor("agent", "ann", network_id="net"), "ann"),
            (Actor("agent", "ann", network_id="far"), "far:ann"),
            (Actor("agent", "far:ann", network_id="far"), "far:ann"),
            (Actor("agent", "molt://far/agents/ann", network_id="far"), "molt://far/agents/ann"),
        ]
    )
)
def a_sender_of_another_network_is_a_scoped_participant(store: Store, scoped: tuple[int, tuple[Actor, str]]) -> None:
    number, (sender, participant) = scoped
    name = f"d{number}"
    store.append_message(message(name, dm(name, "bob", "cid"), sender=sender))
    assert dm_of(store, name).participant_ids == tuple(sorted(["bob", "cid", participant]))


@clause("DM-004", "4.16", "4.17")
def a_dm_has_the_network_of_its_latest_appended_message(store: Store) -> None:
    store.append_message(message("m1", dm(), 9, network_id="n1"))
    store.append_message(message("m2", dm(), 5, network_id="n2"))  # appended later, though its time is earlier
    assert (dm_of(store).network_id, dm_of(store).fqid) == ("n2", "molt://n2/dms/d1")
    store.append_messages([message("m3", dm(), 12, network_id="n3"), message("m4", dm(), 11, network_id="n4")])
    assert (dm_of(store).network_id, dm_of(store).fqid) == ("n4", "molt://n4/dms/d1")
    assert (dm_of(store).message_count, dm_of(store).last_message_at) == (4, at(12))


@clause("DM-005", "4.14", "4.28")
def a_dm_needs_no_room_and_survives_its_participants(store: Store) -> None:
    store.append_message(message("m1", dm()))
    store.remove_agent("ann")
    store.remove_agent_from_rooms("ann")
    assert ids(store.list_dm_messages("d1", PageRequest(limit=1))) == ["m1"]
    assert dm_of(store).participant_ids == ("ann", "bob")
