"""What each operation costs in trips to the server."""

from __future__ import annotations

from collections.abc import Callable

from tests.moltnet_postgres.support import Place
from tests.postgres.proxy import Proxy

from moltnet_conformance.building import agent, dm, message, room, thread
from moltnet_core import PageRequest, Part, Store

__all__ = ["LIMITS", "counted"]

FILE = [Part("file", filename="f"), Part("url", url="https://example.org/")]

OPERATIONS: dict[str, tuple[int, Callable[[Store], object]]] = {
    "ping": (1, lambda store: store.ping()),
    "create_room": (3, lambda store: store.create_room(room("general", members=["ann", "bob"]))),
    "append to a room": (1, lambda store: store.append_message(message("m1"))),
    "append to a room with artifacts": (1, lambda store: store.append_message(message("m2", parts=FILE))),
    "append to a new thread": (1, lambda store: store.append_message(message("m3", thread()))),
    "append to a thread with artifacts": (1, lambda store: store.append_message(message("m4", thread(), parts=FILE))),
    "append to a new DM": (1, lambda store: store.append_message(message("m5", dm()))),
    "append to a DM with artifacts": (1, lambda store: store.append_message(message("m6", dm(), parts=FILE))),
    "append 1 as a batch": (1, lambda store: store.append_messages([message("b1")])),
    "append 10": (3, lambda store: store.append_messages([message(f"b10-{each}") for each in range(10)])),
    "append 1000": (6, lambda store: store.append_messages([message(f"b1000-{each}") for each in range(1000)])),
    "get_room": (1, lambda store: store.get_room("general")),
    "get_message": (1, lambda store: store.get_message("m1")),
    "get_thread": (1, lambda store: store.get_thread("t1")),
    "get_dm": (1, lambda store: store.get_dm("d1")),
    "get_member": (1, lambda store: store.get_member("ann")),
    "list_rooms": (1, lambda store: store.list_rooms()),
    "list_threads": (1, lambda store: store.list_threads("general")),
    "list_dms": (1, lambda store: store.list_dms()),
    "list_members": (3, lambda store: store.list_members()),
    "list_artifacts": (1, lambda store: store.list_artifacts()),
    "newest page": (1, lambda store: store.list_room_messages("general")),
    "page before": (1, lambda store: store.list_room_messages("general", PageRequest(before="b10-5"))),
    "page after": (1, lambda store: store.list_room_messages("general", PageRequest(after="b10-5"))),
    "register_agent": (3, lambda store: store.register_agent(agent())),
    "get_agent": (1, lambda store: store.get_agent("ann")),
    "get_agent_by_credential": (1, lambda store: store.get_agent_by_credential("token:1")),
    "list_agents": (1, lambda store: store.list_agents()),
    "counts": (1, lambda store: store.counts()),
    "update_room_members": (5, lambda store: store.update_room_members("general", add=["zoe"], remove=["ann"])),
    "reconcile_room": (5, lambda store: store.reconcile_room(room("general", members=["ann"]))),
    "remove_room": (3, lambda store: store.remove_room("general")),
}
LIMITS = {"open": 8} | {name: limit for name, (limit, _) in OPERATIONS.items()}


def counted(place: Place, proxy: Proxy) -> dict[str, int]:
    """The trips of opening a store and of its operations, one after the other, on a store that is connected."""
    place.open().close()
    store = place.open(**proxy.login)
    found = {"open": proxy.round_trips}
    for name, (_, operate) in OPERATIONS.items():
        before = proxy.round_trips
        operate(store)
        found[name] = proxy.round_trips - before
    store.close()
    return found
