"""Ids and member ids: which are taken, and which are refused without a trace."""

from __future__ import annotations

from typing import Any

from moltnet_conformance.building import agent, dm, fill, message, room, thread
from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_conformance.refusing import UNSTORABLE, refused
from moltnet_core import Actor, Part, Store, Target

clause = Group("errors leave no trace", given=fill)


LONGEST = "a" * 128
IDS = ["a", "Z", "0", "a.b_c:d-e", "A1", "9_", LONGEST, "msg_1:x", "SELECT", "None"]
NO_IDS = {
    "too long": LONGEST + "a",
    "newline at the end": "a\n",
    "newline before": "\na",
    "space inside": "a b",
    "space at the end": "a ",
    "leading dot": ".a",
    "leading dash": "-a",
    "leading underscore": "_a",
    "leading colon": ":a",
    "slash": "a/b",
    "percent": "a%20b",
    "umlaut": "ä",
    "arabic digit": "٣",
    "digit at the end": "a٣",
    "full-width letter": "Ａ",
    "dotless i": "aı",
    "kelvin sign": "\u212a",
    "combining mark": "a\u0301",
    **UNSTORABLE,
}
MEMBERS = [
    "a",
    LONGEST,
    "net:agent",
    "net:a:b",
    f"{LONGEST}:{LONGEST}",
    "molt://n/agents/a",
    f"molt://n.x/agents/{LONGEST}",
]
NO_MEMBERS = {
    **{name: value for name, value in NO_IDS.items() if name not in ("newline at the end", "newline before")},
    "nothing after the colon": "net:",
    "only a colon": ":",
    "nothing between colons": "net::a",
    "a bad network": "n_et/:a",
    "a bad agent": "net:_a",
    "a long network": f"{LONGEST}a:b",
    "a long agent": f"a:{LONGEST}b",
    "no agent": "molt://net/agents/",
    "no network": "molt:///agents/a",
    "another collection": "molt://net/rooms/a",
    "more path": "molt://net/agents/a/b",
    "another scheme": "http://net/agents/a",
    "a network with U+0000": "molt://a\x00b/agents/a",
    "a network with a surrogate": "molt://a\ud800/agents/a",
}


@clause("ID-001", "1.4")
@for_each(enumerate(IDS))
def identifiers_that_are_taken(store: Store, numbered: tuple[int, str]) -> None:
    number, value = numbered
    assert store.create_room(room(value)).id == value
    store.append_message(message(value, value))
    store.append_message(message(f"by-thread{number}", thread(value, value, parent=value)))
    store.append_message(message(f"by-dm{number}", dm(value)))
    assert store.get_message(value) is not None
    assert store.get_thread(value) is not None
    assert store.get_dm(value) is not None


@clause("ID-002", "1.4", "5.4", "5.13")
@for_each(NO_IDS)
def identifiers_that_are_not(store: Store, value: str) -> None:
    with refused(store, "room.id"):
        store.create_room(room(value))
    with refused(store, "room.id"):
        store.reconcile_room(room(value))
    with refused(store, "message.id"):
        store.append_message(message(value))
    with refused(store, "message.target.room_id"):
        store.append_message(message("m9", value))
    with refused(store, "message.target.thread_id"):
        store.append_message(message("m9", thread(value)))
    with refused(store, "message.target.room_id"):
        store.append_message(message("m9", thread("t1", value)))
    with refused(store, "message.target.parent_message_id"):
        store.append_message(message("m9", thread("t1", parent=value)))
    with refused(store, "message.target.dm_id"):
        store.append_message(message("m9", dm(value)))


@clause("ID-003", "1.5")
@for_each(enumerate(MEMBERS))
def member_ids_that_are_taken(store: Store, numbered: tuple[int, str]) -> None:
    number, value = numbered
    assert store.create_room(room(f"r9{number}", members=[value])).members == (value,)
    assert store.register_agent(agent(value, "token:9")).agent_id == value
    target = dm(f"d9{number}", value, "zz")
    written = store.append_message(message(f"m9{number}", target, sender=Actor("agent", value))).message
    assert (written.sender.id, written.target.participant_ids) == (value, (value, "zz"))
    found = store.get_dm(f"d9{number}")
    assert found is not None
    assert set(found.participant_ids) == {value, "zz"}


@clause("ID-004", "1.5", "5.4", "5.13")
@for_each(NO_MEMBERS)
def member_ids_that_are_not(store: Store, value: str) -> None:
    with refused(store, "agent.agent_id"):
        store.register_agent(agent(value, "token:9"))
    with refused(store, "message.from.id"):
        store.append_message(message("m9", sender=Actor("agent", value)))
    if value == value.strip():  # members and participants are trimmed
        with refused(store, "room.members[1]"):
            store.create_room(room("r9", members=["ok", value]))
        with refused(store, "add[0]"):
            store.update_room_members("general", add=[value])
        with refused(store, "remove[0]"):
            store.update_room_members("general", remove=[value])
        with refused(store, "message.target.participant_ids[1]"):
            store.append_message(message("m9", dm("d9", "ok", value)))


@clause("ID-005", "1.4", "1.6", "5.4")
def ids_and_texts_of_other_types(store: Store) -> None:
    wrong: Any
    for wrong in (5, b"x", ["x"], None):
        with refused(store, "room.id"):
            store.create_room(room(wrong))
        with refused(store, "message.target.room_id"):
            store.append_message(message("m9", Target(kind="room", room_id=wrong)))
        with refused(store, "message.from.id"):
            store.append_message(message("m9", sender=Actor("agent", wrong)))
        with refused(store, "agent.agent_id"):
            store.register_agent(agent(wrong))
        with refused(store, "room.network_id"):
            store.create_room(room("r9", network_id=wrong))
        with refused(store, "message.network_id"):
            store.append_message(message("m9", network_id=wrong))
    for wrong in (5, b"x", ["x"]):
        with refused(store, "message.id"):
            store.append_message(message(wrong))
        with refused(store, "message.parts[0].text"):
            store.append_message(message("m9", parts=[Part("text", wrong)]))
        with refused(store, "message.parts[0].kind"):
            store.append_message(message("m9", parts=[Part(wrong, "x")]))
