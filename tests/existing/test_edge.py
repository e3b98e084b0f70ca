"""The edge fixture: rows that the server itself stored, and does not always order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from moltnet_core import (
    ArtifactFilter,
    InvalidCursorError,
    PageRequest,
    RoomNotFoundError,
    Store,
    ThreadRoomMismatchError,
    open_store,
)
from moltnet_core.types import Target

from .case import Case
from .cases import EDGE
from .corrupting import check_raises
from .expected import Expected, order_key
from .walking import Fetch
from .writing import message


@pytest.fixture(params=EDGE, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def expected(case: Case, tmp_path: Path) -> Expected:
    return case.expected(tmp_path)


@pytest.fixture(params=[False, True], ids=["upgraded", "read-only"])
def store(request: pytest.FixtureRequest, case: Case, tmp_path: Path) -> Iterator[Store]:
    with open_store(case.place(tmp_path / "own"), read_only=request.param) as found:
        yield found


@pytest.fixture
def writable(case: Case, tmp_path: Path) -> Iterator[Store]:
    with open_store(case.place(tmp_path / "writable")) as found:
        yield found


def _check_cursors(fetch: Fetch, ids: list[str], limit: int, unreadable: Collection[str] = ()) -> None:
    for place, cursor in enumerate(ids):
        older, newer = ids[max(0, place - limit) : place], ids[place + 1 : place + 1 + limit]
        before, after = fetch(PageRequest(before=cursor, limit=limit)), fetch(PageRequest(after=cursor, limit=limit))
        assert [item.id for item in before.items] == [each for each in older if each not in unreadable]
        assert [item.id for item in after.items] == [each for each in newer if each not in unreadable]
        assert (before.info.has_more, after.info.has_more) == (place > limit, place + 1 + limit < len(ids))


@pytest.mark.parametrize("room", ["clock", "ties"])
@pytest.mark.parametrize("limit", [1, 3])
def test_every_item_is_a_cursor_also_among_equal_instants(
    case: Case, store: Store, expected: Expected, room: str, limit: int
) -> None:
    ids = [item["id"] for item in expected.messages["room", room]]
    assert len(ids) > 48
    fetch = partial(store.list_room_messages, room, on_corrupt=case.on_corrupt)
    _check_cursors(fetch, ids, limit, expected.unreadable)


def test_every_artifact_is_a_cursor(store: Store, expected: Expected) -> None:
    for chosen, key in (
        (None, ("all", "")),
        (ArtifactFilter(room_id="busy"), ("room", "busy")),
        (ArtifactFilter(room_id="parts"), ("room", "parts")),
    ):
        ids = [item["id"] for item in expected.artifacts[key]]
        assert len(ids) >= 10
        _check_cursors(partial(store.list_artifacts, chosen), ids, 4)
    with pytest.raises(InvalidCursorError):
        store.list_artifacts(ArtifactFilter(room_id="parts"), PageRequest(after="art_bt_0_0"))


def test_a_cursor_of_another_conversation_is_refused(store: Store) -> None:
    for cursor in ("t0", "bt_0", "d_1", "no-such"):
        for request in (PageRequest(before=cursor), PageRequest(after=cursor)):
            with pytest.raises(InvalidCursorError):
                store.list_room_messages("clock", request)
    with pytest.raises(InvalidCursorError):
        store.list_room_messages("busy", PageRequest(after="bt_0"))


def test_the_first_and_the_last_of_all_times(case: Case, store: Store) -> None:
    times = [item.created_at for item in store.list_room_messages("clock", on_corrupt=case.on_corrupt).items]
    assert times == sorted(times)
    zero = store.get_room("zero")
    assert zero is not None
    assert zero.created_at == datetime(1, 1, 1, tzinfo=UTC)
    with store.snapshot() as snapshot:
        kept = {
            record.id: order_key(record.times["created_at"])
            for kind in ("room", "message")
            for record in snapshot.records(kind, on_corrupt=case.on_corrupt)
        }
    assert kept["zero"] == order_key("0001-01-01T00:00:00Z")
    if case.on_corrupt == "raise":
        assert times[-1] == datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        assert kept["c_19"] == order_key("9999-12-31T23:59:59.999999999Z")


@pytest.mark.parametrize(
    "case", [case for case in EDGE if case.on_corrupt == "skip"], ids=lambda case: case.name, indirect=True
)
def test_a_time_that_was_rounded_up_into_the_year_10000_is_corrupt_by_itself(store: Store, expected: Expected) -> None:
    assert expected.unreadable == {"c_19"}
    *_, last = ids = [item["id"] for item in expected.messages["room", "clock"]]
    assert last == "c_19"
    check_raises(lambda: store.get_message("c_19"), "messages", "c_19")
    check_raises(lambda: store.list_room_messages("clock"), "messages", "c_19")
    page = store.list_room_messages("clock", on_corrupt="skip")
    assert ([item.id for item in page.items], page.skipped) == (ids[:-1], 1)
    page = store.list_room_messages("clock", PageRequest(before="c_19", limit=5))
    assert ([item.id for item in page.items], page.info.has_more) == (ids[-6:-1], True)
    assert store.list_room_messages("clock", PageRequest(after="c_19")).items == ()
    # It is the one item more that is read to learn whether there are any.
    page = store.list_room_messages("clock", PageRequest(after=ids[-4], limit=2))
    assert ([item.id for item in page.items], page.info.next_after) == (ids[-3:-1], ids[-2])
    with store.snapshot() as snapshot:
        check_raises(lambda: list(snapshot.records()), "messages", "c_19")


def test_a_thread_whose_second_message_names_another_room(case: Case, store: Store) -> None:
    thread = store.get_thread("th-mix")
    assert thread is not None
    assert (thread.room_id, thread.message_count) == ("clock", 2)
    first, second = store.list_thread_messages("th-mix").items
    assert (first.target.room_id, second.target.room_id) == ("clock", "ties")
    for room in ("clock", "ties"):
        listed = store.list_room_messages(room, on_corrupt=case.on_corrupt).items
        assert not {"mix_1", "mix_2"} & {item.id for item in listed}
    assert [item.id for item in store.list_threads("clock").items] == ["th-mix"]
    assert store.list_threads("ties").items == ()


def test_that_thread_goes_on_in_the_room_it_belongs_to(writable: Store) -> None:
    result = writable.append_message(message("mix_3", Target.thread("clock", "th-mix", "c_0")))
    assert result.thread_created is None
    with pytest.raises(ThreadRoomMismatchError):
        writable.append_message(message("mix_4", Target.thread("ties", "th-mix")))
    thread = writable.get_thread("th-mix")
    assert thread is not None
    assert thread.message_count == 3


def test_a_last_time_that_went_backwards_goes_only_forwards_from_there(case: Case, writable: Store) -> None:
    def last() -> tuple[int, datetime]:
        dm = writable.get_dm("dm-remote")
        assert dm is not None
        assert dm.participant_ids == ("alpha", "beta", "far:scout")
        return dm.message_count, dm.last_message_at

    stored = datetime(2026, 3, 1, 16, 0, 0 if case.keeps_conversations else 1, tzinfo=UTC)
    assert last() == (2, stored)
    assert [item.id for item in writable.list_dm_messages("dm-remote").items] == ["d_2", "d_1"]
    target = Target.dm("dm-remote", ["alpha", "beta"])
    times = {item.id: item.created_at for item in writable.list_dm_messages("dm-remote").items}
    for place, (moment, expected) in enumerate(
        [
            (stored - timedelta(days=1), stored),
            (stored, stored),
            (stored + timedelta(microseconds=1), stored + timedelta(microseconds=1)),
        ],
        start=3,
    ):
        times[f"d_{place}"] = moment
        writable.append_message(message(f"d_{place}", target, created_at=moment))
        assert last() == (place, expected)
    ordered = sorted(times, key=lambda key: (times[key], key))
    assert [item.id for item in writable.list_dm_messages("dm-remote").items] == ordered


def test_a_message_appended_after_a_removal_is_shown_and_no_more_are_taken(writable: Store) -> None:
    assert [item.id for item in writable.list_room_messages("gone").items][-1] == "g_after"
    with pytest.raises(RoomNotFoundError):
        writable.append_message(message("g_new", Target.room("gone")))
    with pytest.raises(RoomNotFoundError):
        writable.append_message(message("g_new", Target.thread("gone", "g-thread")))
    assert writable.get_message("g_new") is None
