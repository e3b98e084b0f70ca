"""Several processes on one store."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.contract.building import Place, having, room

PROCESSES = 4
ATTEMPTS = 20
pytestmark = having("multi_process", "persistent")

OPEN = """
import json, sys
from moltnet_core import AgentCredentialError, DuplicateMessageError, RoomExistsError, open_store
from tests.contract.building import agent, dm, message, room, thread

def say(value):
    print(json.dumps(value), flush=True)

number, location = int(sys.argv[1]), sys.argv[2]
"""
RACE = (
    OPEN
    + """
store = open_store(location, environ={})
say("ready")
sys.stdin.readline()
won = []
for attempt in range(20):
    for kind, error, call in (
        ("agent", AgentCredentialError, lambda: store.register_agent(agent(f"a{attempt}", f"token:{number}"))),
        ("room", RoomExistsError, lambda: store.create_room(room(f"r{attempt}", members=[f"m{number}"]))),
        ("message", DuplicateMessageError,
         lambda: store.append_message(message(f"m{attempt}", thread("t", "general"), mentions=[str(number)]))),
    ):
        try:
            call()
            won.append(f"{kind}{attempt}")
        except error:
            pass
    store.append_message(message(f"own-{number}-{attempt}", dm("d", f"p{number}", "bob"), attempt))
    store.update_room_members("general", add=[f"p{number}-{attempt}"])
store.close()
say(won)
"""
)
FIRST_OPEN = (
    OPEN
    + """
say("ready")
sys.stdin.readline()
store = open_store(location, environ={})
store.register_agent(agent(f"a{number}", f"token:{number}"))
say([series.applied for series in store.migration_status().series])
store.close()
"""
)


def race(script: str, location: str) -> Iterator[Any]:
    """Starts processes that all wait for a sign, gives it, and yields what each says last."""
    root = Path(__file__).parents[2]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-W", "error", "-c", script, str(number), location],
                    cwd=root,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(PROCESSES)
        ]
        for each in running:
            assert each.stdout is not None
            ready = each.stdout.readline()
            assert ready == '"ready"\n', each.communicate()[1]
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        for each in running:
            out, err = each.communicate(timeout=60)
            assert each.returncode == 0, err
            yield json.loads(out)


def test_of_concurrent_writers_exactly_one_wins_and_no_update_is_lost(place: Place) -> None:
    location = place.new_location()
    store = place.open(location)
    store.create_room(room("general"))
    winners = list(race(RACE, location))
    wins = Counter(name for won in winners for name in won)
    assert wins == {f"{kind}{attempt}": 1 for kind in ("agent", "room", "message") for attempt in range(ATTEMPTS)}
    for number, won in enumerate(winners):
        for name in won:
            if name.startswith("agent"):
                found = store.get_agent(name.replace("agent", "a"))
                assert found is not None
                assert found.credential_key == f"token:{number}"
    line, direct, general = store.get_thread("t"), store.get_dm("d"), store.get_room("general")
    assert line is not None
    assert direct is not None
    assert general is not None
    assert (line.message_count, direct.message_count) == (ATTEMPTS, PROCESSES * ATTEMPTS)
    assert len(general.members) == PROCESSES * ATTEMPTS
    assert store.counts().messages == (PROCESSES + 1) * ATTEMPTS


def test_several_first_openers(place: Place) -> None:
    location = place.new_location()
    seen = list(race(FIRST_OPEN, location))
    assert all(each == seen[0] for each in seen)
    assert place.open(location).counts().agents == PROCESSES
