"""What is refused before it is stored: the error names the field, and nothing changes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from moltnet_conformance.building import agent, dm, fill, message, room
from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_conformance.refusing import refused
from moltnet_core import Part, Store, Target, ValidationError, to_json
from moltnet_core.serialization import dumps
from moltnet_core.validation import prepare_message

clause = Group("errors leave no trace", given=fill)


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


@clause("VALUE-001", "1.3", "5.4")
def choices(store: Store) -> None:
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


@clause("VALUE-002", "1.9", "5.4")
@for_each(
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
    ]
)
def targets_hold_the_fields_of_their_kind_and_no_others(store: Store, wrong: tuple[Target, str]) -> None:
    target, field = wrong
    with refused(store, f"message.target.{field}"):
        store.append_message(message("m9", target))


@clause("VALUE-003", "1.10", "5.4")
@for_each(["text", "url", "data", "file", "image", "audio"])
def urls_of_parts(store: Store, kind: str) -> None:
    for number, url in enumerate(URLS):
        written = store.append_message(message(f"{kind}{number}", parts=[Part(kind, url=url)])).message
        assert written.parts[0].url == url
        assert store.get_message(written.id) == written
    for url in NO_URLS:
        with refused(store, "message.parts[0].url"):
            store.append_message(message("m9", parts=[Part(kind, url=url)]))
    assert store.append_message(message(f"{kind}-none", parts=[Part(kind, "x")])).message.parts[0].url is None


@clause("VALUE-004", "5.4", "5.13")
def parts_and_mentions_are_lists_of_the_right_things(store: Store) -> None:
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


@clause("VALUE-005", "2.1", "5.4", "5.13")
@for_each(
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
    ]
)
def values_that_are_not_json_or_too_big_for_a_double(store: Store, value: Any) -> None:
    for data in ({"k": value}, {"k": [value]}, {"k": {"k": [[value]]}}):
        with refused(store, "message.parts[0].data"):
            store.append_message(message("m9", parts=[Part("data", data=data)]))


def nested(levels: int, kind: type) -> dict[str, Any]:
    value: Any = {}
    for _ in range(levels - 2):
        value = {"k": value} if kind is dict else [value]
    return {"k": value}


@clause("VALUE-006", "1.14")
@for_each([dict, list])
def data_nests_up_to_100_levels(store: Store, kind: type) -> None:
    data, name = nested(100, kind), f"of-{kind.__name__}"
    store.append_message(message(name, parts=[Part("data", data=data)]))
    found = store.get_message(name)
    assert found is not None
    assert found.parts[0].data == data
    endless: dict[str, Any] = {}
    endless["k"] = endless if kind is dict else [endless]
    for too_deep in (nested(101, kind), nested(5000, kind), endless):
        with refused(store, "message.parts[0].data"):
            store.append_message(message("m10", parts=[Part("data", data=too_deep)]))


@clause("VALUE-007", "2.4", "5.4")
def naive_times_and_times_that_utc_does_not_have(store: Store) -> None:
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


@clause("VALUE-008", "1.7", "5.4")
def at_most_256_members_a_call(store: Store) -> None:
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


@clause("VALUE-009", "1.14")
def a_credential_key_has_at_most_1024_bytes(store: Store) -> None:
    for key in ("k" * 1024, "ä" * 512):
        assert store.reconcile_agent(agent("ann", key)).credential_key == key
        assert store.get_agent_by_credential(key) is not None
        with refused(store, "agent.credential_key"):
            store.reconcile_agent(agent("ann", key + "k"))


def json_length_without_text() -> int:
    return len(dumps(to_json(prepare_message(message("big", parts=[Part("text", "x")])))).encode()) - 1


@clause("VALUE-010", "1.14")
def a_message_has_at_most_16_mib_of_json(store: Store) -> None:
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


@clause("VALUE-011", "1.15", "5.4")
def an_error_does_not_repeat_what_is_secret_or_long(store: Store) -> None:
    for secret in ("hunter2\x00", "hunter2\ud800", "hunter2" * 200):
        with pytest.raises(ValidationError) as caught:
            store.register_agent(agent("zoe", secret))
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        store.create_room(room("x" * 1_000_000))
    assert len(str(caught.value)) < 1000
