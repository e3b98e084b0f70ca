"""Closing a store waits for the calls that are inside, and lets nobody in any more."""

from __future__ import annotations

import threading

import pytest

from moltnet_core import StoreClosedError
from moltnet_core._gate import Gate


def test_closing_waits_for_those_inside() -> None:
    gate = Gate()
    inside, leave, closed = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        with gate:
            inside.set()
            leave.wait(10)

    def close() -> None:
        assert gate.close()
        closed.set()

    calling, closing = threading.Thread(target=call), threading.Thread(target=close)
    calling.start()
    assert inside.wait(10)
    closing.start()
    while not gate.closed:
        closing.join(0.001)
    with pytest.raises(StoreClosedError), gate:
        pass
    assert not closed.is_set()
    leave.set()
    assert closed.wait(10)
    calling.join()
    closing.join()


def test_closing_again_does_nothing() -> None:
    gate = Gate()
    with gate:
        pass
    assert [gate.close(), gate.close()] == [True, False]


def test_a_call_that_fails_leaves() -> None:
    gate = Gate()

    def call() -> None:
        with gate:
            raise LookupError

    with pytest.raises(LookupError):
        call()
    assert gate.close()
