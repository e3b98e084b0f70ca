"""Copying: everything arrives, once, from one moment; what stands in the way is found before anything is written."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager

import pytest

from moltnet_conformance.building import everything, fill, message, records, room, thread
from moltnet_core import (
    CancelledError,
    CopyRefusedError,
    DeferredTarget,
    Part,
    Progress,
    ReadOnlyStoreError,
    RecordKind,
    Store,
    StoresDifferError,
    Target,
    ValidationError,
    copy_store,
    open_store,
    store_digest,
    verify_stores,
)
from moltnet_memory import CorruptRow

from .stores import coarse, holding, message_record, room_record, row, with_messages


@pytest.fixture
def source() -> Store:
    store = open_store("memory://")
    fill(store)
    return store


@pytest.fixture
def target() -> Store:
    return open_store("memory://")


def test_everything_arrives(source: Store, target: Store) -> None:
    result = copy_store(source, target)
    assert everything(target) == everything(source)
    assert (result.copied, result.present, result.verified) == (len(records(source)), 0, True)
    assert (result.truncated, result.reordered, result.skipped) == (0, 0, ())
    assert result.digest == store_digest(source) == store_digest(target)


def test_copying_again_changes_nothing(source: Store, target: Store) -> None:
    first = copy_store(source, target)
    before = everything(target)
    again = copy_store(source, target)
    assert (again.copied, again.present) == (0, first.copied)
    assert everything(target) == before


def test_an_empty_store_is_copied(target: Store) -> None:
    with open_store("memory://") as empty:
        assert copy_store(empty, target).copied == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_goes_on_wherever_it_ended(source: Store, target: Store, seed: int) -> None:
    """Whatever part of the source the target holds, the rest comes."""
    held = records(source)
    chosen = random.Random(seed).sample(range(len(held)), 6)
    named = {kind for kind in RecordKind if kind is not RecordKind.MESSAGE}
    part = [record for place, record in enumerate(held) if record.kind in named or place in chosen]
    target.load(part)
    result = copy_store(source, target)
    assert (result.copied, result.present) == (len(held) - len(part), len(part))
    assert everything(target) == everything(source)


def test_a_copy_that_was_called_off_goes_on(target: Store) -> None:
    with with_messages(2500) as source:
        told: list[Progress] = []
        with pytest.raises(CancelledError) as caught:
            copy_store(
                source,
                target,
                on_progress=told.append,
                cancelled=lambda: told[-1].phase == "copy" and told[-1].done > 1000,
            )
        assert caught.value.phase == "copy"
        there = len(records(target))
        assert 1000 < there < 2501
        assert there == told[-1].done
        result = copy_store(source, target)
        assert (result.copied, result.present) == (2501 - there, there)
        assert verify_stores(source, target).equal


def test_progress_counts_each_phase_to_its_end(source: Store, target: Store) -> None:
    told: list[Progress] = []
    copy_store(source, target, on_progress=told.append)
    total = len(records(source))
    ends = {each.phase: (each.done, each.total) for each in told}
    assert ends == {"check": (total, total), "copy": (total, total), "verify": (total, total)}
    assert [each.phase for each in told if each.done == 0] == ["check", "copy", "verify"]


def test_what_is_written_meanwhile_is_not_copied(target: Store) -> None:
    with with_messages(50) as source:
        before = store_digest(source)

        def write(progress: Progress) -> None:
            source.append_message(message(f"late-{progress.phase}-{progress.done}", second=0))

        result = copy_store(source, target, on_progress=write)
        assert result.verified
        assert store_digest(target) == before == result.digest
        # The next one brings it.
        assert copy_store(source, target).copied > 0
        assert verify_stores(source, target).equal


def test_another_writer_in_the_target_is_noticed(source: Store, target: Store) -> None:
    def write(progress: Progress) -> None:
        if progress.phase == "verify" and progress.done == 0:
            target.append_message(message("foreign", second=9))

    with pytest.raises(StoresDifferError) as caught:
        copy_store(source, target, on_progress=write)
    (difference,) = caught.value.verification.differences
    assert (difference.record_id, difference.only_in) == ("foreign", "second")


def test_without_verifying_nothing_is_read_back(source: Store, target: Store) -> None:
    told: list[Progress] = []
    assert not copy_store(source, target, verify=False, on_progress=told.append).verified
    assert {each.phase for each in told} == {"check", "copy"}


# -- refusals ----------------------------------------------------------------------------------------


def test_a_store_that_holds_something_else_is_refused(source: Store, target: Store) -> None:
    copy_store(source, target)
    target.create_room(room("foreign"))
    target.append_message(message("mine", "foreign", second=0))
    target.reconcile_room(room("general", name="Renamed"))
    before = everything(target)
    source.append_message(message("new", second=20))
    with pytest.raises(CopyRefusedError) as caught:
        copy_store(source, target)
    found = {(each.kind, each.ids, each.problem) for each in caught.value.problems}
    assert found == {
        ("room", ("foreign",), "is not in the source"),
        ("room", ("general",), "is not as in the source"),
        ("message", ("mine",), "is not in the source"),
    }
    assert "foreign" in str(caught.value)
    assert everything(target) == before


def test_ids_are_named_and_the_rest_counted(target: Store) -> None:
    with with_messages(1500) as other, open_store("memory://") as source:
        copy_store(other, target)
        with pytest.raises(CopyRefusedError) as caught:
            copy_store(source, target)
    (_, messages) = caught.value.problems
    assert (messages.kind, messages.count) == ("message", 1500)
    assert messages.ids[:2] == ("m00000", "m00001")
    assert len(messages.ids) == 10


def test_what_no_backend_holds_is_refused_before_anything_is_written(target: Store) -> None:
    nul, half = message("nul", parts=[Part("file", filename="a\0")]), message("half", parts=[Part("text", "\ud800")])
    source = holding(
        {
            (RecordKind.MESSAGE, "nul"): row(nul),
            (RecordKind.MESSAGE, "half"): row(half),
            (RecordKind.MESSAGE, "fine"): row(message("fine")),
            (RecordKind.MESSAGE, "lost"): row(message("lost", thread("t9"))),
        }
    )
    with pytest.raises(CopyRefusedError) as caught:
        copy_store(source, target)
    found = {(each.kind, each.problem): each.ids for each in caught.value.problems}
    assert found.pop(("message", "its thread is not in the store")) == ("lost",)
    assert set(found.pop(("message", "its room is not in the store"))) == {"fine", "lost"}
    assert sorted(found.values()) == [("half",), ("nul",)]
    assert records(target) == []


def _with_a_corrupt_record() -> Store:
    broken = CorruptRow("messages", "broken", "it is broken", None, "2026-01-01T00:00:02.5Z")
    source = holding({(RecordKind.MESSAGE, "broken"): broken})
    source.create_room(room())
    source.append_messages([message("m2", second=2), message("m3", second=3)])
    return source


def test_what_cannot_be_read_is_refused_unless_it_is_to_be_left_out(target: Store) -> None:
    source = _with_a_corrupt_record()
    with pytest.raises(CopyRefusedError) as caught:
        copy_store(source, target)
    assert [each.ids for each in caught.value.problems] == [("broken",)]
    assert records(target) == []
    result = copy_store(source, target, on_corrupt="skip")
    assert [(each.count, each.ids) for each in result.skipped] == [(1, ("broken",))]
    assert result.verified
    assert [record.id for record in records(target)] == ["general", "m2", "m3"]


def test_a_target_that_cannot_be_read_is_refused() -> None:
    target = _with_a_corrupt_record()
    with open_store("memory://") as source:
        copy_store(target, source, on_corrupt="skip")
        with pytest.raises(CopyRefusedError) as caught:
            copy_store(source, target)
    assert [each.ids for each in caught.value.problems] == [("broken",)]


def test_a_store_is_not_copied_onto_itself(source: Store) -> None:
    with pytest.raises(ValidationError):
        copy_store(source, source)


def test_a_target_that_is_only_read(source: Store, tmp_path: object) -> None:
    location = f"sqlite:///{tmp_path}/a.db"
    open_store(location).close()
    with open_store(location, read_only=True) as target:
        with pytest.raises(ReadOnlyStoreError):
            copy_store(source, target)
        assert copy_store(source, target, dry_run=True).copied == len(records(source))


# -- rehearsals --------------------------------------------------------------------------------------


def test_a_rehearsal_counts_and_checks_and_writes_nothing(source: Store, target: Store) -> None:
    held = records(source)
    target.load(held[:4])
    result = copy_store(source, target, dry_run=True)
    assert (result.copied, result.present, result.verified) == (len(held) - 4, 4, False)
    assert records(target) == held[:4]
    target.create_room(room("foreign"))
    with pytest.raises(CopyRefusedError):
        copy_store(source, target, dry_run=True)


def test_a_new_store_is_made_when_everything_was_checked(source: Store, target: Store) -> None:
    made = []

    def make() -> AbstractContextManager[Store]:
        made.append(target)
        return target

    new = DeferredTarget(target.backend, make)
    with pytest.raises(CopyRefusedError):
        copy_store(_with_a_corrupt_record(), new)
    copy_store(source, new, dry_run=True)
    assert made == []
    assert copy_store(source, new).verified
    assert made == [target]


# -- fewer digits ------------------------------------------------------------------------------------


def test_lost_digits_and_changed_neighbours_are_counted() -> None:
    with open_store("memory://") as source, coarse() as target:
        moment = "2026-01-01T00:00:00.0000005{}Z"
        target_thread = thread("t1")
        source.load(
            [
                room_record(),
                *(message_record(own_id, moment.format(f"{n:02}")) for n, own_id in enumerate(["b", "a", "c"])),
                message_record("whole", "2026-01-01T00:00:00.000001Z"),
                message_record("A", "2026-01-01T00:00:00.000001001Z"),
                message_record("x", "2026-01-01T00:00:01.000001001Z"),
                message_record("y", "2026-01-01T00:00:01.000001002Z"),
            ]
        )
        source.append_message(message("t", target_thread, second=5))
        result = copy_store(source, target)
        # b before a, and whole before A, will stand the other way round.
        assert (result.truncated, result.reordered) == (6, 2)
        assert result.verified
        assert [each.id for each in target.list_room_messages("general").items] == [
            *list("abc"),
            "A",
            "whole",
            "x",
            "y",
        ]
        again = copy_store(source, target)
        assert (again.copied, again.present, again.truncated) == (0, result.copied, 6)


def test_a_copy_goes_on_among_messages_whose_order_changes() -> None:
    moments = [f"2026-01-01T00:00:00.0000005{number:02}Z" for number in range(40)]
    ids = [f"m{number:02}" for number in range(40)]
    random.Random(1).shuffle(ids)
    with open_store("memory://") as source, coarse() as target:
        source.load([room_record(), *(message_record(*each) for each in zip(ids, moments, strict=True))])
        held = records(source)
        target.load(held[:17])
        result = copy_store(source, target)
        assert (result.copied, result.present) == (24, 17)
        assert verify_stores(source, target).equal


def test_a_dm_keeps_its_participants(target: Store) -> None:
    with open_store("memory://") as source:
        source.append_message(message("p", Target.dm("d", ["ann", "bob"])))
        copy_store(source, target)
        assert target.get_dm("d") == source.get_dm("d")


def test_a_target_that_holds_everything_is_not_opened_to_be_written(source: Store, target: Store) -> None:
    copy_store(source, target)

    def refuse() -> Store:
        raise AssertionError("opened to be written")

    result = copy_store(source, DeferredTarget(target.backend, refuse, target))
    assert (result.copied, result.present, result.verified) == (0, len(records(source)), True)
