"""A process that forks with a store open, and no call under way, has no other thread: Python warns of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.backends import BACKENDS, LOCATIONS

FORK = """
import os, sys, warnings

threads = []
# What was registered first is called last: after what the store's own hooks do before a fork.
os.register_at_fork(before=lambda: threads.append(len(os.listdir("/proc/self/task"))))

from moltnet_conformance.building import message, room
from moltnet_core import PageRequest, open_store

with open_store(sys.argv[1], environ={}) as store:
    store.create_room(room())
    for number in range(3):
        store.append_message(message(f"m{number}"))
        assert len(store.list_room_messages("general", PageRequest(limit=10)).items) == number + 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")  # raised, the warning would only be printed
            child = os.fork()
        if not child:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not caught, caught[0].message
assert threads == [1, 1, 1], threads
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it counts threads in /proc")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fork_between_calls_is_beside_no_thread(tmp_path: Path, backend: str) -> None:
    command = [sys.executable, "-W", "error", "-c", FORK, LOCATIONS[backend](tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
