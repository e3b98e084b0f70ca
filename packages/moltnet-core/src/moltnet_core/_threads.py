"""Threads that end before a fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["until_gone"]

_PATIENCE: Final = 1.0  # seconds that a fork waits for threads to end
_LOOK: Final = 0.0001  # seconds between two looks whether the system's thread has ended


def until_gone(threads: Iterable[threading.Thread]) -> None:
    """Wait until threads that have ended are gone, before a fork.

    Python is done with a thread a moment before the system is, and warns of a fork by what the system says.
    """
    until = time.monotonic() + _PATIENCE
    for thread in threads:
        while Path(f"/proc/self/task/{thread.native_id}").exists() and time.monotonic() < until:
            time.sleep(_LOOK)
