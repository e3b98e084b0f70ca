"""Digests: their definition, written out here a second time, and what they tell apart."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moltnet_conformance.strategies import records
from moltnet_core import (
    LOAD_ORDER,
    Actor,
    AgentRegistration,
    Message,
    Part,
    Record,
    Room,
    StoreDigest,
    Target,
    ValidationError,
)
from moltnet_core.records import same_record
from moltnet_core.timestamps import normalise, truncate
from moltnet_core.transfer.digest import Digester, canonical_text

MOMENT = "2026-01-01T00:00:00.123456789Z"


def _by_the_definition(record: Record, digits: int) -> str:
    """The canonical text, by nothing but the sentences that define it."""
    data = record.to_json(with_credentials=True)
    for derived in ("message_count", "last_message_at"):
        data.pop(derived, None)
    for name, time in record.times.items():
        if name in data:
            data[name] = truncate(normalise(time), digits)
    if record.kind == "message":
        data.setdefault("origin", {"network_id": "", "message_id": ""})
    if record.kind == "room" and "removed_at" in record.times:
        data.pop("members", None)
    for people in ("members", "participant_ids"):
        if people in data:
            data[people] = sorted(set(data[people]))
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


@given(records, st.sampled_from([9, 6]))
def test_the_text_of_a_record_is_the_definitions(record: Record, digits: int) -> None:
    assert canonical_text(record, digits) == _by_the_definition(record, digits)


@given(records, records)
def test_records_have_one_text_if_loading_one_over_the_other_changes_nothing(one: Record, other: Record) -> None:
    one, other = one.prepared(9)[0], other.prepared(9)[0]
    same = (one.kind, one.id) == (other.kind, other.id) and same_record(one, other)
    assert (canonical_text(one, 9) == canonical_text(other, 9)) == same


@given(st.lists(records, max_size=6), st.randoms())
def test_a_digest_does_not_depend_on_the_order(found: list[Record], random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    digests = []
    for each in (found, shuffled):
        digester = Digester(9)
        for record in each:
            digester.add(record)
        digests.append(digester.digest())
    assert digests[0] == digests[1]
    assert digests[0].count == len(found)
    total = sum(int.from_bytes(sha256(_by_the_definition(each, 9).encode()).digest()) for each in found) % 2**256
    assert digests[0].text == f"moltnet-1:9:{total:064x}"
    assert StoreDigest.from_json(json.loads(json.dumps(digests[0].to_json()))) == digests[0]


def _message(**changed: object) -> Record:
    values: dict[str, object] = {
        "network_id": "net",
        "target": Target.room("r"),
        "sender": Actor("agent", "ann"),
        "parts": (Part("text", "hé\n\x1f"), Part("data", data={"b": 1, "a": 1.0})),
        "id": "m",
    }
    return Record("message", Message(**(values | changed)), {"created_at": MOMENT})  # type: ignore[arg-type]


def test_the_definition_does_not_change() -> None:
    digester = Digester(9)
    digester.add(Record("room", Room("r", "net", members=("bob", "ann")), {"created_at": MOMENT}))
    agent = AgentRegistration("ann", "net", "secret", actor_uid="u", actor_uri="i")
    digester.add(Record("agent", agent, {"created_at": MOMENT, "updated_at": MOMENT}))
    digester.add(_message())
    found = digester.digest()
    assert canonical_text(_message(), 6) == (
        '{"created_at":"2026-01-01T00:00:00.123456000Z","from":{"id":"ann","type":"agent"},"id":"m","kind":"message",'
        '"network_id":"net","origin":{"message_id":"","network_id":""},"parts":[{"kind":"text","text":"hé\\n\\u001f"},'
        '{"data":{"a":1.0,"b":1},"kind":"data"}],"target":{"kind":"room","room_id":"r"}}'
    )
    assert {kind: (each.count, each.text[:12]) for kind, each in found.kinds.items()} == {
        "room": (1, "0b91baf9760a"),
        "agent": (1, "8e6c21ffcda8"),
        "thread": (0, "000000000000"),
        "dm": (0, "000000000000"),
        "message": (1, "4420b06757c4"),
    }


def test_a_digest_tells_apart_what_differs_in_one_place() -> None:
    one = _message()
    others = [
        _message(parts=(Part("text", "hé\n\x1f"), Part("data", data={"b": 1, "a": 1}))),
        _message(parts=(Part("text", "hé\n\x1e"), Part("data", data={"b": 1, "a": 1.0}))),
        _message(mentions=("ann",)),
        _message(id="m2"),
        Record("message", one.value, {"created_at": MOMENT.replace("9Z", "8Z")}),
    ]
    assert len({canonical_text(each, 9) for each in (one, *others)}) == 6
    assert canonical_text(others[-1], 6) == canonical_text(one, 6)


def test_credentials_count() -> None:
    times = {"created_at": MOMENT, "updated_at": MOMENT}
    texts = {canonical_text(Record("agent", AgentRegistration("ann", "net", key), times), 9) for key in ("a", "b", "")}
    assert len(texts) == 3


def test_half_of_a_surrogate_pair_has_a_digest_too() -> None:
    digester = Digester(9)
    digester.add(_message(parts=(Part("text", "\ud800"),)))
    assert digester.digest().kinds[LOAD_ORDER[-1]].count == 1


@pytest.mark.parametrize("digits", [0, 3, 7, "9", None])
def test_only_digits_that_stores_have_make_a_digest(digits: object) -> None:
    with pytest.raises(ValidationError):
        Digester(digits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data | {"time_digits": 6},
        lambda data: data | {"digest": data["digest"].replace("moltnet-1", "moltnet-2")},
        lambda data: data | {"kinds": data["kinds"] | {"room": {"count": 1, "digest": "1"}}},
        lambda data: {key: value for key, value in data.items() if key != "kinds"},
        lambda data: [data],
        lambda data: None,
    ],
)
def test_an_altered_digest_is_refused(change: object) -> None:
    digester = Digester(9)
    digester.add(_message())
    with pytest.raises(ValidationError):
        StoreDigest.from_json(change(digester.digest().to_json()))  # type: ignore[operator]
