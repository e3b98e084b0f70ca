"""Text that no backend can hold: the error names the field, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable

from moltnet_conformance.building import agent, everything, fill, looked_up, message, room
from moltnet_conformance.cases import for_each
from moltnet_conformance.clause import Group
from moltnet_conformance.refusing import UNSTORABLE, refused
from moltnet_core import Actor, Message, MessageOrigin, Part, Store

clause = Group("errors leave no trace", given=fill)


ANYWHERE: dict[str, Callable[[str], Message]] = {
    "message.network_id": lambda text: message("m9", network_id=text),
    "message.from.type": lambda text: message("m9", sender=Actor(text, "a")),
    "message.from.name": lambda text: message("m9", sender=Actor("agent", "a", name=text)),
    "message.from.network_id": lambda text: message("m9", sender=Actor("agent", "a", network_id=text)),
    "message.from.fqid": lambda text: message("m9", sender=Actor("agent", "a", fqid=text)),
    "message.origin.network_id": lambda text: message("m9", origin=MessageOrigin(text, "m")),
    "message.origin.message_id": lambda text: message("m9", origin=MessageOrigin("n", text)),
    "message.mentions[1]": lambda text: message("m9", mentions=["ok", text]),
    "message.parts[1].text": lambda text: message("m9", parts=[Part("text", "ok"), Part("text", text)]),
    "message.parts[0].media_type": lambda text: message("m9", parts=[Part("file", media_type=text)]),
    "message.parts[0].filename": lambda text: message("m9", parts=[Part("file", filename=text)]),
    "message.parts[0].url": lambda text: message("m9", parts=[Part("url", url=f"https://h/{text}")]),
    "message.parts[0].data.k": lambda text: message("m9", parts=[Part("data", data={"k": text})]),
    "message.parts[0].data.k[1].l": lambda text: message("m9", parts=[Part("data", data={"k": [0, {"l": text}]})]),
    "message.parts[0].data": lambda text: message("m9", parts=[Part("data", data={text: 1})]),
    "message.parts[0].data.deep": lambda text: message("m9", parts=[Part("data", data={"deep": {text: 1}})]),
}


@clause("TEXT-003", "2.1", "5.4", "5.13")
@for_each([(field, value) for field in ANYWHERE for value in UNSTORABLE.values()])
def text_that_no_backend_can_hold(store: Store, placed: tuple[str, str]) -> None:
    field, value = placed
    with refused(store, field):
        store.append_message(ANYWHERE[field](value))


@clause("TEXT-004", "2.1", "5.4", "5.13")
@for_each(UNSTORABLE)
def text_that_no_backend_can_hold_in_rooms_and_agents(store: Store, value: str) -> None:
    for field in ("network_id", "name", "fqid"):
        with refused(store, f"room.{field}"):
            store.create_room(room("r9", **{field: value}))
        with refused(store, f"room.{field}"):
            store.reconcile_room(room("general", **{field: value}))
    for field in ("network_id", "display_name", "actor_uid", "actor_uri"):
        with refused(store, f"agent.{field}"):
            store.register_agent(agent("ann", **{field: value}))
    with refused(store, "agent.credential_key"):
        store.reconcile_agent(agent("ann", value))


@clause("TEXT-005", "2.1")
@for_each(UNSTORABLE)
def looking_up_text_that_cannot_be_stored_finds_nothing(store: Store, value: str) -> None:
    before = everything(store)
    assert looked_up(store, value) == []
    store.remove_agent(value)
    store.remove_agent_from_rooms(value)
    assert everything(store) == before


@clause("TEXT-006", "1.6", "5.4")
def empty_texts_where_one_is_needed(store: Store) -> None:
    with refused(store, "room.network_id"):
        store.create_room(room("r9", network_id=""))
    with refused(store, "message.network_id"):
        store.append_message(message("m9", network_id=""))
    with refused(store, "agent.network_id"):
        store.register_agent(agent("zoe", network_id=""))
    with refused(store, "agent.credential_key"):
        store.register_agent(agent("zoe", ""))
    with refused(store, "agent.credential_key"):
        store.reconcile_agent(agent("ann", ""))
    with refused(store, "message.from.id"):
        store.append_message(message("m9", sender=Actor("agent", "")))
