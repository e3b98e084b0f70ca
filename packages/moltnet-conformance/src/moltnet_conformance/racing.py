"""Threads that start at once, and switch at every line of the backend's own files, where a race would show."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from moltnet_conformance.building import room
from moltnet_core import (
    MoltnetError,
    Store,
)

THREADS = 8


def together(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """Runs ``work(0)``, ``work(1)``, … at once; the results, and errors of the contract, in order."""
    results: list[Any] = [None] * count
    unexpected: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        gate.wait(10)
        try:
            results[number] = work(number)
        except MoltnetError as error:
            results[number] = error
        except BaseException as error:  # noqa: BLE001 - raised below, where the test sees it
            unexpected.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
        assert not each.is_alive()
    if unexpected:
        raise unexpected[0]
    return results


@contextmanager
def switching_at_every_line(store: Store) -> Iterator[None]:
    """Threads started in the block give way to others at each line of the driver's packages."""
    packages = {base.__module__.partition(".")[0] for base in type(store.driver).__mro__}
    files = [sys.modules[name].__file__ for name in packages - {"builtins", "abc", "moltnet_core"}]
    folders = tuple(str(Path(file).parent) for file in files if file)

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(folders):
            return None
        if event == "line":
            time.sleep(0)
        return trace

    before = threading.gettrace()
    threading.settrace(trace)
    try:
        yield
    finally:
        threading.settrace(before)


@contextmanager
def raced(store: Store) -> Iterator[None]:
    """A room, and threads that switch at every line."""
    store.create_room(room("general"))
    with switching_at_every_line(store):
        yield
