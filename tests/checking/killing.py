"""What tests of killed repairs share: a store with many faults, and children that repair it."""

from __future__ import annotations

from pathlib import Path

from tests.checking.places import JSONPlace, Place, PostgresPlace, SQLitePlace
from tests.children import listen, tell

from moltnet_core import (
    Actor,
    AgentRegistration,
    Message,
    Part,
    Progress,
    Room,
    Store,
    Target,
    check_location,
    open_store,
    repair_store,
)

__all__ = ["BEFORE", "CODES", "CORRUPT", "fill", "found", "repair_in_steps", "repair_once_told", "spoil"]

CODES = ("undecodable", "counter-drift", "participant-missing", "participant-stray")
CORRUPT = 40
BEFORE = {"undecodable": CORRUPT, "counter-drift": 20, "participant-missing": 1, "participant-stray": 1}
"""What is found in it."""


def fill(store: Store) -> None:
    store.create_room(Room("general", "net"))
    store.register_agent(AgentRegistration("alice", "net", "token:x"))
    sender = Actor("agent", "alice")
    batch = []
    for number in range(800):
        target = Target("dm", dm_id=f"d{number % 50}", participant_ids=("alice", "bob"))
        if number % 2:
            target = Target("thread", room_id="general", thread_id=f"t{number % 40}")
        batch.append(Message("net", target, sender, (Part("text", "x"),), id=f"m{number}"))
    store.append_messages(batch)


def spoil(place: Place) -> None:
    if isinstance(place, JSONPlace):

        def change(content: dict[str, dict[str, list[dict[str, object]]]]) -> None:
            for line in list(content["thread_messages"].values()):
                line[0]["parts"] = line[1]["parts"] = 5

        place.edit(change)
        place.edit(lambda content: [each.update(message_count=0) for each in content["threads"].values()])
        place.edit(lambda content: content["direct_members"].update({"d0": {"alice": {}, "mallory": {}}}))
        return
    assert isinstance(place, SQLitePlace | PostgresPlace)
    ids = ", ".join(f"'m{number * 2 + 1}'" for number in range(CORRUPT))
    place.execute(
        f"UPDATE messages SET parts_json = '[' WHERE id IN ({ids})",
        "UPDATE threads SET message_count = 0",
        "UPDATE dm_participants SET participant_id = 'mallory' WHERE dm_id = 'd0' AND participant_id = 'bob'",
    )


def repair_in_steps(url: str, folder: str) -> None:
    """In a child: tells every step, and goes on when it is told to."""

    def step(progress: Progress) -> None:
        tell(progress.phase)
        listen()

    with open_store(url, environ={}) as store:
        repair_store(store, CODES, folder=Path(folder), backup=None, on_progress=step)
    tell("done")


def found(place: Place) -> dict[str, int]:
    report = check_location(place.url, environ={})
    return {each.code: each.count for each in report.findings if each.code in CODES}


def repair_once_told(url: str, folder: str) -> None:
    """In a child: repairs when it is told to, and waits for its end."""
    with open_store(url, environ={}) as store:
        tell("ready")
        listen()
        repair_store(store, CODES, folder=Path(folder), backup=None)
        listen()
