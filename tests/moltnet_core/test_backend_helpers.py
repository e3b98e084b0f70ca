"""What backends share of counting and loading: each is the rule of the driver's docstrings, once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from moltnet_core import (
    Actor,
    AgentRegistration,
    DirectConversation,
    Message,
    Part,
    Record,
    Room,
    StorageFullError,
    StoreUnavailableError,
    Target,
    Thread,
)
from moltnet_core.derivation import count_message, derive
from moltnet_core.driver import LoadRecord
from moltnet_core.files import creation_error, storage_error
from moltnet_core.records import RecordKind, missing_error
from moltnet_core.timestamps import NO_TIME, NO_TIME_TEXT

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
TEXT = "2026-01-02T03:04:05.000678000Z"


def _message(target: Target) -> Message:
    return Message("net", target, Actor("agent", "a"), [Part("text", "x")], id="m", created_at=NOW)


@pytest.mark.parametrize(
    ("value", "kind", "times"),
    [
        (Room("r", "net", created_at=NOW), "room", {"created_at": TEXT}),
        (
            AgentRegistration("a", "net", "key", created_at=NOW, updated_at=NOW),
            "agent",
            {"created_at": TEXT, "updated_at": TEXT},
        ),
        (Thread("t", "net", "f", "r", last_message_at=NOW), "thread", {"last_message_at": TEXT}),
        (DirectConversation("d", "net", "f", last_message_at=NOW), "dm", {"last_message_at": TEXT}),
        (_message(Target.room("r")), "message", {"created_at": TEXT}),
    ],
)
def test_the_record_of_a_domain_object(value: Room, kind: str, times: dict[str, str]) -> None:
    assert Record.of(value) == Record(kind, value, times)
    assert Record.from_json(Record.of(value).to_json(with_credentials=True)) == Record.of(value)


def test_a_record_keeps_the_digits_that_an_object_cannot_hold() -> None:
    finer = TEXT.replace("678000", "678999")
    assert Record.of(Room("r", "net", created_at=NOW), created_at=finer, removed_at=TEXT).times == {
        "created_at": finer,
        "removed_at": TEXT,
    }


def test_a_message_counts_and_the_later_time_stays_as_it_is_spelt() -> None:
    thread = Record.of(Thread("t", "net", "f", "r", message_count=1, last_message_at=NOW))
    # Other spellings of times: an offset-free one with fewer digits is later here, though its text sorts before.
    later = count_message(thread, "2026-01-02T03:04:05.001Z")
    assert (later.value.message_count, later.times) == (2, {"last_message_at": "2026-01-02T03:04:05.001Z"})  # type: ignore[union-attr]
    earlier = count_message(later, TEXT)
    assert (earlier.value.message_count, earlier.times) == (3, later.times)  # type: ignore[union-attr]
    assert earlier.value.last_message_at == datetime(2026, 1, 2, 3, 4, 5, 1000, UTC)  # type: ignore[union-attr]


def test_a_dm_takes_on_what_an_appended_message_brings() -> None:
    stored = DirectConversation("d", "old", "f", ["b", "a"], message_count=1, last_message_at=NOW)
    joined = derive(_message(Target.dm("d", ["c", "b"]))).dm
    counted = count_message(Record.of(stored), TEXT, joined=joined).value
    assert isinstance(counted, DirectConversation)
    assert (counted.network_id, counted.fqid) == ("net", "molt://net/dms/d")
    assert counted.participant_ids == ("a", "b", "c")
    assert count_message(Record.of(stored), TEXT).value.participant_ids == stored.participant_ids  # type: ignore[union-attr]


def test_a_prepared_thread_has_no_message_in_it_yet() -> None:
    thread = Thread("t", "net", "f", "r", message_count=7, last_message_at=NOW)
    dm = DirectConversation("d", "net", "f", ["b", "a", "b"], message_count=7, last_message_at=NOW)
    for value in (thread, dm):
        record, cut = Record.of(value).prepared(9)
        assert not cut
        assert record.times == {"last_message_at": NO_TIME_TEXT}
        assert (record.value.message_count, record.value.last_message_at) == (0, NO_TIME)  # type: ignore[union-attr]


def test_what_a_record_needs() -> None:
    def needs(target: Target) -> tuple[tuple[RecordKind, str], ...]:
        message = _message(target)
        return LoadRecord(Record.of(message), derive(message)).needs

    room, thread = (RecordKind.ROOM, "r"), (RecordKind.THREAD, "t")
    assert needs(Target.room("r")) == (room,)
    assert needs(Target.thread("r", "t")) == (room, thread)
    assert needs(Target.dm("d", ["a", "b"])) == ((RecordKind.DM, "d"),)
    assert LoadRecord(Record.of(Thread("t", "net", "f", "r", last_message_at=NOW))).needs == (room,)
    assert LoadRecord(Record.of(Room("r", "net"))).needs == ()
    error = missing_error(Record.of(_message(Target.room("r"))), *room)
    assert str(error) == "message 'm': its room 'r' is not stored; load that record first"


@pytest.mark.parametrize("error", [StoreUnavailableError("gone"), StorageFullError("full")])
def test_an_error_of_the_contract_that_is_an_os_error_stays_what_it_is(error: Any) -> None:
    assert [creation_error(Path("x"), "mydb", error), storage_error("x could not be written", error)] == [error, error]
