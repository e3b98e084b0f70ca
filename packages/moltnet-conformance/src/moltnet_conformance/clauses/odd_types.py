"""Values of types that are nearly right: subclasses of ``str``, and records made by hand with anything in them."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_core import (
    Actor,
    AgentRegistration,
    DirectConversation,
    Message,
    Part,
    Record,
    Room,
    Store,
    Target,
    Thread,
    ValidationError,
)
from moltnet_core.timestamps import NO_TIME

clause = Group("errors leave no trace")


TIMES = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}


class Name(str, Enum):  # noqa: UP042 - its str() is not its value
    """What an application may use for its ids."""

    NET = "net"
    ROOM = "general"
    ANN = "ann"
    TEXT = "text"


@clause("TYPE-001", "1.3")
def a_member_of_an_enumeration_is_the_text_it_stands_for(store: Store) -> None:
    room = store.create_room(Room(Name.ROOM, Name.NET, members=[Name.ANN]))
    assert (room.id, room.fqid, room.members) == ("general", "molt://net/rooms/general", ("ann",))
    target = Target.thread(Name.ROOM, Name.TEXT)
    sent = store.append_message(Message(Name.NET, target, Actor("agent", Name.ANN), [Part(Name.TEXT, Name.TEXT)]))
    assert sent.thread_created is not None
    assert sent.thread_created.fqid == "molt://net/threads/text"
    assert sent.message.sender.fqid == "molt://net/agents/ann"
    held = store.get_message(sent.message.id)
    assert held == sent.message
    for text in (room.id, room.fqid, sent.message.target.room_id, sent.message.sender.id, sent.message.parts[0].text):
        assert type(text) is str


def message(**changed: Any) -> Message:
    """A message made by hand."""
    fields: dict[str, Any] = {
        "network_id": "net",
        "target": Target.room("g"),
        "sender": Actor("agent", "a"),
        "parts": (Part("text", "x"),),
    }
    return Message(**fields | changed)


WRONG: list[tuple[str, Any]] = [
    ("room", Room(5, "net")),  # type: ignore[arg-type]
    ("room", Room("r", "net", members=[b"x"])),
    ("room", Room("r", "net", name=None)),  # type: ignore[arg-type]
    ("agent", AgentRegistration("a", "net", 7)),  # type: ignore[arg-type]
    ("thread", Thread("t", "net", "f", None, last_message_at=NO_TIME)),  # type: ignore[arg-type]
    ("dm", DirectConversation("d", "net", "f", [1], last_message_at=NO_TIME)),
    ("message", message(parts="text")),
    ("message", message(parts=["text"])),
    ("message", message(parts=(Part("data", data={1: 2}),))),
    ("message", message(parts=(Part("data", data={"a": {1, 2}}),))),
    ("message", message(sender="ann")),
    ("message", message(target=None)),
    ("message", message(mentions=(1,))),
    ("message", message(created_at="2026-01-01T00:00:00Z")),
    ("message", "no message at all"),
]


@clause("TYPE-002", "4.40", "5.4", "5.13")
@for_each(WRONG)
def a_record_that_holds_the_wrong_types_loads_nothing(store: Store, wrong: tuple[str, Any]) -> None:
    kind, value = wrong
    good = Record("room", Room("g", "net"), TIMES)
    with pytest.raises(ValidationError):
        store.load([good, Record(kind, value, TIMES)])
    assert store.counts().rooms == 0
    with store.snapshot() as snapshot:
        assert list(snapshot.records()) == []
