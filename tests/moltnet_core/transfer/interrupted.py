"""Copies that end in the middle, in processes of their own, and what has to be true of what they leave."""

from __future__ import annotations

import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.children import Child, listen, tell
from tests.moltnet_sqlite.support import a_room, url_of
from tests.reliability.checks import a_message_of

from moltnet_core import StorageFullError, copy_store, open_store, verify_stores

__all__ = ["check_equal", "copy_until_killed", "fill_disk", "make_source"]

Start = Callable[..., Child]


def make_source(path: Path, messages: int) -> str:
    """A database with so many messages of every kind, most with artifacts; its URL, to read."""
    with open_store(url_of(path)) as store:
        store.create_room(a_room())
        kinds = ("room", "thread", "dm")
        store.append_messages([a_message_of(kinds[number % 3], f"m{number:06}") for number in range(messages)])
    return f"{url_of(path)}?mode=ro"


def check_equal(source: str, target: str) -> None:
    """Everything arrived, nothing twice: counters and artifacts would tell."""
    with open_store(source) as one, open_store(target, migrate=False) as other:
        found = verify_stores(one, other)
        assert found.equal, found.differences
        assert found.derived == ()
        assert one.counts() == other.counts()


def copy_and_tell(source: str, target: str) -> None:
    with open_store(source) as one, open_store(target) as other:
        tell("ready")
        listen()
        result = copy_store(one, other)
    tell([result.copied, result.present])


def copy_until_killed(start: Start, source: str, new_target: Callable[[int], str], kills: int, seed: int) -> list[int]:
    """Kill copies at random moments and go on, until so many were killed; each target ends equal to the source.

    :returns: how many records each copy found when it went on.
    """
    chance = random.Random(seed)
    killed, found, longest = 0, [], 0.0
    targets = 0
    while killed < kills:
        target, targets, present = new_target(targets), targets + 1, 0
        while True:
            child = start(copy_and_tell, source, target)
            child.hear()
            child.say()
            began = time.monotonic()
            if not longest:  # the first one shows how long it takes
                child.rest()
                longest = time.monotonic() - began
                break
            time.sleep(chance.uniform(0, longest) if killed < kills else 4 * longest)
            child.kill()
            if child.lines():
                break
            killed += 1
            with open_store(source) as one, open_store(target) as other:
                there = copy_store(one, other, dry_run=True).present  # which refuses what is not of the source
            assert there >= present
            present = there
            found.append(there)
        check_equal(source, target)
    return found


def fill_disk(source: str, target: str, place: int, times: int) -> None:
    """In a child: copy with room for so many kibibytes more, then for more than that, until it is all there."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(target.removeprefix("sqlite:///"))
    full = 0
    with open_store(source) as one, open_store(target) as other:
        for number in range(times):
            size = max(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
            limit = (size + place * 1024 * (1 + number), resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            try:
                copy_store(one, other)
                break
            except StorageFullError:
                full += 1
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            tell(copy_store(one, other, dry_run=True).present)
        copy_store(one, other)
    tell({"full": full})
