"""What is refused before it is stored: the error names the field, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.contract.building import agent, dm, everything, fill, looked_up, message, room
from tests.contract.refusing import UNSTORABLE, named, refused

from moltnet_core import Actor, Message, MessageOrigin, Part, Store, Target, ValidationError, to_json
from moltnet_core.serialization import dumps
from moltnet_core.validation import prepare_message

URLS = [
    "http://h",
    "https://h/p?q#f",
    "HTTP://H:80/",
    "hTTps://u:p@h",
    "molt://net/x",
    "MOLT://x",
    "https://[::1]/",
    "http://ä/",
]
NO_URLS = [
    "ftp://h",
    "javascript:alert(1)",
    "h",
    "/p",
    "//h",
    "http:",
    "http://",
    "https:///p",
    "http://:80/",
    "http://u@/",
]
NO_URLS += [
    " http://h",
    "data:,x",
    "file:///etc/passwd",
    "http//h",
    "http://[::1",
    "mailto:a@b",
    "\nhttps://h",
    "xhttps://h",
]


@pytest.fixture
def store(store: Store) -> Store:
    fill(store)
    return store


# -- texts -------------------------------------------------------------------------------------------

ANYWHERE: dict[str, Callable[[str], Message]] = {
    "message.network_id": lambda text: message("m9", network_id=text),
    "message.from.type": lambda text: message("m9", sender=Actor(text, "a")),
    "message.from.name": lambda text: message("m9", sender=Actor("agent", "a", name=text)),
    "message.from.network_id": lambda text: message("m9", sender=Actor("agent", "a", network_id=text)),
    "message.from.fqid": lambda text: message("m9", sender=Actor("agent", "a", fqid=text)),
    "message.origin.network_id": lambda text: message("m9", origin=MessageOrigin(text, "m")),
    "message.origin.message_id": lambda text: message("m9", origin=MessageOrigin("n", text)),
    "message.mentions[1]": lambda text: message("m9", mentions=["ok", text]),
    "message.parts[1].text": lambda text: message("m9", parts=[Part("text", "ok"), Part("text", text)]),
    "message.parts[0].media_type": lambda text: message("m9", parts=[Part("file", media_type=text)]),
    "message.parts[0].filename": lambda text: message("m9", parts=[Part("file", filename=text)]),
    "message.parts[0].url": lambda text: message("m9", parts=[Part("url", url=f"https://h/{text}")]),
    "message.parts[0].data.k": lambda text: message("m9", parts=[Part("data", data={"k": text})]),
    "message.parts[0].data.k[1].l": lambda text: message("m9", parts=[Part("data", data={"k": [0, {"l": text}]})]),
    "message.parts[0].data": lambda text: message("m9", parts=[Part("data", data={text: 1})]),
    "message.parts[0].data.deep": lambda text: message("m9", parts=[Part("data", data={"deep": {text: 1}})]),
}


@named(UNSTORABLE)
@pytest.mark.parametrize("field", ANYWHERE)
def test_text_that_no_backend_can_hold(store: Store, field: str, value: str) -> None:
    with refused(store, field):
        store.append_message(ANYWHERE[field](value))


@named(UNSTORABLE)
def test_text_that_no_backend_can_hold_in_rooms_and_agents(store: Store, value: str) -> None:
    for field in ("network_id", "name", "fqid"):
        with refused(store, f"room.{field}"):
            store.create_room(room("r9", **{field: value}))
        with refused(store, f"room.{field}"):
            store.reconcile_room(room("general", **{field: value}))
    for field in ("network_id", "display_name", "actor_uid", "actor_uri"):
        with refused(store, f"agent.{field}"):
            store.register_agent(agent("ann", **{field: value}))
    with refused(store, "agent.credential_key"):
        store.reconcile_agent(agent("ann", value))


@named(UNSTORABLE)
def test_looking_up_text_that_cannot_be_stored_finds_nothing(store: Store, value: str) -> None:
    before = everything(store)
    assert looked_up(store, value) == []
    store.remove_agent(value)
    store.remove_agent_from_rooms(value)
    assert everything(store) == before


def test_empty_texts_where_one_is_needed(store: Store) -> None:
    with refused(store, "room.network_id"):
        store.create_room(room("r9", network_id=""))
    with refused(store, "message.network_id"):
        store.append_message(message("m9", network_id=""))
    with refused(store, "agent.network_id"):
        store.register_agent(agent("zoe", network_id=""))
    with refused(store, "agent.credential_key"):
        store.register_agent(agent("zoe", ""))
    with refused(store, "agent.credential_key"):
        store.reconcile_agent(agent("ann", ""))
    with refused(store, "message.from.id"):
        store.append_message(message("m9", sender=Actor("agent", "")))


# -- choices, targets, URLs --------------------------------------------------------------------------


def test_choices(store: Store) -> None:
    for kind in ("", "TEXT", "video", "text "):
        with refused(store, "message.parts[0].kind"):
            store.append_message(message("m9", parts=[Part(kind, "x")]))
    for kind in ("", "Room", "direct"):
        with refused(store, "message.target.kind"):
            store.append_message(message("m9", Target(kind=kind, room_id="general")))
    with refused(store, "room.visibility"):
        store.create_room(room("r9", visibility="secret"))
    with refused(store, "room.write_policy"):
        store.reconcile_room(room("general", write_policy="anyone"))


@pytest.mark.parametrize(
    ("target", "field"),
    [
        (Target("room", "general", thread_id="t1"), "thread_id"),
        (Target("room", "general", parent_message_id="m1"), "parent_message_id"),
        (Target("room", "general", dm_id="d1"), "dm_id"),
        (Target("room", "general", participant_ids=["a"]), "participant_ids"),
        (Target("thread", "general", "t1", dm_id="d1"), "dm_id"),
        (Target("thread", "general", "t1", participant_ids=["a", "b"]), "participant_ids"),
        (Target("dm", "general", dm_id="d1", participant_ids=["a", "b"]), "room_id"),
        (Target("dm", thread_id="t1", dm_id="d1", participant_ids=["a", "b"]), "thread_id"),
        (Target("dm", parent_message_id="m1", dm_id="d1", participant_ids=["a", "b"]), "parent_message_id"),
        (Target("room"), "room_id"),
        (Target("thread", "general"), "thread_id"),
        (Target("thread", thread_id="t1"), "room_id"),
        (Target("dm", participant_ids=["a", "b"]), "dm_id"),
        (Target("dm", dm_id="d1"), "participant_ids"),
        (Target("dm", dm_id="d1", participant_ids=["a"]), "participant_ids"),
        (Target("dm", dm_id="d1", participant_ids=["a", " a ", "a"]), "participant_ids"),
        (Target("dm", dm_id="d1", participant_ids=["a", "", " "]), "participant_ids"),
    ],
)
def test_targets_hold_the_fields_of_their_kind_and_no_others(store: Store, target: Target, field: str) -> None:
    with refused(store, f"message.target.{field}"):
        store.append_message(message("m9", target))


@pytest.mark.parametrize("kind", ["text", "url", "data", "file", "image", "audio"])
def test_urls_of_parts(store: Store, kind: str) -> None:
    for number, url in enumerate(URLS):
        written = store.append_message(message(f"u{number}", parts=[Part(kind, url=url)])).message
        assert written.parts[0].url == url
    for url in NO_URLS:
        with refused(store, "message.parts[0].url"):
            store.append_message(message("m9", parts=[Part(kind, url=url)]))
    assert store.append_message(message("none", parts=[Part(kind, "x")])).message.parts[0].url is None


def test_parts_and_mentions_are_lists_of_the_right_things(store: Store) -> None:
    wrong: Any
    for wrong in ([], None, "text", 5):
        with refused(store, "message.parts"):
            store.append_message(message("m9", parts=wrong))
    with refused(store, "message.parts[1]"):
        store.append_message(message("m9", parts=[Part("text", "x"), {"kind": "text"}]))
    for wrong in ("ann", 5, [5]):
        with refused(store, "message.mentions"):
            store.append_message(message("m9", mentions=wrong))
    for wrong in ("x", [1], 5):
        with refused(store, "message.parts[0].data"):
            store.append_message(message("m9", parts=[Part("data", data=wrong)]))


# -- numbers, times, limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        10**309,
        -(10**309),
        2**1024,
        10**5000 - 1,
        {1, 2},
        b"x",
        object(),
        datetime(2026, 1, 1),
        {1: "a key that is no text"},
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_are_not_json_or_too_big_for_a_double(store: Store, value: Any) -> None:
    for data in ({"k": value}, {"k": [value]}, {"k": {"k": [[value]]}}):
        with refused(store, "message.parts[0].data"):
            store.append_message(message("m9", parts=[Part("data", data=data)]))


def nested(levels: int, kind: type) -> dict[str, Any]:
    value: Any = {}
    for _ in range(levels - 2):
        value = {"k": value} if kind is dict else [value]
    return {"k": value}


@pytest.mark.parametrize("kind", [dict, list])
def test_data_nests_up_to_100_levels(store: Store, kind: type) -> None:
    data = nested(100, kind)
    store.append_message(message("m9", parts=[Part("data", data=data)]))
    found = store.get_message("m9")
    assert found is not None
    assert found.parts[0].data == data
    endless: dict[str, Any] = {}
    endless["k"] = endless if kind is dict else [endless]
    for too_deep in (nested(101, kind), nested(5000, kind), endless):
        with refused(store, "message.parts[0].data"):
            store.append_message(message("m10", parts=[Part("data", data=too_deep)]))


def test_naive_times_and_times_that_utc_does_not_have(store: Store) -> None:
    naive = datetime(2026, 1, 1)
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    late = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2)))
    wrong: Any
    for wrong in (naive, early, late, "2026-01-01T00:00:00Z", 5, None):
        with refused(store, "message.created_at"):
            store.append_message(message("m9", created_at=wrong))
        with refused(store, "room.created_at"):
            store.create_room(room("r9", created_at=wrong))
        with refused(store, "agent.created_at"):
            store.register_agent(agent("zoe", created_at=wrong))
        with refused(store, "agent.updated_at"):
            store.register_agent(agent("ann", updated_at=wrong))


def test_at_most_256_members_a_call(store: Store) -> None:
    many = [f"a{number}" for number in range(257)]
    for call, field in (
        (lambda: store.create_room(room("r9", members=many)), "room.members"),
        (lambda: store.reconcile_room(room("general", members=many)), "room.members"),
        (lambda: store.update_room_members("general", add=many), "add"),
        (lambda: store.update_room_members("general", remove=many), "remove"),
        (lambda: store.append_message(message("m9", dm("d9", *many))), "message.target.participant_ids"),
    ):
        with refused(store, field):
            call()
    assert store.create_room(room("r9", members=many[:256])).members == tuple(sorted(many[:256]))
    assert len(store.update_room_members("r9", add=["one-more"]).members) == 257
    store.append_message(message("m9", dm("d9", *many[:256])))
    found = store.get_dm("d9")
    assert found is not None
    assert len(found.participant_ids) == 257  # and the sender


def test_a_credential_key_has_at_most_1024_bytes(store: Store) -> None:
    for key in ("k" * 1024, "ä" * 512):
        assert store.reconcile_agent(agent("ann", key)).credential_key == key
        assert store.get_agent_by_credential(key) is not None
        with refused(store, "agent.credential_key"):
            store.reconcile_agent(agent("ann", key + "k"))


def json_length_without_text() -> int:
    return len(dumps(to_json(prepare_message(message("big", parts=[Part("text", "x")])))).encode()) - 1


def test_a_message_has_at_most_16_mib_of_json(store: Store) -> None:
    room_left = 16 * 1024 * 1024 - json_length_without_text()
    with refused(store, "message"):
        store.append_message(message("big", parts=[Part("text", "x" * (room_left + 1))]))
    with refused(store, "message"):
        store.append_message(message("big", parts=[Part("text", "\x01" * (room_left // 6 + 1))]))
    with refused(store, "message"):
        store.append_message(message("big", parts=[Part("text", "ä" * (room_left // 2 + 1))]))
    store.append_message(message("big", parts=[Part("text", "x" * room_left)]))
    found = store.get_message("big")
    assert found is not None
    assert found.parts[0].text == "x" * room_left


def test_an_error_does_not_repeat_what_is_secret_or_long(store: Store) -> None:
    for secret in ("hunter2\x00", "hunter2\ud800", "hunter2" * 200):
        with pytest.raises(ValidationError) as caught:
            store.register_agent(agent("zoe", secret))
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        store.create_room(room("x" * 1_000_000))
    assert len(str(caught.value)) < 1000
