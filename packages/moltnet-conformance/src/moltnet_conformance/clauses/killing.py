"""A process that is killed in the middle of its writes loses none that returned, and leaves none by half."""

from __future__ import annotations

import subprocess

from moltnet_conformance.building import everything, message, room, thread, walk
from moltnet_conformance.children import command
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place

clause = Group("kill -9", needs=("persistent",))

SIZE = 3  # messages a batch
WRITER = """
import sys
from moltnet_conformance.building import message, room, thread
from moltnet_conformance.uninstalled import opened
from moltnet_core import Part

store = opened(sys.argv[1])
store.create_room(room("general"))
number = 0
while True:
    batch = [message(f"m{number:05}-{item}", thread(), number, parts=[Part("file")]) for item in range(3)]
    store.append_messages(batch)
    print(number, flush=True)
    number += 1
"""


def killed_after(location: str, acknowledged: int) -> int:
    """Lets a writer acknowledge so many batches, kills it, and gives the last number that it said."""
    with subprocess.Popen(
        command(WRITER, location), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        last = -1
        for line in writer.stdout:
            last = int(line)
            if last >= acknowledged:
                break
        writer.kill()
        rest = writer.stdout.read().splitlines(keepends=True)
        failure = writer.stderr.read()
    assert last >= acknowledged, failure
    return max([last, *(int(line) for line in rest if line.endswith("\n"))])


@clause("KILL-001", "4.1", "5.13")
def what_was_acknowledged_before_a_kill_is_there_and_nothing_by_half(place: Place) -> None:
    for acknowledged in (0, 7, 20):
        location = place.new_location()
        last = killed_after(location, acknowledged)
        with place.open(location) as store:
            pages = walk(lambda page: store.list_thread_messages("t1", page), 100, forwards=True)
            found = [each.id for page in pages for each in page.items]
            assert found[: SIZE * (last + 1)] == [f"m{n:05}-{item}" for n in range(last + 1) for item in range(SIZE)]
            assert len(found) % SIZE == 0
            line = store.get_thread("t1")
            assert line is not None
            assert line.message_count == len(found) == store.counts().artifacts


@clause("KILL-002", "4.1")
def writing_goes_on_after_a_kill(place: Place) -> None:
    location = place.new_location()
    killed_after(location, 3)
    with place.open(location) as store:
        store.append_message(message("after", thread(), 100_000))
        store.create_room(room("new"))
        before = everything(store)
    with place.open(location) as store:
        assert everything(store) == before
        assert store.list_thread_messages("t1").items[-1].id == "after"
