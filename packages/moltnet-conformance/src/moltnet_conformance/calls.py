"""Every call that a store has, on a store that :func:`~moltnet_conformance.building.fill` has filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moltnet_conformance.building import (
    agent,
    message,
    records,
    room,
)
from moltnet_core import (
    Store,
)

READS: dict[str, Callable[[Store], Any]] = {
    "ping": lambda store: store.ping(),
    "counts": lambda store: store.counts(),
    "get_room": lambda store: store.get_room("general"),
    "list_rooms": lambda store: store.list_rooms(),
    "get_message": lambda store: store.get_message("m1"),
    "list_room_messages": lambda store: store.list_room_messages("general"),
    "list_thread_messages": lambda store: store.list_thread_messages("t1"),
    "list_dm_messages": lambda store: store.list_dm_messages("d1"),
    "get_thread": lambda store: store.get_thread("t1"),
    "list_threads": lambda store: store.list_threads("general"),
    "get_dm": lambda store: store.get_dm("d1"),
    "list_dms": lambda store: store.list_dms(),
    "list_artifacts": lambda store: store.list_artifacts(),
    "get_agent": lambda store: store.get_agent("ann"),
    "get_agent_by_credential": lambda store: store.get_agent_by_credential("token:1"),
    "get_agent_by_no_credential": lambda store: store.get_agent_by_credential(""),
    "list_agents": lambda store: store.list_agents(),
    "get_member": lambda store: store.get_member("ann"),
    "list_members": lambda store: store.list_members(),
    "snapshot": records,
    "migration_status": lambda store: store.migration_status(),
}
WRITES: dict[str, Callable[[Store], Any]] = {
    "create_room": lambda store: store.create_room(room("new")),
    "reconcile_room": lambda store: store.reconcile_room(room("general")),
    "update_room_members": lambda store: store.update_room_members("general", add=["zoe"]),
    "remove_room": lambda store: store.remove_room("general"),
    "remove_agent_from_rooms": lambda store: store.remove_agent_from_rooms("ann"),
    "append_message": lambda store: store.append_message(message("new")),
    "append_messages": lambda store: store.append_messages([message("new"), message("new2")]),
    "append_nothing": lambda store: store.append_messages([]),
    "append_again": lambda store: store.append_message(message("m1", mentions=["ann"]), retry=True),
    "register_agent": lambda store: store.register_agent(agent("zoe")),
    "reconcile_agent": lambda store: store.reconcile_agent(agent("ann", "token:9")),
    "remove_agent": lambda store: store.remove_agent("ann"),
    "load": lambda store: store.load([]),
    "migrate": lambda store: store.migrate(),
}
