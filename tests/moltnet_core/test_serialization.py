"""Domain types as JSON and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from moltnet_core import (
    Actor,
    AgentRegistration,
    AgentSummary,
    AppendResult,
    Artifact,
    DirectConversation,
    Message,
    MessageOrigin,
    Page,
    PageInfo,
    Part,
    Room,
    Target,
    Thread,
    ValidationError,
    from_json,
    to_json,
)
from moltnet_core.serialization import canonical, copy_json, dumps, loads, message_columns

MOMENT = datetime(2026, 1, 1, 0, 0, 0, 120_000, UTC)
TIME = "2026-01-01T00:00:00.12Z"
THREAD = Thread("t1", "net", "f", "general", "m0", message_count=2, last_message_at=MOMENT)
DM = DirectConversation("d1", "net", "f", ("ann", "bob"), message_count=0, last_message_at=MOMENT)
MESSAGE = Message(
    "net",
    Target.thread("general", "t1", "m0"),
    Actor("agent", "ann", "Ann", "net", "f"),
    [Part("text", "x"), Part("file", None, "text/plain", "https://h/", "f", {"z": [1.0, None], "a": {}})],
    ["bob"],
    "m1",
    MOMENT,
    MessageOrigin("net", "m1"),
)
OBJECTS: list[tuple[Any, dict[str, Any]]] = [
    (Actor("agent", "ann"), {"type": "agent", "id": "ann"}),
    (MessageOrigin("", ""), {"network_id": "", "message_id": ""}),
    (Target.room("general"), {"kind": "room", "room_id": "general"}),
    (Target.thread("general", "t1"), {"kind": "thread", "room_id": "general", "thread_id": "t1"}),
    (Target.dm("d1", ["b", "a"]), {"kind": "dm", "dm_id": "d1", "participant_ids": ["b", "a"]}),
    (Part("text", "", data={}), {"kind": "text"}),
    (Part("data", data={"z": 1, "a": [{}]}), {"kind": "data", "data": {"z": 1, "a": [{}]}}),
    (
        MESSAGE,
        {
            "id": "m1",
            "network_id": "net",
            "origin": {"network_id": "net", "message_id": "m1"},
            "target": {"kind": "thread", "room_id": "general", "thread_id": "t1", "parent_message_id": "m0"},
            "from": {"type": "agent", "id": "ann", "name": "Ann", "network_id": "net", "fqid": "f"},
            "parts": [
                {"kind": "text", "text": "x"},
                {
                    "kind": "file",
                    "media_type": "text/plain",
                    "url": "https://h/",
                    "filename": "f",
                    "data": {"z": [1.0, None], "a": {}},
                },
            ],
            "mentions": ["bob"],
            "created_at": TIME,
        },
    ),
    (
        Room("r", "net", "Name", ("a", "b"), "public", "operators", MOMENT, "f"),
        {
            "id": "r",
            "network_id": "net",
            "fqid": "f",
            "name": "Name",
            "members": ["a", "b"],
            "visibility": "public",
            "write_policy": "operators",
            "created_at": TIME,
        },
    ),
    (
        THREAD,
        {
            "id": "t1",
            "network_id": "net",
            "fqid": "f",
            "room_id": "general",
            "parent_message_id": "m0",
            "message_count": 2,
            "last_message_at": TIME,
        },
    ),
    (
        DM,
        {
            "id": "d1",
            "network_id": "net",
            "fqid": "f",
            "participant_ids": ["ann", "bob"],
            "message_count": 0,
            "last_message_at": TIME,
        },
    ),
    (
        Artifact("art_m1_0", "net", "f", "m1", Target.room("r"), 0, "file", "m", "n", "u", created_at=MOMENT),
        {
            "id": "art_m1_0",
            "network_id": "net",
            "fqid": "f",
            "message_id": "m1",
            "target": {"kind": "room", "room_id": "r"},
            "part_index": 0,
            "kind": "file",
            "media_type": "m",
            "filename": "n",
            "url": "u",
            "created_at": TIME,
        },
    ),
    (AgentSummary("ann", "net", "f", ("a",)), {"id": "ann", "network_id": "net", "fqid": "f", "rooms": ["a"]}),
    (PageInfo(), {"has_more": False}),
    (PageInfo(True, "a", "b"), {"has_more": True, "next_before": "a", "next_after": "b"}),
    (
        AppendResult(MESSAGE, THREAD),
        {"message": to_json(MESSAGE), "thread_created": to_json(THREAD), "replayed": False},
    ),
]
every_object = pytest.mark.parametrize(("value", "data"), OBJECTS, ids=lambda each: type(each).__name__)


@every_object
def test_to_json_and_back(value: Any, data: dict[str, Any]) -> None:
    assert to_json(value) == data
    text = json.dumps(to_json(value))
    assert from_json(type(value), json.loads(text)) == value


@every_object
def test_unknown_keys_are_ignored_and_null_is_absent(value: Any, data: dict[str, Any]) -> None:
    assert from_json(type(value), {**data, "unknown": [1], "": None}) == value
    optional = ("name", "fqid", "parent_message_id", "mentions", "next_before", "dm_created", "url", "text", "data")
    nulls = {key: None for key in optional if key not in data and key in type(value).__slots__}
    assert from_json(type(value), {**data, **nulls}) == value


def test_an_agent_s_credential_is_not_in_its_json() -> None:
    agent = AgentRegistration("ann", "net", "token:secret", "Ann", "uid", "uri", MOMENT, MOMENT)
    data = to_json(agent)
    assert data == {
        "agent_id": "ann",
        "network_id": "net",
        "display_name": "Ann",
        "actor_uid": "uid",
        "actor_uri": "uri",
        "created_at": TIME,
        "updated_at": TIME,
    }
    assert from_json(AgentRegistration, {**data, "credential_key": "token:secret"}) == agent
    assert "secret" not in repr(agent)
    with pytest.raises(ValidationError) as caught:
        from_json(AgentRegistration, data)
    assert caught.value.field == "credential_key"


def test_a_page() -> None:
    page: Page[Thread] = Page([THREAD], PageInfo(True, "t1"))
    assert to_json(page) == {"items": [to_json(THREAD)], "info": {"has_more": True, "next_before": "t1"}}
    assert to_json(Page([], skipped=2)) == {"items": [], "info": {"has_more": False}, "skipped": 2}


def test_times_of_any_spelling_are_read() -> None:
    for text in (TIME, "2026-01-01T00:00:00.120000000Z", "2026-01-01T01:00:00.1200009+01:00"):
        assert from_json(Thread, {**to_json(THREAD), "last_message_at": text}) == THREAD


def test_json_shares_nothing_with_its_object() -> None:
    data = to_json(MESSAGE)
    data["parts"][1]["data"]["z"].append(5)
    assert to_json(MESSAGE)["parts"][1]["data"]["z"] == [1.0, None]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"id": 5}, "id"),
        ({"network_id": None}, "network_id"),
        ({"created_at": 5}, "created_at"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"mentions": "ann"}, "mentions"),
        ({"mentions": ["ann", 5]}, "mentions[1]"),
        ({"mentions": [None]}, "mentions[0]"),
        ({"parts": {}}, "parts"),
        ({"parts": [{"kind": "text"}, []]}, "parts[1]"),
        ({"parts": [{"kind": "text"}, {"kind": True}]}, "parts[1].kind"),
        ({"parts": [{"kind": "text", "text": 5}]}, "parts[0].text"),
        ({"parts": [{}]}, "parts[0].kind"),
        ({"parts": [{"kind": "data", "data": []}]}, "parts[0].data"),
        ({"from": []}, "from"),
        ({"from": {"type": "agent"}}, "from.id"),
        ({"from": {"type": "agent", "id": {}}}, "from.id"),
        ({"target": None}, "target"),
        ({"target": {"kind": "dm", "participant_ids": ["a", 1]}}, "target.participant_ids[1]"),
        ({"origin": {"network_id": "x", "message_id": 1}}, "origin.message_id"),
    ],
)
def test_wrong_types_name_the_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        from_json(Message, {**to_json(MESSAGE), **change})
    assert caught.value.field == path


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
def test_what_is_no_object(value: Any) -> None:
    for cls in (Message, Room, Actor):
        with pytest.raises(ValidationError):
            from_json(cls, value)


@pytest.mark.parametrize("count", ["2", 2.0, True, None])
def test_counts_are_integers(count: Any) -> None:
    data = {**to_json(THREAD), "message_count": count}
    if count is None:
        assert from_json(Thread, data).message_count == 0
        return
    with pytest.raises(ValidationError) as caught:
        from_json(Thread, data)
    assert caught.value.field == "message_count"


# -- texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", '{"a": -Infinity}', "[1,]", "[" * 100_000, "1" * 5000])
def test_texts_that_are_not_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)


def test_numbers_and_text_survive_the_text_form() -> None:
    value = {"b": [10**308, -0.0, 5e-324, 1.7976931348623157e308, 2**53 + 1], "a": "\u2028<&>\ud83d\ude00ä"}
    again = loads(dumps(value))
    assert repr(again) == repr(value)
    assert dumps({"k": "ä", "l": [1, 2]}) == '{"k":"ä","l":[1,2]}'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"."):
            dumps([number])


@pytest.mark.parametrize("text", ["\n", '"', "\\", '\\"', "é"])
def test_brackets_within_a_text_nest_nothing(text: str) -> None:
    for value in ({"t": text + "[" * 1000}, {"t": "{[" * 500 + text, "u": [text]}):
        assert loads(json.dumps(value)) == value


def test_nesting_is_counted_outside_texts_only() -> None:
    escaped = json.dumps('"\\[]{}')
    for depth in (1, 299, 300):
        loads("[" * depth + escaped + "]" * depth)
    with pytest.raises(ValueError, match="300 levels"):
        loads("[" * 301 + escaped + "]" * 301)


@pytest.mark.parametrize(
    "parts",
    [
        MESSAGE.parts,
        [Part("text")],
        [Part("text", 'a "b"\n\u2028ü\\')],
        [Part("url", url="https://h/"), Part("text", "x"), Part("data", data={"n": [10**40, 0.1, -0.0]})],
    ],
)
def test_the_columns_of_a_message_are_its_json(parts: Any) -> None:
    message = attrs.evolve(MESSAGE, parts=parts, origin=MessageOrigin('n"', "ü"))
    whole, columns = to_json(message), message_columns(message)
    assert columns == {f"{name}_json": dumps(whole[name]) for name in ("target", "from", "parts", "mentions", "origin")}


def test_canonical_text_is_one_for_equal_values() -> None:
    assert canonical({"b": 1, "a": [{"d": 1, "c": 2}]}) == canonical({"a": [{"c": 2, "d": 1}], "b": 1})
    texts = [canonical(value) for value in ([1], [1.0], [True], ["1"], [None], [[1]], [0.0], [-0.0])]
    assert len(set(texts)) == len(texts)


def test_a_copy_shares_nothing() -> None:
    value: dict[str, Any] = {"a": [{"b": []}], "c": (1, [2])}
    copied = copy_json(value)
    assert copied == {"a": [{"b": []}], "c": [1, [2]]}
    copied["a"][0]["b"].append(1)
    copied["c"][1].append(1)
    assert value == {"a": [{"b": []}], "c": (1, [2])}
