"""What is written comes back: every type, every field, and what stands where nothing was given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from moltnet_conformance.building import agent, at, back, dm, message, one_room, room, thread
from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_core import (
    Actor,
    AgentRegistration,
    AgentSummary,
    Artifact,
    DirectConversation,
    Message,
    MessageOrigin,
    PageRequest,
    Part,
    Room,
    Store,
    Target,
    Thread,
)

clause = Group("round trips", given=one_room)


@clause("TRIP-001", "1.3", "4.9")
def a_message_with_every_field(store: Store) -> None:
    written = Message(
        "net",
        Target.room("general"),
        Actor("human", "zoe", name="Zoe", network_id="elsewhere", fqid="molt://elsewhere/agents/zoe"),
        [
            Part("text", "hello"),
            Part("url", url="HTTPS://example.org/?q=1#f"),
            Part("data", data={"k": [True, False, None, 1, 1.5, "t", {}, [], {"deep": [[]]}]}),
            Part("file", "caption", "text/plain", "molt://net/files/1", "a.txt", {"size": 3}),
            Part("image", media_type="image/png"),
            Part("audio", filename="a.ogg"),
        ],
        ["molt://net/agents/ann", "bob", "anything at all", "bob"],
        "m1",
        at(1, 123_456),
        MessageOrigin("first", "its-id"),
    )
    assert back(store, written) == written


@clause("TRIP-002", "1.3", "4.3")
def a_room_with_every_field(store: Store) -> None:
    written = Room("r2", "n", "A name", ("a", "b"), "public", "operators", at(1, 1), "molt://n/rooms/other")
    assert store.create_room(written) == written
    assert store.get_room("r2") == written
    assert written in store.list_rooms().items


@clause("TRIP-003", "1.3", "4.27")
def an_agent_with_every_field(store: Store) -> None:
    written = AgentRegistration("net2:ann", "n", "token:x", "Ann", "uid", "molt://n/agents/a", at(1, 1), at(2, 2))
    assert store.register_agent(written) == written
    assert store.get_agent("net2:ann") == written
    assert store.get_agent_by_credential("token:x") == written
    assert store.list_agents().items == (written,)


@clause("TRIP-004", "1.3", "4.21", "4.20")
def what_follows_from_messages_has_every_field(store: Store) -> None:
    file = Part("file", None, "text/plain", "https://example.org/", "a.txt")
    store.append_message(message("t1m", thread("t1", parent="m0"), 1, parts=[Part("text", "x"), file]))
    store.append_message(message("d1m", dm("d1", "bob", "ann"), 2))
    assert store.get_thread("t1") == Thread(
        "t1", "net", "molt://net/threads/t1", "general", "m0", message_count=1, last_message_at=at(1)
    )
    assert store.get_dm("d1") == DirectConversation(
        "d1", "net", "molt://net/dms/d1", ("ann", "bob"), message_count=1, last_message_at=at(2)
    )
    assert store.list_artifacts().items == (
        Artifact(
            "art_t1m_1",
            "net",
            "molt://net/artifacts/art_t1m_1",
            "t1m",
            thread("t1", parent="m0"),
            1,
            "file",
            "text/plain",
            "a.txt",
            "https://example.org/",
            created_at=at(1),
        ),
    )


@clause("TRIP-005", "1.11")
def defaults_of_a_message(store: Store) -> None:
    before = datetime.now(UTC)
    result = store.append_message(Message("net", Target.room("general"), Actor("agent", "ann"), [Part("text", "x")]))
    written = result.message
    assert written.id.startswith("msg_")
    assert len(written.id) == len("msg_") + 36
    assert before <= written.created_at <= datetime.now(UTC)
    assert written.origin == MessageOrigin("net", written.id)
    assert written.sender == Actor("agent", "ann", None, "net", "molt://net/agents/ann")
    assert store.get_message(written.id) == written
    given_away = store.append_message(message("", second=9)).message
    assert given_away.id.startswith("msg_")
    assert store.get_message(given_away.id) == given_away


@clause("TRIP-006", "1.12")
@for_each(
    enumerate(
        [
            (Actor("agent", "ann"), "molt://net/agents/ann"),
            (Actor("agent", "ann", network_id="far"), "molt://far/agents/ann"),
            (Actor("agent", "far:ann"), "molt://far/agents/ann"),
            (Actor("agent", "molt://far/agents/ann"), "molt://far/agents/ann"),
        ]
    )
)
def the_full_id_of_a_sender(store: Store, numbered: tuple[int, tuple[Actor, str]]) -> None:
    number, (sender, fqid) = numbered
    found = back(store, message(f"m{number}", sender=sender))
    assert (found.sender.id, found.sender.fqid) == (sender.id, fqid)


@clause("TRIP-007", "1.12")
def defaults_of_a_room(store: Store) -> None:
    created = store.create_room(Room("r2", "net"))
    assert (created.name, created.fqid) == ("r2", "molt://net/rooms/r2")
    assert (created.visibility, created.write_policy, created.members) == ("private", "members", ())
    assert abs(created.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert store.get_room("r2") == created


@clause("TRIP-008", "1.13")
def defaults_of_an_agent(store: Store) -> None:
    registered = store.register_agent(AgentRegistration("ann", "net", "token:1"))
    assert registered.actor_uid.startswith("actor_")
    assert len(registered.actor_uid) == len("actor_") + 36
    assert registered.actor_uri == "molt://net/agents/ann"
    assert store.get_agent("ann") == registered


@clause("TRIP-009", "1.2")
def empty_optional_fields_are_absent(store: Store) -> None:
    found = back(store, message("m1", parts=[Part("text", "x", "", "", "", {})], sender=Actor("agent", "a", name="")))
    assert found.parts == (Part("text", "x"),)
    assert found.sender.name is None
    assert store.list_artifacts().items == ()
    store.register_agent(agent("ann", display_name=""))
    stored = store.get_agent("ann")
    assert stored is not None
    assert stored.display_name is None


@clause("TRIP-010", "1.7")
def members_are_trimmed_sorted_and_unique(store: Store) -> None:
    written = room("r2", members=[" b ", "a", "", "  ", "net2:c", "a", "B", "molt://n/agents/z"])
    members = ("B", "a", "b", "molt://n/agents/z", "net2:c")
    assert store.create_room(written).members == members
    found = store.get_room("r2")
    assert found is not None
    assert found.members == members
    assert store.get_member("molt://n/agents/z") == AgentSummary("molt://n/agents/z", "n", "molt://n/agents/z", ("r2",))


@clause("TRIP-011", "1.7", "1.9")
def participants_keep_the_order_given(store: Store) -> None:
    store.append_message(message("m1", Target.dm("d1", [" zoe ", "", "ann", "bob"])))
    found = store.get_message("m1")
    assert found is not None
    assert found.target.participant_ids == ("zoe", "ann", "bob")
    assert store.list_dm_messages("d1", PageRequest(limit=1)).items == (found,)
