"""Everything that this project writes, done once to a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from moltnet_core import AgentRegistration, Message, Room, Store
from moltnet_core.types import Actor, Part, Target

from .case import Case, Known
from .raw import Dump

__all__ = ["AT", "NEW", "PARTS", "changes_by_writing", "message", "write_everything"]

AT = datetime(2027, 6, 1, 12, 0, 0, 500000, tzinfo=UTC)
"""When the first message is written; each further one a second later."""

NEW = Known("harbor", "own:room", "own-thread", None, "own-dm", ("own-agent", "far:scout"), "own-agent", "own-gone")
"""What is written where nothing is known."""

PARTS = (
    Part("text", text="plain <b>&amp; \u2028 \U0001f600 text"),
    Part("text", text="with a type", media_type="text/markdown"),
    Part("url", url="https://example.org/?a=1&b=<2>"),
    Part("data", data={"n": 2**63, "f": 0.1, "nested": {"list": [None, True, ""]}}),
    Part("file", filename="report.pdf", media_type="application/pdf", url="molt://harbor/files/1"),
    Part("image"),
    Part("audio", url="http://example.org/a.ogg"),
)


def message(own_id: str, target: Target, second: int = 0, **fields: object) -> Message:
    sender = Actor("agent", "alpha", network_id="harbor")
    values = {"parts": PARTS, "id": own_id, "created_at": AT + timedelta(seconds=second)} | fields
    return Message("harbor", target, sender, **values)  # type: ignore[arg-type]


def write_everything(store: Store, known: Known | None) -> None:
    """Every kind of write.

    :param known: what to write beside, in what the store holds already.
    """
    _make_new(store)
    for place, names in enumerate((NEW, known) if known else (NEW,)):
        thread = Target.thread(names.room, names.thread, names.parent)
        dm = Target.dm(names.dm, names.participants)
        store.append_message(message(f"w{place}-room", Target.room(names.room), 1))
        store.append_messages(
            [
                message(f"w{place}-thread-1", thread, 2, mentions=("molt://harbor/agents/beta",)),
                message(f"w{place}-dm-1", dm, 3),
                message(
                    f"w{place}-thread-2", Target.thread(names.room, names.thread), 4, parts=(Part("text", text="x"),)
                ),
            ]
        )
        store.append_message(message(f"w{place}-dm-2", dm, 5))
        # Later in the store, earlier in time: counters go on, the last time stays.
        store.append_message(message(f"w{place}-dm-3", dm, -5))
        store.update_room_members(names.room, add=["own-agent", "other:scout"], remove=["beta"])
        store.reconcile_agent(_agent(names.agent, "rebound"))
        store.remove_room(names.removable)


def changes_by_writing(case: Case, before: Dump) -> dict[str, dict[str, set[str]]]:
    """What :func:`write_everything` does to rows that were there, as :func:`~.raw.changes` tells it."""
    known, counted = case.known, {"message_count", "last_message_at"}
    members = [b"/".join(key).decode() for key in before["room_members"]]
    left = [key for key in members if key.startswith(f"{known.removable}/") or key == f"{known.room}/beta"]
    assert len(left) > 2
    expected = {
        "threads": {known.thread: counted},
        "dm_conversations": {known.dm: counted},
        "room_members": {key: {"gone"} for key in left},
    }
    if "agents" in before:
        expected["agents"] = {known.agent: {"display_name", "credential_key", "updated_at"}}
    if case.version >= 7:
        expected["rooms"] = {known.removable: {"deleted_at"}}
    return expected


def _agent(own_id: str, name: str) -> AgentRegistration:
    return AgentRegistration(own_id, "harbor", f"token:{own_id}", name, created_at=AT, updated_at=AT)


def _make_new(store: Store) -> None:
    store.create_room(Room(NEW.room, "harbor", members=("own-agent", "dropped"), created_at=AT))
    store.create_room(Room(NEW.removable, "harbor", "Gone", ("dropped",), created_at=AT))
    store.create_room(Room("own-open", "harbor", visibility="public", write_policy="operators", created_at=AT))
    store.reconcile_room(Room("own-open", "harbor", "Open", ("own-agent",), "public", "registered_agents"))
    store.remove_agent_from_rooms("dropped")
    store.register_agent(_agent("own-agent", "First"))
    store.register_agent(_agent("own-second", ""))
    store.register_agent(_agent("own-third", "Third"))
    store.remove_agent("own-third")
