"""Several processes on one store."""

from __future__ import annotations

from collections import Counter

from moltnet_conformance.building import room
from moltnet_conformance.children import PROCESSES, race
from moltnet_conformance.clause import Group
from moltnet_conformance.harness import Place

clause = Group("processes", needs=("multi_process", "persistent"))


ATTEMPTS = 20
OPEN = """
import json, sys
from moltnet_core import AgentCredentialError, DuplicateMessageError, RoomExistsError
from moltnet_conformance.building import agent, dm, message, room, thread
from moltnet_conformance.uninstalled import opened

def say(value):
    print(json.dumps(value), flush=True)

number, location = int(sys.argv[1]), sys.argv[2]
"""
RACE = (
    OPEN
    + """
store = opened(location)
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
store = opened(location)
store.register_agent(agent(f"a{number}", f"token:{number}"))
say([series.applied for series in store.migration_status().series])
store.close()
"""
)


@clause("PROC-001", "4.29", "4.33")
def of_concurrent_writers_exactly_one_wins_and_no_update_is_lost(place: Place) -> None:
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


@clause("PROC-002", "4.32", "4.1")
def several_first_openers(place: Place) -> None:
    location = place.new_location()
    seen = list(race(FIRST_OPEN, location))
    assert all(each == seen[0] for each in seen)
    assert place.open(location).counts().agents == PROCESSES
