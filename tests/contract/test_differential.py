"""Generated histories, run on a backend and on the reference in lockstep: results, errors and the final scan agree.

A failure prints the steps of the shortest history that shows it. ``MOLTNET_EXAMPLES`` runs more of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.contract.building import BACKENDS, REFERENCE, Place, at, walk

from moltnet_core import (
    LOAD_ORDER,
    START,
    Actor,
    AgentRegistration,
    ArtifactFilter,
    DirectConversation,
    Message,
    MessageOrigin,
    MoltnetError,
    PageRequest,
    Part,
    Record,
    Room,
    Store,
    Target,
    Thread,
)
from moltnet_core.timestamps import normalise, truncate

EXAMPLES = 100  # of each backend; the tests have to end soon

# -- what histories are made of: few ids, so that they meet ------------------------------------------

room_ids = st.sampled_from(["r1", "R1", "r2", "r-1"])
thread_ids = st.sampled_from(["t1", "T1", "t2"])
dm_ids = st.sampled_from(["d1", "D1"])
message_ids = st.sampled_from([f"{letter}{number}" for letter in "mM" for number in range(6)])
networks = st.sampled_from(["net", "far", "a/b é"])
member_ids = st.sampled_from(["ann", "Ann", "bob", "far:ann", "far:x:y", "molt://far/agents/ann"])
members = st.lists(member_ids, max_size=4)
credentials = st.sampled_from(["k1", "K1", "anonymous", "anonymous "])
names = st.sampled_from([None, "", "Name", "nàme\u2028<&>'\""])
moments = st.builds(at, st.integers(0, 2), st.sampled_from([0, 1, 500_000]))
texts = st.builds(
    "2026-01-01T00:00:0{}{}Z".format, st.integers(0, 2), st.sampled_from(["", ".5", ".500000001", ".000001"])
)
data = st.sampled_from([None, {}, {"a": 1}, {"a": 1.0}, {"a": True}, {"b": [-0.0, 10**40, None], "a": {"": "\n"}}])
urls = st.sampled_from([None, "https://h/", "molt://x"])
parts = st.builds(
    Part, st.sampled_from(["text", "file", "url"]), names, url=urls, data=data, filename=st.sampled_from([None, "f"])
)
targets = st.one_of(
    st.builds(Target.room, room_ids),
    st.builds(Target.thread, room_ids, thread_ids, st.none() | message_ids),
    st.builds(Target.dm, dm_ids, st.lists(member_ids, min_size=2, max_size=3)),
)
messages = st.builds(
    Message,
    networks,
    targets,
    st.builds(Actor, st.just("agent"), member_ids, names, st.none() | networks),
    st.lists(parts, min_size=1, max_size=3),
    st.lists(member_ids, max_size=1),
    message_ids,
    moments,
)
rooms = st.builds(
    Room,
    room_ids,
    networks,
    names.map(lambda name: name or ""),
    members,
    st.sampled_from(["private", "public"]),
    st.sampled_from(["members", "operators"]),
    moments,
)
registrations = st.builds(
    AgentRegistration, member_ids, networks, credentials, names, st.just("uid"), st.just(""), moments, moments
)
pages = st.builds(
    PageRequest,
    st.none() | message_ids | room_ids,
    st.none() | st.just(START) | message_ids | thread_ids | member_ids,
    st.none() | st.integers(1, 4),
)
filters = st.one_of(
    st.builds(ArtifactFilter),
    st.builds(ArtifactFilter, room_id=room_ids),
    st.builds(ArtifactFilter, thread_id=thread_ids),
    st.builds(ArtifactFilter, dm_id=dm_ids),
)


def of_kind(kind: str, value: Any, moment: str, *, removed: bool) -> Record:
    times = {"agent": ("created_at", "updated_at"), "thread": ("last_message_at",), "dm": ("last_message_at",)}
    names = times.get(kind, ("created_at",))
    return Record(kind, value, {**dict.fromkeys(names, moment), **({"removed_at": moment} if removed else {})})


def with_digits(record: Record, digits: int) -> Record:
    """The record as a store keeps it that has fewer digits than the reference, which would not lose them."""
    if digits == 9:
        return record
    return Record(record.kind, record.value, {name: truncate(normalise(t), digits) for name, t in record.times.items()})


def stored_message(message: Message) -> Message:
    return Message(
        message.network_id,
        message.target,
        message.sender,
        message.parts,
        message.mentions,
        message.id,
        message.created_at,
        MessageOrigin("net", "x"),
    )


records = st.one_of(
    st.builds(of_kind, st.just("room"), rooms, texts, removed=st.booleans()),
    st.builds(of_kind, st.just("agent"), registrations, texts, removed=st.just(False)),
    st.builds(
        of_kind,
        st.just("thread"),
        st.builds(Thread, thread_ids, networks, networks, room_ids, st.none() | message_ids, last_message_at=moments),
        texts,
        removed=st.just(False),
    ),
    st.builds(
        of_kind,
        st.just("dm"),
        st.builds(DirectConversation, dm_ids, networks, networks, members, last_message_at=moments),
        texts,
        removed=st.just(False),
    ),
    st.builds(of_kind, st.just("message"), messages.map(stored_message), texts, removed=st.just(False)),
)


# -- the histories -----------------------------------------------------------------------------------


def outcome(call: Callable[[Store], Any], store: Store) -> tuple[str, Any]:
    """What a call returns, or which error it raises, with the ids in it."""
    try:
        return "returns", call(store)
    except MoltnetError as error:
        return type(error).__name__, (error.__dict__, error.committed)


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

    place: Place  # set by the test
    reference_place: Place

    @initialize()
    def open(self) -> None:
        self.location = self.place.new_location()
        self.subject = self.place.open(self.location)
        self.reference = self.reference_place.open()

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

    @rule()
    def reopen(self) -> None:
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
                self.subject.close()
                self.reference.close()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != REFERENCE], indirect=True)
def test_histories_come_out_as_on_the_reference(place: Place, tmp_path: Any) -> None:
    class Machine(Histories):
        pass

    Machine.place = place
    Machine.reference_place = Place(REFERENCE, tmp_path)
    examples = int(os.environ.get("MOLTNET_EXAMPLES", str(EXAMPLES)))
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            derandomize=examples == EXAMPLES,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
