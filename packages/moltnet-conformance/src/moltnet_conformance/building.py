"""Short ways to make what clauses write, and to read all that a store holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from moltnet_core import (
    LOAD_ORDER,
    START,
    Actor,
    AgentRegistration,
    Counts,
    DirectConversation,
    Message,
    MoltnetError,
    Page,
    PageRequest,
    Part,
    Record,
    Room,
    Store,
    Target,
    Thread,
)

NETWORK = "net"
START_OF_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def read_only(location: str) -> str:
    """A location's URL with ``mode=ro``."""
    return f"{location}{'&' if '?' in location else '?'}mode=ro"


# -- what is written ---------------------------------------------------------------------------------


def at(seconds: float, microseconds: int = 0) -> datetime:
    """A time."""
    return START_OF_TIME + timedelta(seconds=seconds, microseconds=microseconds)


def room(room_id: str = "general", **fields: Any) -> Room:
    """A room."""
    return Room(room_id, fields.pop("network_id", NETWORK), created_at=fields.pop("created_at", at(0)), **fields)


def message(message_id: str, target: Target | str = "general", second: float = 1, **fields: Any) -> Message:
    """A message; its target is a room where only a name is given."""
    fields.setdefault("sender", Actor("agent", "ann"))
    fields.setdefault("parts", [Part("text", f"text of {message_id}")])
    fields.setdefault("created_at", at(second))
    target = Target.room(target) if isinstance(target, str) else target
    return Message(fields.pop("network_id", NETWORK), target, id=message_id, **fields)


def thread(thread_id: str = "t1", room_id: str = "general", parent: str | None = None) -> Target:
    """A thread as a target."""
    return Target.thread(room_id, thread_id, parent)


def dm(dm_id: str = "d1", *participants: str) -> Target:
    """A direct conversation as a target."""
    return Target.dm(dm_id, participants or ("ann", "bob"))


def agent(agent_id: str = "ann", credential: str = "token:1", **fields: Any) -> AgentRegistration:
    """A registration."""
    fields.setdefault("created_at", at(0))
    fields.setdefault("updated_at", at(0))
    return AgentRegistration(agent_id, fields.pop("network_id", NETWORK), credential, **fields)


def one_room(store: Store) -> None:
    """The room ``general``."""
    store.create_room(room("general"))


def two_rooms(store: Store) -> None:
    """The rooms ``general`` and ``other``."""
    store.create_room(room("general"))
    store.create_room(room("other"))


def fill(store: Store) -> None:
    """A little of everything: two rooms and a removed one, a thread, a DM, artifacts, agents."""
    store.create_room(room("general", members=["ann", "net2:zoe"], visibility="public"))
    store.create_room(room("other", name="Other", members=["ann"]))
    store.create_room(room("gone", members=["bob"]))
    file = Part("file", filename="a.txt", media_type="text/plain", url="https://example.org/a.txt")
    store.append_message(message("m1", second=1, mentions=["ann"]))
    store.append_message(message("m2", second=2, parts=[Part("text", "see"), file]))
    store.append_message(message("m3", "gone", second=3, parts=[Part("data", data={"k": [1, {"n": 2}]})]))
    store.append_message(message("t1m1", thread("t1", parent="m1"), second=4, parts=[file]))
    store.append_message(message("d1m1", dm("d1"), second=5, parts=[Part("url", url="molt://net/x")]))
    store.remove_room("gone")
    store.register_agent(agent("ann", "token:1", display_name="Ann"))
    store.register_agent(agent("bob", "agent-token:2"))


# -- what is read ------------------------------------------------------------------------------------


def records(store: Store) -> list[Record]:
    """Everything stored, in load order."""
    with store.snapshot() as snapshot:
        return [record for kind in LOAD_ORDER for record in snapshot.records(kind)]


def everything(store: Store) -> tuple[list[Any], Counts, Page[Any]]:
    """All that a store holds and derives; equal before and after what changes nothing."""
    whole = [record.to_json(with_credentials=True) for record in records(store)]
    return whole, store.counts(), store.list_artifacts(page=PageRequest(limit=1000))


def contract_error(error: MoltnetError) -> type[BaseException]:
    """The contract's class of an error, which a backend may raise a subclass of."""
    return next(base for base in type(error).__mro__ if base.__module__ == MoltnetError.__module__)


def ids(page: Page[Any]) -> list[str]:
    """The ids of a page's items."""
    return [getattr(item, "id", None) or item.agent_id for item in page.items]


def back(store: Store, written: Message) -> Message:
    """A message as it reads after it was appended."""
    store.append_message(written)
    found = store.get_message(written.id)
    assert found is not None
    assert store.list_room_messages("general").items[-1] == found
    return found


def thread_of(store: Store, thread_id: str = "t1") -> Thread:
    """A thread that is there."""
    found = store.get_thread(thread_id)
    assert found is not None
    return found


def dm_of(store: Store, dm_id: str = "d1") -> DirectConversation:
    """A direct conversation that is there."""
    found = store.get_dm(dm_id)
    assert found is not None
    return found


def looked_up(store: Store, text: str) -> list[Any]:
    """What a text finds as an id, a credential or a conversation."""
    single: list[Callable[[str], Any]] = [
        store.get_room,
        store.get_message,
        store.get_thread,
        store.get_dm,
        store.get_agent,
        store.get_agent_by_credential,
        store.get_member,
    ]
    lines: list[Callable[[str], Page[Any]]] = [
        store.list_room_messages,
        store.list_thread_messages,
        store.list_dm_messages,
        store.list_threads,
    ]
    found = [find(text) for find in single]
    return [item for item in found if item is not None] + [item for read in lines for item in read(text).items]


def walk(read: Callable[[PageRequest], Page[Any]], limit: int, *, forwards: bool) -> Iterator[Page[Any]]:
    """The pages of a listing, from the oldest on or from the newest back. No cursor comes twice, so that it ends."""
    page = read(PageRequest(after=START if forwards else None, limit=limit))
    yield page
    used: set[str] = set()
    while cursor := page.info.next_after if forwards else page.info.next_before:
        assert cursor not in used, "the walk goes in a circle"
        used.add(cursor)
        page = read(PageRequest(after=cursor, limit=limit) if forwards else PageRequest(before=cursor, limit=limit))
        yield page
