"""``load``: what a record may hold, what is derived anew, and what becomes of its times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from moltnet_conformance.building import agent, at, dm, everything, fill, ids, message, records, room, thread
from moltnet_conformance.cases import case
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place
from moltnet_conformance.recording import NOW, dm_value, record, thread_value
from moltnet_core import (
    START,
    Message,
    MessageOrigin,
    PageRequest,
    Part,
    Record,
    Room,
    Store,
    Target,
    ValidationError,
    hookimpl,
)

clause = Group("records")


@clause("LOAD-008", "4.39")
def counts_and_last_times_are_rebuilt(store: Store) -> None:
    claimed = attrs.evolve(thread_value(), message_count=77, last_message_at=at(999))
    file = Part("file", filename="f")
    store.load(
        [
            record("room", room("general")),
            record("thread", claimed, "2030-01-01T00:00:00Z"),
            record("thread", thread_value("t2")),
            record("dm", attrs.evolve(dm_value(), message_count=5)),
            record("message", message("m1", thread(), 7, parts=[file]), "2026-01-01T00:00:07Z"),
            record("message", message("m2", thread(), 6), "2026-01-01T00:00:06Z"),
            record("message", message("m3", dm(), 5), "2026-01-01T00:00:05.000000009Z"),
        ]
    )
    found, empty, direct = store.get_thread("t1"), store.get_thread("t2"), store.get_dm("d1")
    assert found is not None
    assert empty is not None
    assert direct is not None
    assert (found.message_count, found.last_message_at) == (2, at(7))
    assert empty.message_count == 0
    assert (direct.message_count, direct.last_message_at) == (1, at(5))
    assert ids(store.list_artifacts()) == ["art_m1_0"]
    store.load([record("message", message("m4", thread(), 9), "2026-01-01T00:00:09Z")])
    found = store.get_thread("t1")
    assert found is not None
    assert (found.message_count, found.last_message_at) == (3, at(9))


@clause("LOAD-009", "4.38", "2.5")
def every_digit_that_the_backend_keeps_is_kept(store: Store) -> None:
    digits = store.backend.time_digits
    exact = "2026-01-01T00:00:00.123456789Z"
    kept = f"{exact[: 20 + digits].ljust(29, '0')}Z"
    result = store.load(
        [
            record("room", room(), exact, removed_at=exact),
            record("agent", agent(), exact),
            record("dm", dm_value()),
            record("message", message("m1", dm()), exact),
        ]
    )
    assert result.truncated == (3 if digits < 9 else 0)
    found = {each.id: dict(each.times) for each in records(store)}
    assert found["general"] == {"created_at": kept, "removed_at": kept}
    assert found["ann"] == {"created_at": kept, "updated_at": kept}
    assert found["d1"] == {"last_message_at": kept}
    assert found["m1"] == {"created_at": kept}
    stored = store.get_message("m1")
    assert stored is not None
    assert stored.created_at == at(0, 123_456)
    assert store.load([record("message", message("m1", dm()), exact)]).unchanged == 1


@clause("LOAD-010", "2.5", "2.9", "3.1")
def digits_that_are_not_shown_decide_the_order(store: Store) -> None:
    texts = {"c": "05.5Z", "b": "05.500000001Z", "a": "05.500000002Z", "d": "05.500001Z", "e": "05Z", "f": "05.49Z"}
    if store.backend.time_digits < 9:
        texts = {"c": "05.5Z", "a": "05.500001Z", "e": "05Z", "f": "05.49Z"}
    order = ["e", "f", *[name for name in "cbad" if name in texts]]
    store.load(
        [
            record("dm", dm_value()),
            *(
                record("message", message(name, dm(), parts=[Part("file")]), f"2026-01-01T00:00:{text}")
                for name, text in texts.items()
            ),
        ]
    )
    assert ids(store.list_dm_messages("d1")) == order
    assert [each.message_id for each in store.list_artifacts().items] == order
    assert [each.id for each in records(store) if each.kind == "message"] == order
    for place, name in enumerate(order):
        assert ids(store.list_dm_messages("d1", PageRequest(after=name))) == order[place + 1 :]
        assert ids(store.list_dm_messages("d1", PageRequest(before=name))) == order[:place]
    assert ids(store.list_dm_messages("d1", PageRequest(after=START, limit=2))) == order[:2]


@clause("LOAD-011", "4.41", "2.3", "3.14")
def the_rules_for_new_messages_do_not_apply(store: Store) -> None:
    old = Message(
        "",
        Target("dm", "a room", "a thread", "a parent", "d 1", ("only one",)),
        attrs.evolve(message("x").sender, id="not an id!", type=""),
        [Part("hologram", "x", url="gopher://x"), Part("text", "a\x00b", data={"k\x00": "\x00"})],
        ["\x00"],
        "an id with spaces",
        at(1),
        MessageOrigin("", ""),
    )
    members = tuple(f"m{number:03}" for number in range(300))
    store.load(
        [
            record("room", Room("a room", "", "", members, created_at=at(0), fqid="")),
            record("dm", attrs.evolve(dm_value("d 1"), participant_ids=("only one",))),
            record("message", old, "2026-01-01T00:00:01Z"),
        ]
    )
    found = store.get_message("an id with spaces")
    assert found is not None
    assert found == old
    assert store.list_dm_messages("d 1").items == (found,)
    assert store.list_room_messages("a room").items == store.list_thread_messages("a thread").items == ()
    stored = store.get_room("a room")
    assert stored is not None
    assert stored.members == members


@clause("LOAD-012", "4.41", "2.1")
def what_the_backend_cannot_represent_is_refused(store: Store) -> None:
    fill(store)
    before = everything(store)
    for text in ("a\x00", "\ud800"):
        with case(text):
            for each in unrepresentable(text):
                with pytest.raises(ValidationError) as caught:
                    store.load([record("room", room("new")), each])
                assert caught.value.committed is False
            assert everything(store) == before


def unrepresentable(text: str) -> list[Record]:
    wrong = [
        record("room", room(text)),
        record("room", room("r9", name=text)),
        record("room", room("r9", members=[text])),
        record("agent", agent("zoe", text)),
        record("agent", agent("zoe", display_name=text)),
        record("thread", thread_value(text)),
        record("dm", attrs.evolve(dm_value("d9"), participant_ids=(text,))),
        record("message", message(text)),
        record("message", message("m9", network_id=text)),
        record("message", message("m9", Target.room(text))),
        record("message", message("m9", parts=[Part("file", filename=text)])),
    ]
    if text == "\ud800":
        wrong.append(record("message", message("m9", parts=[Part("text", text)])))
        wrong.append(record("message", message("m9", mentions=[text])))
    return wrong


def unusable() -> Sequence[Any]:
    nan = message("m9", parts=[Part("data", data={"k": float("nan")})])
    return [
        None,
        {"kind": "room"},
        Record("room", room("r9"), {}),
        record("room", room("r9"), "yesterday"),
        record("room", room("r9"), "2026-01-01 00:00:00Z"),
        record("room", room("r9"), removed_at="2026-13-01T00:00:00Z"),
        Record("agent", agent("zoe"), {"created_at": NOW}),
        record("room", message("m9")),
        record("message", room("r9")),
        record("message", nan),
    ]


@clause("LOAD-013", "4.40", "5.4")
def records_that_are_none(store: Store) -> None:
    fill(store)
    before = everything(store)
    for each in unusable():
        with pytest.raises(ValidationError):
            store.load([record("room", room("new")), each])
    assert everything(store) == before


@clause("LOAD-014", "1.17", "4.40")
def a_hand_made_record_reads_the_same_on_every_backend(store: Store) -> None:
    """Its times are what the texts say, its members a set, and unknown access settings the defaults."""
    moment = "2027-01-01T00:00:00Z"
    unsorted = room("r9", members=("b", "a", "b"), visibility="secret", write_policy="anyone", created_at=at(0))
    no_origin = Record("message", message("m9", "r9"), {"created_at": moment})
    loaded = [record("room", unsorted, moment), record("agent", agent(), moment), no_origin]
    store.load(loaded)
    found, registered = store.get_room("r9"), store.get_agent("ann")
    assert found is not None
    assert registered is not None
    assert (found.members, found.visibility, found.write_policy) == (("a", "b"), "private", "members")
    assert found.created_at.isoformat() == registered.created_at.isoformat() == "2027-01-01T00:00:00+00:00"
    line = store.list_room_messages("r9").items
    assert [(each.created_at, each.origin) for each in line] == [(found.created_at, MessageOrigin("", ""))]
    assert store.load(loaded).unchanged == 3


@clause("LOAD-015", "4.42")
def loading_does_not_tell_observers(place: Place) -> None:
    class Observer:
        told = 0

        @hookimpl
        def moltnet_message_appended(self) -> None:
            self.told += 1

    observer = Observer()
    source, target = place.open(), place.open(plugins=[observer])
    fill(source)
    target.load(records(source))
    assert observer.told == 0
    target.append_message(message("m9"))
    assert observer.told == 1


@clause("LOAD-016", "4.40")
def more_records_than_a_statement_takes_parameters(store: Store) -> None:
    rooms = [record("room", room(f"r{number}")) for number in range(33_000)]
    assert store.load(rooms).loaded == 33_000
    assert store.load(rooms).unchanged == 33_000
    assert store.counts().rooms == 33_000
