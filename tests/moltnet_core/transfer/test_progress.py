"""What is told of long work, and how it is called off."""

from __future__ import annotations

import threading

import pytest

from moltnet_core import CancelledError, Counts, Progress, RecordKind
from moltnet_core.transfer.progress import Work, records_in


def test_each_phase_counts_from_nothing() -> None:
    told: list[Progress] = []
    work = Work(told.append)
    work.begin("check", 5)
    work.step(2, RecordKind.ROOM)
    work.step(3, RecordKind.MESSAGE)
    work.begin("write", 10, "bytes")
    work.step(4)
    assert told == [
        Progress("check", 0, 5),
        Progress("check", 2, 5, RecordKind.ROOM),
        Progress("check", 5, 5, RecordKind.MESSAGE),
        Progress("write", 0, 10, None, "bytes"),
        Progress("write", 4, 10, None, "bytes"),
    ]


def test_work_that_is_called_off_ends_at_its_next_step() -> None:
    stop = threading.Event()
    work = Work(cancelled=stop.is_set)
    work.begin("copy")
    work.step(1)
    stop.set()
    with pytest.raises(CancelledError) as caught:
        work.step(1)
    assert caught.value.phase == "copy"


def test_what_the_listener_raises_ends_the_work() -> None:
    def listener(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Work(listener).begin("copy")


def test_all_records_are_counted_and_nothing_derived() -> None:
    assert records_in(Counts(1, 2, 1000, 4, 8, 16, 32, 1000)) == 63
