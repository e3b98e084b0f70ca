"""What is written comes back: every type, every field, every text and number."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum
from typing import Any

import pytest
from tests.contract.building import agent, at, dm, looked_up, message, room, thread

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

HOSTILE = [
    "'; DROP TABLE messages; --",
    '"quoted" \\back\\slash \\u0000 \\n',
    "new\nline\r\ntab\tand \x01\x08\x0b\x1f\x7f controls",
    "<script>&amp;</script>",
    "line\u2028and\u2029paragraph",
    "héllo wörld",
    "\u202eright to left\u202c \u200bzero width\ufeff",
    "e\u0301 is not \u00e9",
    "family 👨‍👩‍👧‍👦 and 𝔘𝔫𝔦",
    "\ufffe\uffff\U0010ffff",
    "%s %d ? :name $1 {} {0}",
    " leading and trailing ",
    "null",
    "x" * 100_000,
]


def back(store: Store, written: Message) -> Message:
    store.append_message(written)
    found = store.get_message(written.id)
    assert found is not None
    assert store.list_room_messages("general").items[-1] == found
    return found


@pytest.fixture(autouse=True)
def _a_room(store: Store) -> None:
    store.create_room(room())


def test_a_message_with_every_field(store: Store) -> None:
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


def test_a_room_with_every_field(store: Store) -> None:
    written = Room("r2", "n", "A name", ("a", "b"), "public", "operators", at(1, 1), "molt://n/rooms/other")
    assert store.create_room(written) == written
    assert store.get_room("r2") == written
    assert written in store.list_rooms().items


def test_an_agent_with_every_field(store: Store) -> None:
    written = AgentRegistration("net2:ann", "n", "token:x", "Ann", "uid", "molt://n/agents/a", at(1, 1), at(2, 2))
    assert store.register_agent(written) == written
    assert store.get_agent("net2:ann") == written
    assert store.get_agent_by_credential("token:x") == written
    assert store.list_agents().items == (written,)


def test_what_follows_from_messages_has_every_field(store: Store) -> None:
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


def test_defaults_of_a_message(store: Store) -> None:
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


@pytest.mark.parametrize(
    ("sender", "fqid"),
    [
        (Actor("agent", "ann"), "molt://net/agents/ann"),
        (Actor("agent", "ann", network_id="far"), "molt://far/agents/ann"),
        (Actor("agent", "far:ann"), "molt://far/agents/ann"),
        (Actor("agent", "molt://far/agents/ann"), "molt://far/agents/ann"),
    ],
)
def test_the_full_id_of_a_sender(store: Store, sender: Actor, fqid: str) -> None:
    found = back(store, message("m1", sender=sender))
    assert (found.sender.id, found.sender.fqid) == (sender.id, fqid)


def test_defaults_of_a_room(store: Store) -> None:
    created = store.create_room(Room("r2", "net"))
    assert (created.name, created.fqid) == ("r2", "molt://net/rooms/r2")
    assert (created.visibility, created.write_policy, created.members) == ("private", "members", ())
    assert abs(created.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert store.get_room("r2") == created


def test_defaults_of_an_agent(store: Store) -> None:
    registered = store.register_agent(AgentRegistration("ann", "net", "token:1"))
    assert registered.actor_uid.startswith("actor_")
    assert len(registered.actor_uid) == len("actor_") + 36
    assert registered.actor_uri == "molt://net/agents/ann"
    assert store.get_agent("ann") == registered


def test_empty_optional_fields_are_absent(store: Store) -> None:
    found = back(store, message("m1", parts=[Part("text", "x", "", "", "", {})], sender=Actor("agent", "a", name="")))
    assert found.parts == (Part("text", "x"),)
    assert found.sender.name is None
    assert store.list_artifacts().items == ()
    store.register_agent(agent("ann", display_name=""))
    stored = store.get_agent("ann")
    assert stored is not None
    assert stored.display_name is None


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_everywhere_that_text_may_stand(store: Store, text: str) -> None:
    part = Part("data", text, text, "https://example.org/" + text, text, {text: text, "list": [text, {text: [text]}]})
    written = message(
        "m1",
        network_id=text,
        sender=Actor(text, "ann", text, text, text),
        parts=[part],
        mentions=[text],
        origin=MessageOrigin(text, text),
    )
    assert back(store, written) == written
    artifact = store.list_artifacts().items[0]
    assert (artifact.network_id, artifact.media_type, artifact.filename) == (text, text, text)
    assert artifact.url == part.url
    described = room("r2", network_id=text, name=text, fqid=text)
    store.create_room(described)
    assert store.get_room("r2") == described
    key = text[:300]
    registered = agent("ann", key, network_id=text, display_name=text, actor_uid=text, actor_uri=text)
    store.register_agent(registered)
    assert store.get_agent("ann") == store.get_agent_by_credential(key) == registered


@pytest.mark.parametrize("text", HOSTILE[:13], ids=lambda text: ascii(text[:12]))
def test_hostile_text_where_an_id_is_looked_up(store: Store, text: str) -> None:
    store.append_message(message("m1"))
    assert looked_up(store, text) == []
    store.remove_agent(text)
    store.remove_agent_from_rooms(text)


@pytest.mark.parametrize(
    "number",
    [0, -1, 2**31, 2**53 - 1, 2**53 + 1, -(2**63), 2**64 + 1, 10**100 + 7, -(10**308) - 1, 2**1023 + 1],
    ids=lambda number: f"about_1e{len(str(abs(number))) - 1}",
)
def test_integers_are_exact(store: Store, number: int) -> None:
    data: dict[str, Any] = {"n": number, "in": [number]}
    found = back(store, message("m1", parts=[Part("data", data=data)])).parts[0].data
    assert found == data
    assert type(found["n"]) is int


@pytest.mark.parametrize(
    "number",
    [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3, 1e16, 1e22, 123456789.0],
)
def test_floats_are_the_same_bit_for_bit(store: Store, number: float) -> None:
    found = back(store, message("m1", parts=[Part("data", data={"n": number})])).parts[0].data
    assert found is not None
    assert type(found["n"]) is float
    assert struct.pack(">d", found["n"]) == struct.pack(">d", number)


def test_true_one_and_one_point_zero_stay_what_they_are(store: Store) -> None:
    found = back(store, message("m1", parts=[Part("data", data={"v": [True, 1, 1.0, False, 0, 0.0, None]})])).parts[0]
    assert found.data is not None
    assert [type(value) for value in found.data["v"]] == [bool, int, float, bool, int, float, type(None)]


def test_keys_keep_their_order(store: Store) -> None:
    data = {"z": 1, "a": {"y": 1, "b": 2, "": 3}, "M": 2, "10": 0, "9": 0}
    found = back(store, message("m1", parts=[Part("data", data=data)])).parts[0].data
    assert found is not None
    assert list(found) == list(data)
    assert list(found["a"]) == ["y", "b", ""]


def test_enumerations_in_data_are_their_values(store: Store) -> None:
    class Colour(str, Enum):  # noqa: UP042 - its str() is not its value
        RED = "red"

    class Size(IntEnum):
        BIG = 3

    found = back(store, message("m1", parts=[Part("data", data={"c": Colour.RED, "s": Size.BIG})])).parts[0].data
    assert found == {"c": "red", "s": 3}
    assert (type(found["c"]), type(found["s"])) == (str, int)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        at(0),
        at(0, 1),
        at(0, 100_000),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_times_are_exact_to_the_microsecond(store: Store, moment: datetime) -> None:
    found = back(store, message("m1", created_at=moment))
    assert found.created_at == moment
    assert found.created_at.utcoffset() == timedelta(0)


def test_times_are_normalised_to_utc(store: Store) -> None:
    moment = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    found = back(store, message("m1", created_at=moment))
    assert found.created_at.isoformat() == "2025-12-31T20:00:00+00:00"
    created = store.create_room(room("r2", created_at=moment))
    assert created.created_at.isoformat() == "2025-12-31T20:00:00+00:00"


def test_members_are_trimmed_sorted_and_unique(store: Store) -> None:
    written = room("r2", members=[" b ", "a", "", "  ", "net2:c", "a", "B", "molt://n/agents/z"])
    members = ("B", "a", "b", "molt://n/agents/z", "net2:c")
    assert store.create_room(written).members == members
    found = store.get_room("r2")
    assert found is not None
    assert found.members == members
    assert store.get_member("molt://n/agents/z") == AgentSummary("molt://n/agents/z", "n", "molt://n/agents/z", ("r2",))


def test_participants_keep_the_order_given(store: Store) -> None:
    store.append_message(message("m1", Target.dm("d1", [" zoe ", "", "ann", "bob"])))
    found = store.get_message("m1")
    assert found is not None
    assert found.target.participant_ids == ("zoe", "ann", "bob")
    assert store.list_dm_messages("d1", PageRequest(limit=1)).items == (found,)
