"""Generated histories, run on a backend and on the reference in lockstep: results, errors and the final scan agree.

A failure prints the steps of the shortest history that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from moltnet_conformance.building import contract_error, walk
from moltnet_conformance.harness import Place
from moltnet_conformance.strategies import (
    credentials,
    dm_ids,
    filters,
    member_ids,
    members,
    message_ids,
    messages,
    pages,
    records,
    registrations,
    room_ids,
    rooms,
    thread_ids,
    with_digits,
)
from moltnet_core import (
    LOAD_ORDER,
    AgentRegistration,
    ArtifactFilter,
    Message,
    MoltnetError,
    PageRequest,
    Record,
    Room,
    Store,
)

REOPENED = 2  # times in a history: the generator would take it for one step in five, and it takes longest


def outcome(call: Callable[[Store], Any], store: Store) -> tuple[str, Any]:
    """What a call returns, or which error it raises, with the ids in it."""
    try:
        return "returns", call(store)
    except MoltnetError as error:
        return contract_error(error).__name__, (error.__dict__, error.committed)


def final(store: Store) -> list[Any]:
    """Everything, but for when a room was removed: that is the time of the call."""
    with store.snapshot() as snapshot:
        whole = [record.to_json(with_credentials=True) for kind in LOAD_ORDER for record in snapshot.records(kind)]
    for record in whole:
        if "removed_at" in record:
            record["removed_at"] = True
    artifacts = [page.items for page in walk(lambda page: store.list_artifacts(page=page), 5, forwards=True)]
    return [whole, store.counts(), store.list_members(), artifacts]


class Histories(RuleBasedStateMachine):
    """Every step is taken on both stores, and has to come out alike."""

    place: Place  # set by the clause
    reference_place: Place

    @initialize()
    def open(self) -> None:
        self.location = self.place.new_location()
        self.subject = self.place.open(self.location)
        self.reference = self.reference_place.open()
        self.reopened = 0

    def both(self, call: Callable[[Store], Any]) -> None:
        assert outcome(call, self.subject) == outcome(call, self.reference)

    @rule(room=rooms)
    def create_room(self, room: Room) -> None:
        self.both(lambda store: store.create_room(room))

    @rule(room=rooms)
    def reconcile_room(self, room: Room) -> None:
        self.both(lambda store: store.reconcile_room(room))

    @rule(room_id=room_ids, add=members, remove=members)
    def update_room_members(self, room_id: str, add: list[str], remove: list[str]) -> None:
        self.both(lambda store: store.update_room_members(room_id, add, remove))

    @rule(room_id=room_ids)
    def remove_room(self, room_id: str) -> None:
        self.both(lambda store: store.remove_room(room_id))

    @rule(member_id=member_ids)
    def remove_agent_from_rooms(self, member_id: str) -> None:
        self.both(lambda store: store.remove_agent_from_rooms(member_id))

    @rule(batch=st.lists(messages, min_size=1, max_size=4), retry=st.booleans())
    def append_messages(self, batch: list[Message], retry: bool) -> None:
        self.both(lambda store: store.append_messages(batch, retry=retry))

    @rule(message=messages)
    def append_and_try_again(self, message: Message) -> None:
        self.both(lambda store: store.append_message(message))
        self.both(lambda store: store.append_message(message, retry=True))

    @rule(registration=registrations, rebind=st.booleans())
    def register_agent(self, registration: AgentRegistration, rebind: bool) -> None:
        if rebind:
            self.both(lambda store: store.reconcile_agent(registration))
        else:
            self.both(lambda store: store.register_agent(registration))

    @rule(agent_id=member_ids)
    def remove_agent(self, agent_id: str) -> None:
        self.both(lambda store: store.remove_agent(agent_id))

    @rule(loaded=st.lists(records, min_size=1, max_size=4))
    def load(self, loaded: list[Record]) -> None:
        kept = [with_digits(record, self.subject.backend.time_digits) for record in loaded]
        self.both(lambda store: store.load(kept))

    @precondition(lambda self: self.reopened < REOPENED)
    @rule()
    def reopen(self) -> None:
        self.reopened += 1
        if "persistent" in self.subject.capabilities:
            self.subject.close()
            self.subject = self.place.open(self.location)

    @rule(page=pages, room_id=room_ids, thread_id=thread_ids, dm_id=dm_ids, chosen=filters)
    def list_everything(
        self, page: PageRequest, room_id: str, thread_id: str, dm_id: str, chosen: ArtifactFilter
    ) -> None:
        self.both(lambda store: store.list_room_messages(room_id, page))
        self.both(lambda store: store.list_thread_messages(thread_id, page))
        self.both(lambda store: store.list_dm_messages(dm_id, page))
        self.both(lambda store: store.list_threads(room_id, page))
        self.both(lambda store: store.list_artifacts(chosen, page))
        for name in ("list_rooms", "list_dms", "list_agents", "list_members"):
            self.both(lambda store: getattr(store, name)(page))  # noqa: B023 - it is called at once

    @rule(message_id=message_ids, thread_id=thread_ids, dm_id=dm_ids, member_id=member_ids, key=credentials)
    def get_everything(self, message_id: str, thread_id: str, dm_id: str, member_id: str, key: str) -> None:
        self.both(lambda store: store.get_message(message_id))
        self.both(lambda store: store.get_thread(thread_id))
        self.both(lambda store: store.get_dm(dm_id))
        self.both(lambda store: (store.get_member(member_id), store.get_agent(member_id)))
        self.both(lambda store: store.get_agent_by_credential(key))

    def teardown(self) -> None:
        if hasattr(self, "reference"):
            try:
                assert final(self.subject) == final(self.reference)
            finally:
                self.place.close()
                self.reference_place.close()
